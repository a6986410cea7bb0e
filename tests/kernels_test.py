"""The tests of kernels pass with each set of them that this CPU runs."""

import os
import re
import subprocess

from check import GANDER, ROOT, count, done

TESTS = os.path.join(os.path.dirname(GANDER), "tests", "nn")


def run(test, cpu):
    """(passed, failed, what was printed)"""
    env = {**os.environ, "GANDER_CPU": cpu}
    p = subprocess.run([os.path.join(TESTS, test)], cwd=ROOT, capture_output=True, text=True, timeout=600, env=env)
    counts = re.findall(r"^(\d+) passed, (\d+) failed$", p.stdout, re.MULTILINE)
    text = p.stdout + p.stderr
    return (int(counts[-1][0]), max(int(counts[-1][1]), p.returncode != 0), text) if counts else (0, 1, text)


# what GANDER_CPU may be is in the message about what it may not be
wrong = subprocess.run([GANDER, "-e", "tensor.ones(1, 1):matmul(tensor.ones(1, 1))"], capture_output=True, text=True, timeout=60,
                       env={**os.environ, "GANDER_CPU": "abacus"})
sets = re.search(r"on this CPU it may be (.*)", wrong.stderr)
sets = re.findall(r"avx512|avx2|generic", sets.group(1)) if sets else []
if "generic" not in sets:
    count(0, 1)
    print("FAILED to learn what GANDER_CPU may be:", wrong.stderr)
for cpu in sets:
    for test in ("product_test", "conv_test", "winograd_test", "pool_test", "sequence_test", "normalize_test", "join_test"):
        more, bad, text = run(test, cpu)
        count(more, bad)
        if bad:
            print(f"FAILED {test} with GANDER_CPU={cpu}:\n{text}")

done()
