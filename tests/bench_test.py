"""Every workload of the benchmark runs, and gives the same bits on any number of threads and with each set of kernels."""

import glob
import math
import os
import subprocess
import tempfile

from check import GANDER, ROOT, check, done


def kernel_sets():
    try:
        with open("/proc/cpuinfo") as about:
            return ["generic", "avx2"] if {"avx2", "fma"} <= set(about.read().split()) else ["generic"]
    except OSError:
        return ["generic"]


def train(path, folder, threads, **env):
    """(status, what was printed, the weights' bytes) of 20 steps with small batches; folder gets the first weights."""
    net = os.path.join(folder, "net")
    command = [GANDER, "--headless", "--seed", "7", "--threads", str(threads), path, "--batch", "2", "--steps", "20"]
    command += ["--net", net, "--save", folder]
    p = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, **env})
    if p.returncode:
        return p.returncode, p.stderr, b""
    with open(net, "rb") as file:
        weights = file.read()
    os.remove(net)
    return p.returncode, p.stdout, weights


workloads = [p for p in sorted(glob.glob(os.path.join(ROOT, "tests/bench/*.lua"))) if os.path.basename(p) not in ("bench.lua", "sweep.lua")]
check("there are ten workloads", len(workloads) == 10, workloads)
for path in workloads:
    name = os.path.basename(path)
    with tempfile.TemporaryDirectory() as folder:
        status, losses, weights = one = train(path, folder, 1)
        check(f"{name} runs", status == 0, losses)
        numbers = [float(word) for word in losses.split()] if status == 0 else []
        check(f"{name} prints the losses of 20 steps", len(numbers) >= 20 and all(map(math.isfinite, numbers)), losses)
        check(f"{name} has weights", len(weights) > 10000, len(weights))
        check(f"{name} saves what it starts from", {"weight1.npy", "input1.npy", "random"} <= set(os.listdir(folder)), os.listdir(folder))
        for threads in (2, 3):
            check(f"{name}: {threads} threads give the bits of one", train(path, folder, threads) == one)
        for cpu in kernel_sets():
            check(f"{name}: {cpu} kernels give the same bits", train(path, folder, 1, GANDER_CPU=cpu) == one)

done()
