"""Runs a case in a process of its own, and fails with its signal or traceback."""

import faulthandler
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import traceback

# Outside Linux, system libraries may not survive a fork.
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
TIMEOUT = 120  # seconds; a sanitizer's processes are slow to start

_context = multiprocessing.get_context(METHOD)
# The server imports once what cases need, and starts no threads: each case is a fork of
# it.
_context.set_forkserver_preload(
    ["ctypes", "dataclasses", "mmap", "numpy", "tempfile", "upsweep"]
)


def _child(path, function, arguments):
    # Sanitizers and crashes of the interpreter write here.
    output = os.open(path, os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = sys.stderr = open(2, "w", closefd=False)
    faulthandler.enable(2)
    gc.freeze()  # so that cases collect only their own objects
    ignored = []  # errors without a caller

    def report(error):
        traceback.print_exception(error.exc_type, error.exc_value, error.exc_traceback)
        ignored.append(error.exc_type)

    sys.unraisablehook = report
    function(*arguments)
    assert not ignored, f"errors without a caller: {ignored}"


def run(function, *arguments):
    """Runs the function, which the other process imports by name."""
    __tracebackhide__ = True
    with tempfile.NamedTemporaryFile() as output:
        process = _context.Process(
            target=_child, args=(output.name, function, arguments)
        )
        process.start()
        process.join(TIMEOUT)
        status = process.exitcode
        if status is None:
            process.kill()
            process.join()
        process.close()
        printed = output.read().decode(errors="replace")
    if status is None:
        ended = f"no end after {TIMEOUT} s"
    elif status < 0:
        ended = f"ended by {signal.Signals(-status).name}"
    else:
        ended = f"exit status {status}"
    assert status == 0, f"{ended}\n{printed}"
