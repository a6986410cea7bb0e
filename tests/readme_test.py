"""The README: its sessions run and say what it says, and its tables list what there is."""

import glob
import os
import re
import subprocess
import tempfile

from check import GANDER, ROOT, check, done

os.chdir(ROOT)
readme = open("README.md").read()


def section(title):
    return readme.split(f"\n## {title}\n")[1].split("\n## ")[0]


def code(text):
    """The lines of its code blocks."""
    return [line[4:] for line in text.splitlines() if line.startswith("    ")]


def run(lines):
    with tempfile.TemporaryDirectory() as folder:
        p = subprocess.run([GANDER, "--headless"], input="\n".join(lines) + "\n", cwd=folder, capture_output=True, text=True, timeout=60)
    return p.stdout + p.stderr


# ---- sessions ----

session = [line[2:] for line in code(section("A first session")) if line.startswith("> ")]
check("the first session ends by looking", session[-3:] == ["w", "loss", "?nn.Conv2d"], session)
said = run(session[:-3] + ["print(w)", "print(loss:item() < 1e-6)", "help(nn.Conv2d)"])  # a pipe is no prompt: it prints by itself
check("the first session finds (1, 2)", re.search(r"tensor \(2,1\), requires grad\n +1\n +2\ntrue\n", said), said)
check("and shows help", "nn.Conv2d(in_channels" in said, said)

network = code(section("A network"))
check("the network is that of a GAN", any("data.fashion()" in line for line in network) and network[-3].startswith("Residual"), network)
said = run([line.replace("data.fashion()", "data.glyphs(256)") for line in network] + [
    "t:step()", "print(t.report.step > 0, t.optim_d.lr)", "print(nn.Sequential {Residual(3)}(tensor.ones(2, 3)).shape)", "t:stop()"])
check("the network trains, and its layer goes wherever others go", "true\t0.0001\n(2,3)\n" in said, said)

# ---- tables ----

listed = re.findall(r"^\| `([\w-]+\.lua)` \| (\*+) \|", section("Scripts"), re.M)
headed = []
for path in sorted(glob.glob("scripts/*.lua")):
    name, stars = open(path).readline().split()[1:3]
    check(path + " says its own name", name == os.path.basename(path), name)
    headed.append((name, stars))
check("the table of scripts is that of the folder", sorted(listed) == headed, listed, headed)

workloads = sorted({os.path.basename(path)[:-4] for path in glob.glob("tests/bench/*.lua")} - {"bench", "sweep"})
tables = re.findall(r"(?:^\|.*\n)+", section("Speed"), re.M)
check("there are tables of speeds", tables)
for table in tables:
    rows = re.findall(r"^\| `(\w+)` \|", table, re.M)
    check("a table of speeds has all workloads", sorted(rows) == workloads, rows, workloads)

targets = set(re.findall(r"^([a-z-]+):.*##", open("Makefile").read(), re.M))
named = set(re.findall(r"`make ([a-z-]+)", readme)) | set(re.findall(r"^    make ([a-z-]+)", readme, re.M))
check("what make is asked for can be made", named and named <= targets, named - targets)
for picture in re.findall(r"\((scripts/pictures/[^)]+)\)", readme):
    check(picture + " is there", os.path.exists(picture), picture)

done()
