"""Owners of shared memory: released when the work that held them is done, on a thread
where their finalisers may wait for any stream. Each case runs in a process of its own,
which would hang or die if the library broke this promise."""

import sys

import pytest
from support import cpu_only, run_python

pytestmark = [cpu_only, pytest.mark.own_isa]

SETUP = """
import gc, os, resource, sys, threading, time, weakref
import numpy as np, upsweep
n = 2**20
class Owner(np.ndarray):
    pass
def owned(finaliser=None, size=n):
    x = np.ones(size, np.float32).view(Owner)
    if finaliser is not None:
        weakref.finalize(x, finaliser)
    return upsweep.asarray(x)
def stream():
    return upsweep.new_stream(upsweep.cpu)
"""
NO_THREADS = """
upsweep.eval(upsweep.zeros(1))
if os.getuid() == 0:
    os.setuid(65534)  # no limit holds for root
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=int).start()
except RuntimeError:
    pass
else:
    raise SystemExit("threads can still be started")
"""

CASES = {
    "a finaliser synchronises the stream of its own scan":
    """
s = stream()
a = owned(lambda: upsweep.synchronize(s))
r = upsweep.cumsum(a, stream=s)
del a
assert r[-1].item() == n
""",
    "a finaliser reads a result that is still to be computed":
    """
s, later = stream(), []
a = owned(lambda: later[0][-1].item())
r = upsweep.cumsum(a, stream=s)
later.append(upsweep.cumsum(r, stream=s))
del a
assert r[-1].item() == n
""",
    "finalisers scan, wait, and release owners themselves":
    """
streams, seen = [stream() for _ in range(3)], []
def finaliser(i, left):
    s = streams[i % 3]
    a = owned((lambda: finaliser(i, left - 1)) if left else None)
    seen.append(upsweep.cumsum(a, stream=s)[-1].item())
for i in range(12):
    a = owned(lambda i=i: finaliser(i, 2))
    r = upsweep.cumsum(a, stream=streams[i % 3])
    del a
    assert r[-1].item() == n
deadline = time.monotonic() + 60
while len(seen) < 36 and time.monotonic() < deadline:
    time.sleep(0.01)
assert seen == [n] * 36, seen
""",
    "a finaliser that fails is reported, and the stream goes on":
    """
s, reports = stream(), []
sys.unraisablehook = lambda report: reports.append(report.exc_type)
class Fails(np.ndarray):
    def __del__(self):
        raise KeyError("finaliser")
a = upsweep.asarray(np.ones(n, np.float32).view(Fails))
r = upsweep.cumsum(a, stream=s)
del a
assert upsweep.cumsum(r, stream=s)[0].item() == 1
upsweep.synchronize(s)
assert KeyError in reports, reports
""",
    "after a wait the owner is gone":
    """
s = stream()
waits = [
    lambda r: upsweep.eval(r), lambda r: r[-1].item(), lambda r: np.asarray(r),
    lambda r: upsweep.synchronize(s), lambda r: r.tolist()[-1], lambda r: bool(r[0]),
]
for i in range(60):
    raw = bytearray(2**18)
    a = upsweep.asarray(raw)
    r = upsweep.cumsum(a, stream=s)
    del a
    waits[i % len(waits)](r)
    raw.append(1)  # BufferError while it is shared
""",
    "and in several threads":
    """
def work():
    s = stream()
    for i in range(30):
        raw = bytearray(2**18)
        a = upsweep.asarray(raw)
        r = upsweep.cumsum(a, stream=s)
        del a
        upsweep.eval(r)
        raw.append(1)
    done.append(1)
done = []
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
assert len(done) == 4
""",
    "an owner goes without a wait":
    """
gone = threading.Event()
a = owned(gone.set)
r = upsweep.cumsum(a, stream=stream())
del a, r
assert gone.wait(30)
""",
    "work under way at the end of the process":
    """
s = stream()
for _ in range(20):
    a = owned(lambda: upsweep.synchronize(s))
    r = upsweep.cumsum(a, stream=s)
    del a
""",
    "a forked child":
    """
s = stream()
a = owned(lambda: None)
r = upsweep.cumsum(a, stream=s)
child = os.fork()
if child == 0:
    gone = threading.Event()
    b = owned(gone.set)
    y = upsweep.cumsum(b, stream=s)
    del b
    os._exit(0 if y[-1].item() == n and gone.wait(30) else 1)
assert os.waitpid(child, 0)[1] == 0
""",
    "no more threads: the caller does the work": NO_THREADS + """
s = stream()
x = upsweep.asarray(np.ones(2 * n, np.float32))
for where in (None, s):
    y = upsweep.cumsum(x, stream=where)
    assert upsweep.cumsum(y, reverse=True, stream=s)[-1].item() == 2 * n
    assert bool(upsweep.array_equal(y, y, stream=where))
    assert x.astype(upsweep.int32, stream=where)[-1].item() == 1
    upsweep.synchronize(where)
""",
    "no more threads: owners go": NO_THREADS + """
s, gone = stream(), []
a = owned(lambda: (upsweep.synchronize(s), gone.append(1)))
r = upsweep.cumsum(a, stream=s)
del a
upsweep.eval(r)
assert gone == [1]
""",
    "no more threads: an error is the result's": NO_THREADS + """
s = stream()
wide = upsweep.broadcast_to(upsweep.array(1.0), (2**21,))
before = upsweep.set_memory_limit(upsweep.get_active_memory() + 2**20)
try:
    upsweep.cumsum(wide, stream=s)
except MemoryError:
    pass
else:
    raise SystemExit("no error")
upsweep.set_memory_limit(before)
assert upsweep.cumsum(wide, stream=s)[-1].item() == 2**21
""",
    "imported again":
    """
before = upsweep.cumsum(upsweep.array([1.0, 2.0]))
for name in [m for m in sys.modules if m.startswith("upsweep")]:
    del sys.modules[name]
import upsweep as again
assert again is not upsweep
assert again.cumsum(before).tolist() == [1, 4]
assert again.float32 is before.dtype and again.array is type(before)
""",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_in_a_process_of_its_own(case):
    run_python("-W", "ignore", "-c", SETUP + CASES[case])


SUBINTERPRETERS = {
    "ends with one alive": """
interpreters.run_string(one, "import upsweep; assert upsweep.cumsum([1, 2])[1] == 3")
""",
    "ends with one alive that has work under way": """
interpreters.run_string(one, '''
import upsweep
s = upsweep.new_stream(upsweep.cpu)
for _ in range(20):
    a = upsweep.asarray(memoryview(bytearray(2**22)))
    r = upsweep.cumsum(a, stream=s)
    del a
''')
""",
    "has it in one interpreter": """
interpreters.run_string(one, "import upsweep")
try:
    import upsweep
except ImportError as error:
    assert "another interpreter" in str(error), error
else:
    raise SystemExit("imported twice")
interpreters.run_string(one, '''
import upsweep
s = upsweep.new_stream(upsweep.cpu)
assert upsweep.cumsum(upsweep.ones(2**20), stream=s)[-1].item() == 2**20
''')
""",
}


@pytest.mark.skipif(
    sys.version_info >= (3, 12),
    reason="subinterpreters of Python 3.12 and newer refuse extensions like this one",
)
@pytest.mark.parametrize("case", SUBINTERPRETERS)
def test_a_process_with_a_subinterpreter(case):
    run_python(
        "-c",
        "import _xxsubinterpreters as interpreters\none = interpreters.create()\n"
        + SUBINTERPRETERS[case],
    )
