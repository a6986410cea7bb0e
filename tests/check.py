"""What the Python tests are written with: `from check import GANDER, check, done`, at the end `done()`."""
import os

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
GANDER = os.environ.get("GANDER", os.path.join(ROOT, "build", "gander"))
passed = failed = 0


def count(more, bad):
    """Adds checks that another program made."""
    global passed, failed
    passed += more
    failed += bad


def check(what, ok, *seen):
    count(bool(ok), not ok)
    if not ok:
        print("FAILED", what, *[repr(s)[-600:] for s in seen])


def done():
    print(f"{passed} passed, {failed} failed")
    raise SystemExit(failed > 0)
