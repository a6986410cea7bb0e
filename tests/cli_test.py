"""The command line: options, statuses, the text of errors, a script's own options, signals, pipes."""

import os
import resource
import signal
import subprocess
import tempfile
import time

from check import GANDER, check, done

SANITIZED = "asan" in GANDER or "tsan" in GANDER
folder = tempfile.TemporaryDirectory()
os.environ.pop("LUA_INIT", None)


def run(*args, stdin="", env=None, timeout=60):
    """(status, stdout, stderr)"""
    try:
        p = subprocess.run([GANDER, *args], input=stdin, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired:
        return "hangs", "", ""
    return p.returncode, p.stdout, p.stderr


def script(text, name="script.lua"):
    path = os.path.join(folder.name, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def expect(args, status=0, out=None, err=None, **options):
    """out: all of stdout; err: a part of stderr, "" meaning nothing."""
    got = run(*args, **options)
    ok = got[0] == status and (out is None or got[1] == out)
    ok = ok and (err is None or (err in got[2] if err else got[2] == ""))
    check(f"{args} {options}", ok, *got)


# ---- as lua ----

expect(["-e", "print(1 + 1)"], out="2\n", err="")
expect(["-eprint(1)", "-e", "a = 2", "-e", "print(a)"], out="1\n2\n")
expect(["-"], stdin="print(7, ...)", out="7\n")
expect(["-", "x", "y"], stdin="print(...)", out="x\ty\n")
expect([], stdin="print(8)", out="8\n", err="")
expect([script("print(arg[0]:match('[^/]+$'), arg[1], #arg, ...)"), "--lr", "3"], out="script.lua\t--lr\t2\t--lr\t3\n")
expect(["-e", "", script("print(arg[-1], arg[-2], arg[-3] ~= nil)")], out="\t-e\ttrue\n")
expect(["-l", "s=string", "-e", "print(s.upper('a'))"], out="A\n")
expect(["-W", "-e", "warn('loud')"], err="Lua warning: loud")
expect(["-e", "print(X)"], env={"LUA_INIT": "X = 5"}, out="5\n")
expect(["-E", "-e", "print(X)"], env={"LUA_INIT": "X = 5"}, out="nil\n")
expect(["-e", "os.exit(7)"], 7)
expect(["-e", "os.exit(true)"], 0)
expect(["-e", "os.exit(false)"], 1)
expect(["-e", "quit(4)"], 4)
expect(["-e", "coroutine.wrap(function() pcall(os.exit, 5) end)()"], 5)
expect(["-e", "local x <close> = setmetatable({}, {__close = function() print('closed') end}) os.exit(3, true)"], 3, out="closed\n")
expect(["-e", "setmetatable({}, {__gc = function() print('collected') end})"], out="collected\n")
expect(["-W", "-e", "setmetatable({}, {__gc = function() error('broken') end}) collectgarbage()"], err="error in __gc ((command line):1: broken)")
expect(["-W", "-e", "setmetatable({}, {__gc = coroutine.yield})"], err="error in __gc")
expect(["-W", "-e", "setmetatable({}, {__gc = function() coroutine.yield() end})"], err="attempt to yield in a finalizer")
expect(["-e", "local m = {__gc = function(o) print(o[1]) end} for i = 1, 3 do setmetatable({i}, m) end"], out="3\n2\n1\n")
expect(["-v"], out=None)
check("version", run("--version")[1].startswith("gander "), run("--version"))

# ---- errors ----

expect(["-e", "error('boom')"], 1, err="gander: (command line):1: boom\nstack traceback:\n\t(command line):1: in main chunk\n")
expect(["-e", "error({})"], 1, err="gander: (error object is a table value)")
expect(["-e", "error(setmetatable({}, {__tostring = function() return 'told' end}))"], 1, err="gander: told\n")
expect(["-e", "x = = 1"], 1, err="gander: (command line):1: unexpected symbol near '='")
expect(["nowhere.lua"], 1, err="gander: cannot open nowhere.lua")
expect(["-e", "local function f() f() end f()"], 1, err="stack overflow")
expect(["-e", "local function f() return pcall(f) end print((f()))"], out=None)
if not SANITIZED:  # sanitizers take addresses by the terabyte
    few = subprocess.run(["sh", "-c", f"ulimit -v 1000000; exec '{GANDER}' -e 'print(pcall(string.rep, \"x\", 1 << 30)) string.rep(\"x\", 1 << 30)'"],
                         capture_output=True, text=True, timeout=60)
    check("no memory", few.returncode == 1 and few.stdout == "false\tnot enough memory\n" and few.stderr == "gander: not enough memory\n", few)
status, _, err = run(script("local function deep(n) if n == 0 then error('bottom') end deep(n - 1) end\ndeep(40)\n"))
check("a long road is cut in the middle", err.count("\n") < 15 and "... (" in err and "in main chunk" in err, err)
status, _, err = run(script("local function f()\n  local x = nil + 1\nend\nlocal t = {go = function() f() end}\nt.go()\n"))
check("a road through functions", err.count("script.lua:") == 4 and "[C]" not in err, err)

# ---- names that are nearly right ----

expect(["-e", "tensr.rand(2)"], 1, err="attempt to index a nil value (global 'tensr'); did you mean 'tensor'?\n")
expect(["-e", "pritn(2)"], 1, err="attempt to call a nil value (global 'pritn'); did you mean 'print'?\n")
expect(["-e", "string.fromat('')"], 1, err="(field 'fromat'); did you mean 'format'?\n")
expect(["-e", "local s = 'x' s:upprer()"], 1, err="(method 'upprer'); did you mean 'upper'?\n")
expect(["-e", "local learning_rate = 1 print(learning_rat + 1)"], 1, err="(global 'learning_rat'); did you mean 'learning_rate'?\n")
expect(["-e", "local net = {weights = {}} print(net.wieghts[1])"], 1, err="(field 'wieghts'); did you mean 'weights'?\n")
expect(["-e", "qqqqqqqq()"], 1, err="(global 'qqqqqqqq')\n")
expect(["-e", "print(tensr)"], out="nil\n")
expect(["--strict", "-e", "print(tensr)"], 1, err="undefined global 'tensr'; did you mean 'tensor'?")
expect(["--strict", "-e", "x = 1 print(x, rawget(_G, 'y'))"], out="1\tnil\n")

# ---- bad usage ----

expect(["--hedless"], 2, out="", err="gander: unrecognized option '--hedless'; did you mean '--headless'?\n")
expect(["-h"], 2, err="unrecognized option '-h'\n")
expect(["-Ex"], 2, err="unrecognized option '-Ex'")
expect(["-e"], 2, err="'-e' needs argument")
expect(["--threads", "many"], 2, err="--threads must be a whole number from 1 to 64, got 'many'")
expect(["--threads=0", "-e", ""], 2, err="--threads must be a whole number from 1 to 64, got '0'")
expect(["--seed", "-1"], 2, err="--seed must be a whole number that is not negative, got '-1'")
expect(["--headless=yes"], 2, err="'--headless' takes no value, got 'yes'")
expect(["--threads", "3", "-e", "print(threads())"], out="3\n")
expect(["--seed", "9", "-e", "print(math.random(1e9))"], out=run("--seed=9", "-e", "print(math.random(1e9))")[1])
status, out, _ = run("--help")
check("--help", status == 0 and all(word in out for word in ("-e CODE", "--headless", "--threads N", "--seed N", "--strict")), out)

# ---- args ----

declared = script(
    """-- declared.lua  A script with options.
-- It prints them.
local o = args {
  lr = {2e-4, "learning rate"}, epochs = {3, "times through the data"}, data = {"fashion", "which data"},
  fast = {false, "be quick"}, shuffle = {true, "mix"}, d_steps = {1, "steps of D"}, plain = 5,
}
local list = {}
for name, value in pairs(o) do list[#list + 1] = name .. "=" .. tostring(value) end
table.sort(list)
print(table.concat(list, " "))
"""
)
usual = "d_steps=1 data=fashion epochs=3 fast=false lr=0.0002 plain=5 shuffle=true\n"
expect([declared], out=usual)
expect([declared, "--lr", "1e-4", "--d-steps=4", "--fast", "--no-shuffle"], out="d_steps=4 data=fashion epochs=3 fast=true lr=0.0001 plain=5 shuffle=false\n")
expect([declared, "--d_steps", "2", "--epochs", "1e3", "--lr", "1", "--data", "--x"], out="d_steps=2 data=--x epochs=1000 fast=false lr=1.0 plain=5 shuffle=true\n")
expect([declared, "--headless", "--threads", "2", "--seed=4"], out=usual)
expect([declared, "--fast=false"], out=usual)
tail = f"\n'gander {declared} --help' lists its options\n"
expect([declared, "--lrr", "3"], 2, out="", err=f"gander: {declared}: unknown option '--lrr'; did you mean '--lr'?{tail}")
expect([declared, "--sed", "3"], 2, err=f"unknown option '--sed'; did you mean '--seed'?{tail}")
expect([declared, "--zzzzzzz", "3"], 2, err=f"unknown option '--zzzzzzz'{tail}")
expect([declared, "--lr", "fast"], 2, err=f"--lr must be a number, got 'fast'{tail}")
expect([declared, "--epochs", "1.5"], 2, err=f"--epochs must be a whole number, got '1.5'{tail}")
expect([declared, "--epochs"], 2, err=f"--epochs needs a value{tail}")
expect([declared, "--fast=maybe"], 2, err=f"--fast must be true or false, got 'maybe'{tail}")
expect([declared, "--threads", "x"], 2, err=f"--threads must be a whole number from 1 to 64, got 'x'{tail}")
expect([declared, "more"], 2, err=f"unexpected argument 'more'{tail}")
status, out, err = run(declared, "--help")
lines = out.splitlines()
check("a script's help", status == 0 and err == "" and lines[2:4] == ["declared.lua  A script with options.", "It prints them."], out)
names = [line.split()[0] for line in lines if line.startswith("  --")]
check("its order", names == ["--d-steps", "--data", "--epochs", "--fast", "--lr", "--plain", "--shuffle", "--headless", "--threads", "--seed", "--help"], names)
check("its columns", len({line.index(word) for line, word in zip(lines[5:9], ("steps of D", "which", "times", "be quick"))}) == 1, out)
check("its defaults", "times through the data (default: 3)" in out and "learning rate (default: 0.0002)" in out, out)
ordered = script('local o = args {{"zeta", 1, "first"}, {"alpha", "a", "second"}} print(o.zeta, o.alpha)', "ordered.lua")
expect([ordered, "--zeta", "2"], out="2\ta\n")
check("declared in order", run(ordered, "--help")[1].index("--zeta") < run(ordered, "--help")[1].index("--alpha"))
expect([script("args {lr = {nil, 'x'}}")], 1, err="args: the default of 'lr' must be a number, a string or a boolean, got nil")
expect([script("args {{1, 2}}")], 1, err="args: entry 1 must be {name, default, help}")
expect(["-e", "print(threads(2), pcall(threads, 0))"], out=None)

# ---- OpenBLAS, where it is wished ----

products = script('''tensor.seed(1)
local a, b, w = tensor.randn(3, 70, 20), tensor.randn(20, 9), tensor.randn(30, 20)
local function near(x, y) return (x - y):abs():max():item() < 1e-4 end
local function by_hand(x, y) return (x:reshape(-1, 20, 1) * y:reshape(1, 20, -1)):sum(2) end
print(near(a:matmul(b):reshape(-1, 9), by_hand(a, b)), near(a:linear(w, tensor.ones(30)):reshape(-1, 30), by_hand(a, w:transpose(1, 2)) + 1),
  near(a:linear_weight(tensor.ones(3, 70, 4)), a:sum({1, 2}):reshape(1, 20):expand(4, 20)))''', "products.lua")
for wish in ("0", "1"):
    expect([products], out="true\ttrue\ttrue\n", err="", env={"GANDER_BLAS": wish})
if os.path.exists("/proc/self/maps"):
    mapped = 'for line in io.lines "/proc/self/maps" do found = found or line:find "openblas" end print(found ~= nil)'
    expect(["-e", mapped], out="false\n")
    expect(["-e", "nn.init.orthogonal(tensor.zeros(3, 3)) " + mapped], out="true\n")

# ---- statements from a pipe ----

expect(["-i"], stdin="1 + 1\nx =\n3\nx\nfor i = 1, 2 do\n  print(i)\nend\n", out="2\n3\n1\n2\n", err="")
expect(["-i", script("y = 4")], stdin="y", out="4\n")
expect(["-i"], stdin="print(io.read())\nthe next line\n=6\n", out="the next line\n6\n")
expect(["-i"], stdin="nil + 1\nprint('on')\n", status=1, out="on\n", err="stdin:1: attempt to perform arithmetic on a nil value")
expect(["-i"], stdin="x = = 2\nprint('on')\nfor\n", status=1, out="on\n", err="near <eof>")
expect(["-i", script("error('no')")], stdin="print('still')", status=1, out="still\n", err="no")
expect(["-i"], stdin="quit(3)\nprint('never')\n", status=3, out="")

# ---- signals and pipes ----


def signalled(code, number, status, out=None, err=None, presses=1):
    """Sends a signal after the program has printed its first line."""
    p = subprocess.Popen([GANDER, "-e", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = p.stdout.readline()
    for _ in range(presses):
        time.sleep(0.2)
        p.send_signal(number)
    time.sleep(0.1)  # before its standard input ends
    try:
        rest, errors = p.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        p.kill()
        rest, errors = p.communicate()
        p.returncode = "hangs"
    ok = p.returncode == status and (out is None or first + rest == out) and (err is None or err in errors)
    check(f"signal {number}: {code}", ok, p.returncode, first + rest, errors)


# TSan delivers signals when the C library is called, and only then
loop = "while true do os.time() end" if "tsan" in GANDER else "while true do end"
for body in (
    loop,
    f"pcall(function() {loop} end)",
    f"while true do pcall(function() {loop} end) end",
    f"while true do xpcall(function() {loop} end, print) end",
    f"coroutine.wrap(function() {loop} end)()",
    f"local co = coroutine.wrap(function() while true do pcall(function() {loop} end) end end) while true do pcall(co) end",
    f"local co = coroutine.create(function() coroutine.yield() {loop} end) while true do coroutine.resume(co) end",
    f"local co = coroutine.create(function() local x <close> = setmetatable({{}}, {{__close = function() {loop} end}}) coroutine.yield() end) "
    "coroutine.resume(co) coroutine.close(co)",
    f"setmetatable(_G, {{__index = function() {loop} end}}) print(nothing)",
    f"table.sort({{3, 2, 1}}, function() {loop} end)",
    f"string.gsub('a', 'a', function() {loop} end)",
    f"for x in function() {loop} end do end",
):
    signalled("print 'go' io.stdout:flush() " + body, signal.SIGINT, 130, err="interrupted")
    signalled("print 'go' io.stdout:flush() " + body, signal.SIGTERM, 143, err="")
signalled("print 'go' io.stdout:flush() io.read()", signal.SIGTERM, 143)
if "tsan" not in GANDER:
    signalled("print 'go' io.stdout:flush() string.find(string.rep('a', 50000), '.*.*b')", signal.SIGINT, 130, presses=4)
check("nothing is left to say", "interrupted" not in run("-e", "pcall(error)")[2])

p = subprocess.run(f"'{GANDER}' -e 'for i = 1, 1e8 do print(i) end' | head -2", shell=True, capture_output=True, text=True, timeout=30)
check("a reader that goes ends it quietly", p.stdout == "1\n2\n" and p.stderr == "", p)
expect(["-e", "local f = io.popen('true', 'w') os.execute('sleep 0.1') f:write(('x'):rep(1e5)) print(f:flush()) print('lives')"], out=None)
check("a writer lives on", run("-e", "f = io.popen('true', 'w') os.execute('sleep 0.2') f:write(('x'):rep(1e5)) print 'lives'")[1] == "lives\n")


# ---- a full disk: no file may grow beyond a few thousand bytes ----

full = script('''
local view = window.open {title = "full", out = arg[1] .. "/views", every = 50}
local G = nn.Sequential {nn.Linear(2, 400), nn.Reshape(20, 20, 1)}
local D = nn.Sequential {nn.Flatten(), nn.Linear(400, 1)}
local t = gan.Trainer {generator = G, discriminator = D, latent = 2, loss = "bce-logits",
  data = data.loader(data.tensors(tensor.randn(64, 20, 20, 1)), {batch = 8}),
  optim_g = optim.SGD(G:parameters()), optim_d = optim.SGD(D:parameters())}
view:watch(t)
print(pcall(t.run, t, {steps = 400}))
for name, save in pairs {
  png = function() view:save(arg[1] .. "/view.png") end,
  npy = function() tensor.zeros(100000):save(arg[1] .. "/x.npy") end,
  net = function() G:save(arg[1] .. "/G.net") end,
  checkpoint = function() t:save(arg[1] .. "/t.ckpt") end} do print(name, pcall(save)) end
print(t.report.step, 1 + 1)
''', "full.lua")
with tempfile.TemporaryDirectory() as out:
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    p = subprocess.run([GANDER, "--headless", full, out], capture_output=True, text=True, timeout=100, preexec_fn=limit)
    check("training goes on when the disk is full", p.returncode == 0 and p.stdout.startswith("true\n") and p.stdout.endswith("400\t2\n"), p)
    check("and says so once", p.stderr.count("cannot write: File too large; nothing was changed") == 1, p.stderr)
    for name in ("png", "npy", "net", "checkpoint"):
        line = next(line for line in p.stdout.splitlines() if line.startswith(name))
        check("full disk: " + name, "false" in line and line.endswith("cannot write: File too large; nothing was changed"), line)
    left = [name for name in os.listdir(out) if name != "views"]
    check("nothing is left half-written", left == [], left)


def start_time():
    begin = time.perf_counter()
    subprocess.run([GANDER, "-e", ""], check=True)
    return time.perf_counter() - begin


if not SANITIZED:
    best = start_time()
    for _ in range(100):  # other programs may take the processor meanwhile
        best = min(best, start_time()) if best > 0.02 else best
    check("starts within 20 ms", best <= 0.02, best)

done()
