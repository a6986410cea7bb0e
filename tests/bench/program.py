"""What the benchmark is told by the environment, and the programs it times."""
import csv
import os
import subprocess
import sys


def progress(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"bench: {text}")


# ---- what the environment says

def numbers(name, usual, kind=int):
    """Numbers above 0 with commas between them."""
    text = os.environ.get(name) or usual
    try:
        values = [kind(word) for word in text.split(",")]
    except ValueError:
        values = [0]
    return values if all(v > 0 for v in values) else fail(f"{name} must be a number above 0, as in {usual}, got {text}")


HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD", "build")
GANDER, PEAK = f"{BUILD}/gander", f"{BUILD}/tests/bench/peak"
PEER = os.environ.get("PEER")
WORK = os.environ.get("WORK", "").replace(",", " ").split()
CHECK = os.environ.get("CHECK", "1") != "0"
CPU = os.environ.get("CLOCK") == "cpu"
THREADS, ROUNDS, SECONDS = numbers("THREADS", "1" if CPU else "1,2"), numbers("ROUNDS", "5")[0], numbers("SECONDS", "0.5", float)[0]


# ---- running programs

def output(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        fail(f"cannot run {command[0]}: {error.strerror}")
    if done.returncode:
        fail(f"{' '.join(command)} ended with status {done.returncode}")
    return done.stdout


def gander_command(name, *options):
    return [GANDER, "--headless", f"{HERE}/{name}.lua", *options]


class Program:
    """A process that times what it is told to. It waits without working while others have their turn."""

    def __init__(self, command, losses=0):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.losses = [list(map(float, self.line().split())) for _ in range(losses)]
        if self.line() != "ready":
            fail(f"{' '.join(command)} did not get ready")

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            fail(f"{' '.join(self.command)} ended with status {self.process.wait()}")
        return line.strip()

    def order(self, *numbers):
        """The times that an answer has, in milliseconds, and what stands behind its 'done'."""
        self.process.stdin.write(" ".join(map(str, numbers)) + "\n")
        self.process.stdin.flush()
        times = []
        while not (line := self.line()).startswith("done"):
            times.append(float(line.split()[CPU]))
        return times, list(map(float, line.split()[1:]))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


# ---- tables

def print_table(rows, formats):
    """Rows are dictionaries with the same keys; formats has those of columns that are no plain numbers."""
    keys = list(rows[0])
    lines = [keys] + [[formats.get(key, "{:.4g}").format(row[key]) for key in keys] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(keys))]
    for line in lines:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))))


def write_csv(name, rows):
    path = f"{BUILD}/{name}.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"written to {path}")
