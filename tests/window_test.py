"""The window under Xvfb: what it shows, what its keys do, how it closes. Needs Xvfb and xdotool; no other package."""
import atexit
import ctypes
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib

GANDER = os.path.abspath(os.environ.get("GANDER", "build/gander"))
PATIENCE = 60  # seconds for anything that should happen at once; sanitizers and busy machines are slow
os.environ.setdefault("LSAN_OPTIONS", "print_suppressions=0:suppressions=" + os.path.abspath("tests/lsan.supp"))
folder = tempfile.mkdtemp(prefix="gander-window-")
atexit.register(shutil.rmtree, folder, True)
passed = failed = 0


def check(ok, what):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("FAILED:", what, flush=True)
    return ok


def wait(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    return condition()


# ---- the screen ----

def start_screen():
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-fbdir", folder, "-nolisten", "tcp", "-noreset"],
                              pass_fds=[write], stderr=subprocess.DEVNULL)
    atexit.register(server.kill)
    os.close(write)
    number = os.read(read, 16).decode().strip()
    if not number:
        print("Xvfb does not start\n0 passed, 1 failed")
        sys.exit(1)
    os.environ["DISPLAY"] = ":" + number


class Picture:
    """Rows of RGB bytes."""

    def __init__(self, width, height, rows):
        self.width, self.height, self.rows = width, height, rows

    def pixel(self, x, y):
        return tuple(self.rows[y][3 * x:3 * x + 3])

    def part(self, x, y, w, h):
        return Picture(w, h, [row[3 * x:3 * (x + w)] for row in self.rows[y:y + h]])

    def same(self, other):
        return self.rows == other.rows

    def colours(self):
        return len({row[i:i + 3] for row in self.rows for i in range(0, len(row), 3)})


def screen():
    """The framebuffer, an XWD file that Xvfb keeps up to date."""
    with open(os.path.join(folder, "Xvfb_screen0"), "rb") as f:
        data = f.read()
    head = struct.unpack(">25I", data[:100])
    width, height, stride, colours = head[4], head[5], head[12], head[19]
    start = head[0] + 12 * colours
    rows = []
    for y in range(height):
        row = data[start + y * stride:start + y * stride + 4 * width]
        rgb = bytearray(3 * width)
        rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
        rows.append(bytes(rgb))
    return Picture(width, height, rows)


def read_png(path):
    """An RGB or RGBA PNG, as gander writes them."""
    with open(path, "rb") as f:
        data = f.read()
    at, body, width, height, channels = 8, b"", 0, 0, 0
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[at + 8:at + 18])
            channels = {0: 1, 2: 3, 6: 4}[colour]
        if kind == b"IDAT":
            body += data[at + 8:at + 8 + n]
        at += 12 + n
    raw, rows, above = zlib.decompress(body), [], bytearray(width * channels)
    for y in range(height):
        start = y * (width * channels + 1)
        above = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + width * channels]), above, channels)
        rows.append(bytes(above))
    return Picture(width, height, rows)


