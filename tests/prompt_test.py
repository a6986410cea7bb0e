"""The prompt, through a pseudo-terminal: lines, errors, Ctrl-C, training behind it, the terminal afterwards."""

import os
import pty
import re
import select
import signal
import tempfile
import termios
import time

from check import GANDER, check, done

# TSan delivers signals when the C library is called, and only then
LOOP = "while true do os.time() end" if "tsan" in GANDER else "while true do end"
PATIENCE = 30
home = tempfile.TemporaryDirectory()

TRAINER = """
net = nn.Sequential {nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 2)}
set = data.tensors(tensor.rand(512, 2), tensor.randint(1, 2, 512))
function trainer(f)
  return nn.Trainer {model = net, loss = nn.CrossEntropyLoss(), optim = optim.Adam(net:parameters()),
                     data = data.loader(set, {batch = 64, augment = f})}
end
t = trainer()
"""


def file(name, text):
    path = os.path.join(home.name, name)
    with open(path, "w") as f:
        f.write(text)
    return path


signal.signal(signal.SIGHUP, lambda *_: None)  # where hangups are ignored, gander would be born ignoring them


class Prompt:
    """gander in a terminal; what it writes is gathered in .text without colours and other controls."""

    def __init__(self, *args, prompt=True, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            keep = {k: v for k, v in os.environ.items() if k not in ("LUA_INIT", "XDG_STATE_HOME", "DISPLAY", "WAYLAND_DISPLAY")}
            os.execve(GANDER, [GANDER, *args], {**keep, "HOME": home.name, "TERM": "xterm", **environment})
        self.raw = self.text = ""
        self.status = None
        if prompt:
            self.until("> ")

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return False
        try:
            got = os.read(self.fd, 65536).decode(errors="replace")
        except OSError:
            got = ""
        self.raw += got
        self.text += re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", got)
        return bool(got)

    def until(self, mark):
        """Waits for a text and returns all up to and with it; None when it does not come."""
        end = time.time() + PATIENCE
        while mark not in self.text:
            if time.time() > end or not self.read(end - time.time()):
                check(f"waiting for {mark!r}", False, self.text)
                return None
        at = self.text.index(mark) + len(mark)
        got, self.text = self.text[:at], self.text[at:]
        return got

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def ask(self, line):
        """What a line prints, up to the next prompt."""
        self.send(line + "\r")
        self.until("\n")  # its echo
        got = self.until("\n> ") if line else self.until("> ")
        return got[:-2].strip("\n") if got else ""

    def say(self, line):
        """A line that prints nothing."""
        self.send(line + "\r")
        self.until("\n")
        self.until("> ")

    def end(self, keys="\x04"):
        if keys:
            self.send(keys)
        end = time.time() + PATIENCE
        while time.time() < end:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0.05):
                    pass
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return "hangs"


# ---- lines ----

p = Prompt(prompt=False)
banner = p.until("> ")
check("banner", re.fullmatch(r"gander \S+, Lua 5\.4; help\(\) for help, Ctrl-D to end\n> ", banner or ""), banner)
check("a value", p.ask("1 + 1") == "2")
check("several values", p.ask("1, true, nil").split() == ["1", "true", "nil"])
check("=", p.ask("=6") == "6")
p.send("x = 5\r")
p.until("x = 5\n")
check("a statement prints nothing", p.until("> ") == "> ")
check("a tensor", "tensor (2,2)" in p.ask("tensor {{1, 2}, {3, 4}}"))
p.send("for i = 1, 2 do\r")
check("an open line goes on", (p.until(">> ") or "").endswith("\n>> "))
p.send("print(i * 10)\r")
p.until(">> ")
check("until it is complete", p.ask("end").split() == ["10", "20"])
p.send("s = [[a\r")
p.until(">> ")
p.send("b]]\r")
p.until("> ")
check("a long string", p.ask("#s") == "3")
check("an open line of output is ended", p.ask("io.write('abc') == 0") == "abcfalse")
p.send("\x1b[200~a1 = 1\na2 = a1 + 1\x1b[201~\r")
p.until("a1 + 1")
p.until("\n> ")
check("pasted lines", p.ask("a2") == "2")

# ---- errors ----

