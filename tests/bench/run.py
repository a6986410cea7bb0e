"""make bench: times gander's workloads (the *.lua files here), and with PEER=/path/to/python PyTorch's beside them (peer.py).

The environment says more: WORK, one or several of the workloads, or sweep; PEER; THREADS, as in 1,2; ROUNDS and SECONDS,
how often each program has its turn and for how long; CLOCK=cpu, processor time in place of the clock's, for machines that
others use too; CHECK=0, the losses of both programs are not compared; BUILD, where gander was built.
"""
import os
import statistics
import tempfile
import time

import sweep
from program import (CHECK, GANDER, PEAK, PEER, ROUNDS, SECONDS, THREADS, WORK, HERE, Program, fail, gander_command, output,
                     print_table, progress, write_csv)

WORKLOADS = "mlp mlpgan densegan cnn gpt lstm dcgan32 dcgan28 dcgan28x128 dcgan64".split()
PEERS = {"user": [], "expert": ["--expert"]}
BOUND = 1e-3  # losses of five steps may differ by so much, relative to their size
WARM = 3  # steps before the first that counts
MOST = 300  # steps in a turn
FORMATS = {"workload": "{}", "GFLOP": "{:.2f}", "spread %": "{:.0f}", "% peak": "{:.0f}", "GFLOP/s": "{:.0f}", "MiB": "{:.0f}",
           "blocks": "{:.2f}", "faults": "{:.2f}", "user MiB": "{:.0f}", "expert MiB": "{:.0f}", "x user": "{:.2f}",
           "x expert": "{:.2f}", "difference": "{:.0e}"}
peaks = {}  # GFLOP/s by the number of threads


class Steps(Program):
    """A program that has its turns, of so many steps with each number of threads."""

    def __init__(self, command, losses=0):
        super().__init__(command, losses)
        self.steps, self.took, self.gflop, self.memory = {}, {}, 0, 0
        self.warm, self.fresh, self.faults = 0, 0, 0  # steps, but for the first turn and each turn's first; blocks and pages for them

    def turn(self, threads):
        """Steps for about SECONDS; the first turn finds out how many those are."""
        first = threads not in self.steps
        if first:
            warm, _ = self.order(WARM, threads)
            self.steps[threads] = max(1, min(MOST, round(1000 * SECONDS / warm[-1])))
            self.took[threads] = []
        times, (gflop, fresh, faults, self.memory) = self.order(self.steps[threads], threads)
        self.took[threads] += times
        self.gflop = gflop / len(times)
        if not first:
            self.warm, self.fresh, self.faults = self.warm + len(times) - 1, self.fresh + fresh, self.faults + faults


# ---- do both compute the same?

def worst_difference(ours, theirs):
    return max(abs(a - b) / max(abs(a), abs(b), 1e-9) for x, y in zip(ours, theirs) for a, b in zip(x, y))


def peer_command(name, *options):
    return [PEER, f"{HERE}/peer.py", name, *options]


def start_peers(name):
    """PyTorch as a user and as an expert writes it, and how far their losses are from gander's."""
    if not PEER:
        return {}, None
    if not CHECK:
        return {kind: Steps(peer_command(name, *options)) for kind, options in PEERS.items()}, None
    with tempfile.TemporaryDirectory() as folder:
        lines = output(*gander_command(name, "--seed", "1", "--save", folder, "--steps", "5")).splitlines()
        ours = [list(map(float, line.split())) for line in lines]
        peers = {kind: Steps(peer_command(name, "--check", folder, *options), 5) for kind, options in PEERS.items()}
    difference = max(worst_difference(ours, p.losses) for p in peers.values())
    progress(f"{name}: losses of five steps differ by {difference:.1e}")
    return peers, difference


# ---- a workload

def spread(times):
    """The middle half of the times is so wide, in percent of the median."""
    if len(times) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
    return 100 * (high - low) / middle


def measure(name):
    peers, difference = start_peers(name)
    programs = {"gander": Steps(gander_command(name, "--serve")), **peers}
    for turn in range(ROUNDS):
        for threads in THREADS:
            for program in programs.values():
                program.turn(threads)
            peaks[threads] = max(peaks.get(threads, 0), float(output(PEAK, str(threads))))
        progress(f"{name}: round {turn + 1} of {ROUNDS}, " + ", ".join(
            f"{kind} {statistics.median(p.took[THREADS[0]]):.2f} ms" for kind, p in programs.items()))
    for program in programs.values():
        program.end()
    return [row(name, threads, programs, difference) for threads in THREADS]


def row(name, threads, programs, difference):
    ours = programs["gander"]
    times, gflop, median = ours.took[threads], ours.gflop, statistics.median(ours.took[threads])
    result = {"workload": name, "threads": threads, "ms": median, "min": min(times), "spread %": spread(times), "GFLOP": gflop,
              "GFLOP/s": 1000 * gflop / median, "% peak": 0, "MiB": ours.memory / 2**20,
              "blocks": ours.fresh / max(ours.warm, 1), "faults": ours.faults / max(ours.warm, 1)}
    for kind in PEERS if PEER else ():
        times = programs[kind].took[threads]
        result |= {f"{kind} ms": statistics.median(times), f"{kind} min": min(times), f"{kind} MiB": programs[kind].memory / 2**20,
                   f"x {kind}": statistics.median(times) / median}
    if difference is not None:
        result["difference"] = difference
    return result


# ---- the machine

def cpu_name():
    with open("/proc/cpuinfo") as lines:
        about = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    return f"{about.get('model name', 'CPU')}, family {about.get('cpu family', '?')}, {os.cpu_count()} cores"


def startup():
    times = []
    for _ in range(20):
        start = time.perf_counter()
        output(GANDER, "-e", "")
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), min(times)


def workloads(names):
    rows = [row for name in names for row in measure(name)]
    for r in rows:
        r["% peak"] = 100 * r["GFLOP/s"] / peaks[r["threads"]]
    print(cpu_name())
    print("peak: " + ", ".join(f"{peaks[n]:.0f} GFLOP/s on {n} thread{'s' * (n > 1)}" for n in THREADS))
    start = startup()
    print("start of gander -e '': {:.1f} ms, at least {:.1f}".format(*start))
    print_table(rows, FORMATS)
    write_csv("bench", [r | {"peak GFLOP/s": peaks[r["threads"]], "start ms": start[0]} for r in rows])
    if broken := {r["workload"] for r in rows if r.get("difference", 0) > BOUND}:
        fail(f"the losses of {', '.join(sorted(broken))} differ by more than {BOUND}")


def main():
    names = WORK or WORKLOADS
    if unknown := [name for name in names if name not in WORKLOADS + ["sweep"]]:
        fail(f"WORK is {unknown[0]}; there are {', '.join(WORKLOADS)} and sweep")
    if PEER:
        progress(f"PyTorch {output(PEER, '-c', 'import torch; print(torch.__version__)').strip()}")
    if named := [name for name in names if name != "sweep"]:
        workloads(named)
    if "sweep" in names:
        sweep.run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted")