def unfilter(kind, row, above, step):
    for i in range(len(row) if kind else 0):
        left, up = row[i - step] if i >= step else 0, above[i]
        corner = above[i - step] if i >= step else 0
        if kind == 4:
            guess = left + up - corner
            near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
        else:
            near = (0, left, up, (left + up) // 2)[kind]
        row[i] = (row[i] + near) & 255
    return row


# ---- the program ----

class Program:
    """gander with its statements on a pipe."""

    def __init__(self, script="", environment=None, arguments=("-i",)):
        path = os.path.join(folder, "script.lua")
        with open(path, "w") as f:
            f.write(script)
        self.path = os.path.join(folder, "said")
        self.said_file = open(self.path, "wb")
        self.process = subprocess.Popen([GANDER, *arguments, path], stdin=subprocess.PIPE, stdout=self.said_file,
                                        stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}, cwd=folder)
        atexit.register(self.process.kill)
        self.asked = 0

    def said(self):
        with open(self.path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def tell(self, statement):
        try:
            self.process.stdin.write((statement + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def ask(self, expression):
        self.asked += 1
        mark = f"answer {self.asked}:"
        self.tell(f'print("{mark}", {expression})')
        found = wait(lambda: re.search(re.escape(mark) + r"\s*(.*)\n", self.said()) or self.process.poll() is not None)
        return found.group(1).strip() if isinstance(found, re.Match) else None

    def end(self):
        self.process.stdin.close()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "did not end"


def xdotool(*words):
    return subprocess.run(["xdotool", *map(str, words)], capture_output=True, text=True).stdout.split()


def find_window(title):
    found = xdotool("search", "--name", "^" + title + "$")
    return int(found[0]) if found else None


def place(window):
    numbers = dict(re.findall(r"(\w+)=(\d+)", "\n".join(xdotool("getwindowgeometry", "--shell", window))))
    return [int(numbers[k]) for k in ("X", "Y", "WIDTH", "HEIGHT")]


def shot(window):
    return screen().part(*place(window))


def press(window, *keys):
    xdotool("windowfocus", window)
    for key in keys:
        xdotool("key", key)


def settled(window):
    """The window's picture once it has stopped changing for longer than the window may wait before it draws."""
    before, since = shot(window), time.monotonic()
    while time.monotonic() - since < 0.7:
        time.sleep(0.1)
        now = shot(window)
        if not now.same(before):
            before, since = now, time.monotonic()
    return before


class ClientMessage(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int), ("display", ctypes.c_void_p),
                ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong), ("format", ctypes.c_int), ("data", ctypes.c_long * 5),
                ("room", ctypes.c_long * 24)]


def ask_to_close(window):
    """What a window manager sends when its close button is pressed."""
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XInternAtom.restype = ctypes.c_ulong
    x.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    x.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    x.XCloseDisplay.argtypes = [ctypes.c_void_p]
    display = x.XOpenDisplay(None)
    message = ClientMessage(type=33, window=window, message_type=x.XInternAtom(display, b"WM_PROTOCOLS", 0), format=32)
    message.data[0] = x.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
    x.XSendEvent(display, window, 0, 0, ctypes.byref(message))
    x.XCloseDisplay(display)


TRAINING = """
  tensor.seed(1)
  G = nn.Sequential {nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 64), nn.Tanh(), nn.Reshape({8, 8, 1})}
  D = nn.Sequential {nn.Flatten(), nn.Linear(64, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)}
  t = gan.Trainer {
    generator = G, discriminator = D, latent = 4, samples = 16,
    data = data.loader(data.tensors(tensor.rand(256, 8, 8, 1)), {batch = 32, shuffle = true}),
    optim_g = optim.Adam(G:parameters(), {lr = 1e-3}), optim_d = optim.Adam(D:parameters(), {lr = 1e-3})}
  w = window.open {title = "testing", width = 800, height = 500, out = "pictures"}
  w:watch(t)
"""


# ---- the tests ----

def test_training():
    p = Program(TRAINING + "t:start()")
    window = wait(lambda: find_window("testing"))
    if not check(window, "a window opens: " + p.said()):
        return p.end()
    check(p.ask("w.headless, w.open, w.title") == "false\ttrue\ttesting", "it knows that it is one")
    check(place(window)[2:] == [800, 500], "it has the size asked for")
    check(wait(lambda: shot(window).colours() > 100), "it draws")
    first = shot(window)
    samples = (40, 90, 300, 300)
    check(wait(lambda: not shot(window).part(*samples).same(first.part(*samples))), "samples change while training goes")
    test_pause(p, window)
    test_keys(p, window)
    test_files(p, window)
    test_size(p, window)
    test_closing_by_key(p, window)
    check(p.end() == 0, "the program ends cleanly: " + p.said()[-500:])


def steps(p):
    return int(float(p.ask("t.step_number") or -1))


def test_pause(p, window):
    before = steps(p)
    check(wait(lambda: steps(p) > before), "it trains")
    press(window, "space")
    check(wait(lambda: steps(p) == (time.sleep(0.3) or steps(p))), "space pauses")
    still = settled(window)
    time.sleep(0.5)
    check(shot(window).same(still), "nothing changes while it is paused")
    stat = f"/proc/{p.process.pid}/task/{p.process.pid}/stat"
    used = lambda: sum(map(int, open(stat).read().rsplit(")")[-1].split()[11:13]))
    ticks = used()
    time.sleep(1)
    check(used() - ticks <= 10, "an idle window costs nothing")


def test_keys(p, window):
    plain = settled(window)
    press(window, "h")
    check(wait(lambda: not shot(window).same(plain)), "h lists the keys")
    press(window, "h")
    check(wait(lambda: shot(window).same(plain)), "h again takes the list away")
    dark = plain.pixel(3, 60)
    press(window, "t")
    check(wait(lambda: sum(shot(window).pixel(3, 60)) > 600), "t changes to light")
    press(window, "t")
    check(wait(lambda: shot(window).pixel(3, 60) == dark), "t changes back to dark")
    press(window, "plus")
    check(wait(lambda: p.ask("t.optim_g.lr == 1.25e-3, t.optim_d.lr == 1.25e-3") == "true\ttrue"), "+ raises both learning rates")
    press(window, "minus", "minus")
    check(wait(lambda: p.ask("math.abs(t.optim_g.lr - 0.8e-3) < 1e-12") == "true"), "- lowers them")
    samples = (40, 90, 300, 300)
    here = settled(window).part(*samples)
    press(window, "Right", "Right", "Right", "Right")
    check(wait(lambda: not shot(window).part(*samples).same(here)), "an arrow walks through the latent space")
    press(window, "Left", "Left", "Left", "Left")
    check(wait(lambda: shot(window).part(*samples).same(here)), "and back")
    press(window, "Right", "Right", "Right")
    one = settled(window).part(*samples)
    press(window, "Up", "Right", "Right", "Right")
    check(wait(lambda: not settled(window).part(*samples).same(one)), "another direction leads elsewhere")


def test_files(p, window):
    press(window, "s")
    pictures = os.path.join(folder, "pictures")
    saved = lambda: os.path.isdir(pictures) and [f for f in os.listdir(pictures) if f.endswith(".png")]
    names = wait(saved)
    if check(names and re.fullmatch(r"testing-\d{6}\.png", names[0]), "s saves a picture"):
        check(read_png(os.path.join(pictures, names[0])).width == 800, "of the window's size")
    time.sleep(4.5)  # until the message about it is gone
    p.ask('w:save("now.png").open')
    check(read_png(os.path.join(folder, "now.png")).same(settled(window)), "w:save gives what the window shows, to the pixel")
    p.tell('w:record("run.gif")')
    press(window, "space")
    before = steps(p)
    wait(lambda: steps(p) > before + 30)
    time.sleep(1)
    p.ask("w:record().open")
    with open(os.path.join(folder, "run.gif"), "rb") as f:
        gif = f.read()
    check(gif[:6] == b"GIF89a" and gif.count(b"\x21\xf9\x04") >= 2, "w:record makes an animation")
    p.ask("t:stop()")
    p.ask('w:save("last.png").open')
    check(read_png(os.path.join(folder, "last.png")).same(settled(window)), "the last step is drawn in all panels")
    p.ask("t:start()")


def test_size(p, window):
    xdotool("windowsize", window, 500, 640)
    check(wait(lambda: place(window)[2:] == [500, 640] and shot(window).pixel(496, 636) != (0, 0, 0)), "it is drawn in a new size")
    p.ask('w:save("narrow.png").open')
    picture = read_png(os.path.join(folder, "narrow.png"))
    check((picture.width, picture.height) == (500, 640), "and saved in it")
    for size in ((360, 260), (1279, 300), (300, 899)):
        xdotool("windowsize", window, *size)
        time.sleep(0.2)
    check(p.ask("1 + 1") == "2", "odd sizes do no harm")


def test_closing_by_key(p, window):
    press(window, "q")
    check(wait(lambda: not find_window("testing")), "q closes the window")
    check(wait(lambda: p.ask("w.open") == "false"), "the program knows")
    before = steps(p)
    check(wait(lambda: steps(p) > before), "and goes on training")
    p.tell("print(pcall(w.images, w, tensor.zeros(1, 4, 4, 1)))")
    check(wait(lambda: 'the window "testing" is closed' in p.said()), "a closed window says so")
    p.tell('w = window.open {title = "second"}')
    window = wait(lambda: find_window("second"))
    check(window, "another opens")
    p.tell("w:close()")
    check(wait(lambda: not find_window("second")), "w:close() closes it")


def test_own_pictures():
    p = Program('w = window.open {title = "own", width = 600, height = 400, theme = "light"}')
    window = wait(lambda: find_window("own"))
    empty = settled(window)
    p.tell("w:images(tensor.rand(4, 8, 8, 3) * 2 - 1)")
    check(wait(lambda: not shot(window).same(empty)), "w:images shows")
    for i, statement in enumerate(('for i = 1, 50 do w:plot("loss", {a = i, b = 3}) end', "w:scatter(tensor.randn(50, 2))",
                                   "w:heatmap(tensor.randn(5, 6))")):
        before = settled(window)
        p.tell(statement)
        check(wait(lambda: not shot(window).same(before)), statement)
    p.ask('w:save("own.png").open')
    check(read_png(os.path.join(folder, "own.png")).same(settled(window)), "the file is what the window shows")
    test_slider(p, window)
    check(p.end() == 0, "it ends with its input")


def test_slider(p, window):
    p.ask('(function() knob = {value = 1}  return w:slider("knob", knob, "value", {from = 0, to = 2}).open end)()')
    left, top, width, height = place(window)
    settled(window)
    xdotool("mousemove", left + width // 2, top + height - 75, "mousedown", 1)
    check(wait(lambda: p.ask("knob.value ~= 1") == "true"), "the mouse moves a slider")
    xdotool("mousemove", left + width - 5, top + height - 75)
    check(wait(lambda: p.ask("knob.value") == "2.0"), "to its end")
    xdotool("mouseup", 1, "mousemove", left + width // 3, top + height - 75)
    time.sleep(0.3)
    check(p.ask("knob.value") == "2.0", "and no further once the button is up")


def test_window_manager():
    p = Program(TRAINING + "t:start()")
    window = wait(lambda: find_window("testing"))
    wait(lambda: shot(window).colours() > 100)
    ask_to_close(window)
    check(wait(lambda: p.process.poll() is not None), "closing the window ends the program")
    check(p.process.poll() == 0, f"cleanly: {p.process.poll()} {p.said()[-300:]}")


def test_script_stays():
    """A script that is done leaves its window open until it is closed; SIGTERM ends the program too."""
    p = Program('w = window.open {title = "stays"}  w:plot("a", 1)', arguments=())
    window = wait(lambda: find_window("stays"))
    time.sleep(1)
    check(window and p.process.poll() is None, "the window stays when the script has ended: " + p.said())
    press(window, "q")
    check(wait(lambda: p.process.poll() is not None) and p.process.poll() == 0, "and the program ends with it")
    p = Program('w = window.open {title = "terminated"}', arguments=())
    wait(lambda: find_window("terminated"))
    p.process.send_signal(signal.SIGTERM)
    check(wait(lambda: p.process.poll() is not None), "SIGTERM ends it")
    check(not find_window("terminated"), "and its window goes")


def headless_pictures(what, environment, said):
    script = 'w = window.open {title = "none", out = "%s"}  w:images(tensor.zeros(4, 8, 8, 1))  print("headless", w.headless)' % what
    p = Program(script, environment, arguments=())
    p.end()
    check(p.process.poll() == 0, f"{what}: the program goes on: {p.said()[-300:]}")
    check(re.search(said, p.said()), f"{what}: it says why: {p.said()[-300:]}")
    check("headless\ttrue" in p.said(), f"{what}: without a window")
    check(os.path.isfile(os.path.join(folder, what, "latest.png")), f"{what}: its pictures are in files")


def test_cost():
    got = subprocess.run([GANDER, "tests/bench/dcgan28.lua", "--window", "--batch", "2", "--steps", "1", "--turns", "2"],
                         capture_output=True, text=True, check=False)
    costs = re.findall(r"^(.+?) +[\d.]+ ms a step, [-+][\d.]+ % \([-+][\d.]+ to [-+][\d.]+\)$", got.stdout, re.M)
    check(got.returncode == 0 and costs == ["without a window", "one that shows the training", "one at rest"],
          "what a window costs: " + got.stdout[-500:] + got.stderr[-500:])


def test_no_window():
    fake = os.path.join(folder, "fake")  # libraries that cannot be loaded
    os.makedirs(fake)
    for name in ("libSDL2-2.0.so.0", "libSDL2.so"):
        open(os.path.join(fake, name), "w").close()
    headless_pictures("no-display", {"DISPLAY": ":987"}, r'window\.open: the display cannot be opened; .* go to no-display/')
    headless_pictures("no-variable", {"DISPLAY": ""}, r'no window: the pictures of "none" go to no-variable/')
    headless_pictures("no-sdl", {"LD_LIBRARY_PATH": fake}, r"window\.open: SDL2 is not installed .* go to no-sdl/")


if __name__ == "__main__":
    start_screen()
    for test in (test_training, test_own_pictures, test_window_manager, test_script_stays, test_cost, test_no_window):
        began = time.monotonic()
        try:
            test()
        except Exception as error:  # one broken test is one failure, not the end
            check(False, f"{test.__name__}: {type(error).__name__}: {error}\n" + traceback.format_exc())
            print(open(os.path.join(folder, "said"), errors="replace").read()[-2000:])
        print(f"{test.__name__}: {time.monotonic() - began:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)
