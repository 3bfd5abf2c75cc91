"""The software Metal device enforces Metal's rules, even those that upsweep never
breaks: these tests send messages of their own, without metal-cpp."""

import os
import subprocess
import sys

# Each program starts with this, in a process of its own, which a refusal ends.
MESSAGES = """
import ctypes
from pathlib import Path
import upsweep

library = ctypes.CDLL(next(Path(upsweep.__path__[0], "lib").glob("libupsweep*")))
for function in (library.MTLCreateSystemDefaultDevice, library.objc_lookUpClass,
                 library.sel_registerName, library.objc_msgSend):
    function.restype = ctypes.c_void_p


class Size(ctypes.Structure):
    _fields_ = [(f, ctypes.c_uint64) for f in ("width", "height", "depth")]


def send(receiver, message, *arguments):
    selector = ctypes.c_void_p(library.sel_registerName(message.encode()))
    given = [ctypes.c_uint64(a) if isinstance(a, int) else a for a in arguments]
    return library.objc_msgSend(ctypes.c_void_p(receiver), selector, *given)


pool = send(send(library.objc_lookUpClass(b"NSAutoreleasePool"), "alloc"), "init")
device = library.MTLCreateSystemDefaultDevice()
queue = send(device, "newCommandQueueWithMaxCommandBufferCount:", 4)
buffer = send(queue, "commandBuffer")
"""


def run(program):
    return subprocess.run(
        [sys.executable, "-c", MESSAGES + program],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_grid_of_more_threads_than_32_bits_count():
    dispatch = """
encoder = send(buffer, "computeCommandEncoder")
send(encoder, "dispatchThreadgroups:threadsPerThreadgroup:",
     Size({groups}, 1, 1), Size(256, 1, 1))
"""
    assert "2^32 threads or more" in run(dispatch.format(groups=2**24)).stderr
    # The next rule that it breaks.
    assert "without a pipeline" in run(dispatch.format(groups=2**24 - 1)).stderr


def test_an_event_never_goes_back():
    done = run("""
event = send(device, "newSharedEvent")
send(event, "setSignaledValue:", 5)
send(event, "setSignaledValue:", 3)
print(send(event, "signaledValue"))
send(buffer, "encodeSignalEvent:value:", event, 4)
send(buffer, "commit")
send(buffer, "waitUntilCompleted")
text = send(send(send(buffer, "error"), "localizedDescription"), "UTF8String")
print(ctypes.string_at(text).decode())
""")
    assert done.stdout == "5\na signal that takes an event back\n", done.stderr
