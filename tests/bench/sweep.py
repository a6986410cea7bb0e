"""make bench WORK=sweep PEER=/path/to/python: single ops on many shapes (sweep.txt) against PyTorch, the worst first."""
from program import HERE, PEER, ROUNDS, SECONDS, THREADS, Program, fail, gander_command, print_table, progress, write_csv

BOUND = 0.8  # of PyTorch's speed; what is slower is marked
FORMATS = {"op": "{}", "of": "{}", "shapes": "{}", "threads": "{}", "": "{}", "ratio": "{:.2f}"}
KINDS = {"f": "forward", "a": "gradients", "1": "gradient 1", "2": "gradient 2", "3": "gradient 3"}


def read_table():
    """(number of the line, op, which pass, its shapes and options)"""
    for number, line in enumerate(open(f"{HERE}/sweep.txt"), 1):
        if line[0].isalpha():
            op, passes, rest = line.split(maxsplit=2)
            yield from ((number, op, which, rest.strip()) for which in passes)


def least(programs, number, which, threads):
    """The least time of each program over several turns that alternate."""
    times, best = [], []
    for program in programs:
        (once,), _ = program.order(number, which, 2, threads)
        times.append(max(1, min(1000, round(1000 * SECONDS / 10 / max(once, 1e-3)))))
        best.append(float("inf"))
    for _ in range(ROUNDS):
        for i, program in enumerate(programs):
            (took,), _ = program.order(number, which, times[i], threads)
            best[i] = min(best[i], took)
    return best


def run():
    if not PEER:
        fail("the sweep compares with PyTorch: PEER=/path/to/python")
    programs = [Program(gander_command("sweep")), Program([PEER, f"{HERE}/peer_sweep.py"])]
    rows, table = [], list(read_table())
    for done, (number, op, which, shapes) in enumerate(table, 1):
        for threads in THREADS:
            ours, theirs = least(programs, number, which, threads)
            rows.append({"op": op, "of": KINDS[which], "shapes": shapes, "threads": threads, "ms": ours, "PyTorch ms": theirs,
                         "ratio": theirs / ours, "": "" if theirs >= BOUND * ours else "slow"})
        progress(f"{done} of {len(table)}: {op} {KINDS[which]} {shapes}: {rows[-1]['ratio']:.2f}")
    for program in programs:
        program.end()
    rows.sort(key=lambda row: row["ratio"])
    print_table(rows, FORMATS)
    write_csv("sweep", rows)
    print(f"{sum(row[''] == '' for row in rows)} of {len(rows)} are at least {BOUND} times as fast as PyTorch")