check("an error is one line", p.ask("error('no')") == "stdin:1: no")
check("a syntax error", p.ask("x = = 1") == "stdin:1: unexpected symbol near '='")
check("nearest name", p.ask("tensr.rand(2)") == "stdin:1: attempt to index a nil value (global 'tensr'); did you mean 'tensor'?")
check("nearest method", p.ask("tensor.rand(2):relo()").endswith("did you mean 'relu'?"))
p.say("function f(n) if n == 0 then error('deep') end f(n - 1) end")
trace = p.ask("x = f(1)").split("\n")
check("a traceback of the user's functions", trace[0] == "stdin:1: deep" and len(trace) == 5 and trace[2].startswith("\tstdin:1: in ") and trace[-1] == "\tstdin:1: in main chunk", trace)
check("a long one is cut", 8 < len(p.ask("x = f(100)").split("\n")) < 14)
check("an object", p.ask("error({})") == "(error object is a table value)")

# ---- help and completion ----

check("?name", "Fully connected" in p.ask("?nn.Linear"))
check("? of a value", "matmul" in p.ask("?tensor.rand(2)"))
check("help(x)", "Fully connected" in p.ask("help(nn.Linear)"))
p.send("nn.ConvT\t")
check("completion", p.until("nn.ConvTranspose2d"))
p.send("\x03")
p.until("^C\n> ")
p.send("tensor.ran\t\t\t")
listed = p.until("\n> tensor.rand") or ""
check("completions", all(name in listed for name in ("rand", "randn", "randint", "randperm")), listed)
p.send("\x03")
p.until("^C\n> ")

# ---- Ctrl-C ----

for line in (
    LOOP,
    f"while true do pcall(function() {LOOP} end) end",
    f"co = coroutine.wrap(function() while true do pcall(function() {LOOP} end) end end) while true do pcall(co) end",
    "repeat until io.read() == 0",
    f"setmetatable({{}}, {{__gc = function() {LOOP} end}}) collectgarbage()",
):
    p.send(line + "\r")
    time.sleep(0.3)
    p.send("\x03")
    got = p.until("\n> ")
    check(line, got and got.count("interrupted") == 1, got)
    check("and goes on", p.ask("1 + 2") == "3")
p.send("half a line")
p.until("half a line")
p.send("\x03")
p.until("^C\n> ")
check("the line is dropped", p.ask("7") == "7")
p.send("for i = 1, 3 do\r")
p.until(">> ")
p.send("\x03")
p.until("^C\n> ")
check("and the lines before it", p.ask("8") == "8")
check("Ctrl-D ends", p.end() == 0)

# ---- history ----

p = Prompt()
p.say("old = 77")
p.send("for i = 1, 2 do\r")
p.until(">> ")
p.send("x = i end\r")
p.until("> ")
check("end of input", p.end() == 0)
p = Prompt()
p.send("\x1b[A\x1b[A\r")
p.until("> ")
check("history of the session before", p.ask("old") == "77")
p.send("\x1b[A\x1b[A\x1b[A\r")
p.until("> ")
check("several lines are one entry", p.ask("x") == "2")
check("status", p.end("quit(6)\r") == 6)
mode = os.stat(os.path.join(home.name, ".gander_history")).st_mode & 0o777
check("nobody else reads it", mode == 0o600, oct(mode))

# ---- training ----

p = Prompt(file("train.lua", TRAINER) and "-i", os.path.join(home.name, "train.lua"))
p.send("t:run{steps = 1000000}\r")
time.sleep(1)
p.send("\x03")
got = p.until("\n> ")
step = re.search(r"interrupted at step (\d+)", got or "")
check("Ctrl-C ends a run", step, got)
check("at a step", step and p.ask("t.report.step") == step[1])
p.say("t:start()")
a, b = int(p.ask("t.report.step")), None
time.sleep(0.3)
b = int(p.ask("t.report.step"))
check("training goes on behind the prompt", b > a, a, b)
p.send("unfinished")
p.until("unfinished")
p.send("\x03")
p.until("^C\n> ")
check("the first Ctrl-C is the line's", p.ask("t.running") == "true")
p.send("\x03")
got = p.until("start() goes on\n> ")
check("the next one is the training's", got and re.search(r"nn\.Trainer stopped at step \d+; :start\(\) goes on", got), got)
check("it stopped", p.ask("t.running") == "false")
a = p.ask("t.report.step")
time.sleep(0.2)
check("and stays there", p.ask("t.report.step") == a)
p.send("while true do t:step() end\r")
time.sleep(0.3)
p.send("\x03")
got = p.until("\n> ")
check("a loop of steps", got and got.count("interrupted") == 1, got)
p.send("while true do pcall(t.run, t, {steps = 1e9}) end\r")
time.sleep(0.3)
p.send("\x03")
time.sleep(0.3)
p.send("\x03")
got = p.until("\n> ")
check("a second Ctrl-C passes pcall", got and "interrupted" in got, got)
p.say("n = 0")
p.say("u = trainer(function(x) n = n + 1 print('batch ' .. n) return x end)")
p.send("u:start{steps = 3}\r")
p.until("batch 1\n")
p.send("typed")
got = p.until("nn.Trainer is done at step 3\n") or ""
check("output does not garble the line", "batch 2\n" in got and "batch 3\n" in got, got)
got = p.until("typed")
check("the line is whole afterwards", got == "> typed", got)
p.send("\x03")
p.until("^C\n> ")
p.say("v = trainer(function(x) error('bad batch') end)")
p.send("v:start()\r")
got = p.until("bad batch")
check("an error stops the trainer and is told", got and re.search(r"nn\.Trainer stopped at step 0: .*bad batch", got), got)
p.until("\n> ")
check("the prompt lives on", p.ask("v.running, 5").split() == ["false", "5"])
p.say(f"w = trainer(function(x) print('in a batch') {LOOP} end)")
p.send("w:start()\r")
p.until("in a batch\n")
got = ""
for _ in range(3):
    p.send("\x03")
    got += p.until("^C\n> ") or ""
    time.sleep(0.3)
if "stopped" not in got:
    got += p.until("interrupted\n> ") or ""
check("a batch that never ends", re.search(r"nn\.Trainer stopped at step 0: .*interrupted\n", got), got)
check("is ended too", p.ask("9") == "9")
check("Ctrl-D while training", p.say("t:start()") or p.end() == 0)

# ---- a script that trains, with the prompt beside it ----

path = file("beside.lua", TRAINER + "print 'begins'\nt:run{steps = 1e9}\nprint 'never'\n")
p = Prompt("-i", path)
a = int(p.ask("t.report.step"))
time.sleep(0.2)
check("lines run between steps of the script", int(p.ask("t.report.step")) > a)
p.send(LOOP + "\r")
time.sleep(0.3)
p.send("\x03")
got = p.until("\n> ")
check("a line is interrupted, the script is not", got and "interrupted" in got and "beside" not in got, got)
check("it still trains", p.ask("t.running") == "true")
p.send("\x03")
got = p.until("interrupted at step")
p.until("\n> ")
check("then the script", p.ask("t.running") == "false" and "never" not in (got or ""))
check("with everything intact", int(p.ask("t.report.step")) > a)
check("and ends", p.end() == 0)

p = Prompt("-i", file("fails.lua", "y = 3\nerror('no luck')\n"), prompt=False)
check("a script that fails", "no luck" in (p.until("> ") or ""))
check("leaves the prompt", p.ask("y") == "3" and p.end() == 0)

# ---- the progress line ----

p = Prompt("-i", os.path.join(home.name, "train.lua"))
p.send("w = window.open{out = '" + home.name + "'} w:watch(t) t:run{steps = 400}\r")
got = p.until("> ") or ""
check("progress is one line that is rewritten", p.raw.count("\r") > 2 and "step 400/400" in got and got.count("\n") < 8, got)
p.raw = ""
p.ask("t:run{steps = 50} print('plain')")
shown = [re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", line.rstrip("\r").split("\r")[-1]) for line in p.raw.split("\n")]
check("print is not mixed into it", "plain" in shown and not any("step" in line for line in shown[1:]), shown)
p.end()

# ---- signals, and the terminal afterwards ----


def modes(fd):
    return termios.tcgetattr(fd)[3] & (termios.ICANON | termios.ECHO)


outer, inner = pty.openpty()
before = modes(inner)
for number, status in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for fd in range(3):
            os.dup2(inner, fd)
        os.execve(GANDER, [GANDER], {**os.environ, "HOME": home.name, "TERM": "xterm"})
    seen, end = b"", time.time() + PATIENCE
    while not seen.endswith(b"> ") and time.time() < end:
        seen += os.read(outer, 1000)
    check("raw while typing", modes(inner) != before)
    os.kill(pid, number)
    check(f"signal {number}", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status)
    check("the terminal is as it was", modes(inner) == before)

p = Prompt()
p.send("half")
p.until("half")
p.send("\x1a")
for _ in range(200):
    state = open(f"/proc/{p.pid}/stat").read().rsplit(") ")[1][0]
    if state == "T":
        break
    time.sleep(0.05)
check("Ctrl-Z stops", state == "T", state)
os.kill(p.pid, signal.SIGCONT)
check("and the line comes back", p.until("half"))
p.send("\x15")
check("after which it works", p.ask("3") == "3")
check("os.exit", p.end("os.exit(9, true)\r") == 9)

done()
