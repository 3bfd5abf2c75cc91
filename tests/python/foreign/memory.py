"""Memory that ends at the end of a page, and counts of its releases."""

import ctypes
import gc
import mmap
import time

import upsweep

PROT_NONE = 0
PAGE = mmap.PAGESIZE

_libc = ctypes.CDLL(None)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def _protect(address, size):
    if _libc.mprotect(address, size, PROT_NONE) != 0:
        raise OSError("mprotect failed")


class GuardedMemory:
    """A copy of some bytes. Reading one byte beyond faults, and so does any read after
    revoke, because the addresses are never reused. The bytes before them could not be
    part of a right answer."""

    def __init__(self, content):
        self.room = max(1, -(-len(content) // PAGE)) * PAGE
        self.start = _libc.mmap(
            None,
            self.room + PAGE,
            mmap.PROT_READ | mmap.PROT_WRITE,
            mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
            -1,
            0,
        )
        self.address = self.start + self.room - len(content)
        ctypes.memset(self.start, 0xEE, self.room)
        ctypes.memmove(self.address, content, len(content))
        _protect(self.start + self.room, PAGE)

    def revoke(self):
        _protect(self.start, self.room)


def integers(values, kind=ctypes.c_int64):
    """A C array; None is NULL."""
    return (
        None if values is None else GuardedMemory(bytes((kind * len(values))(*values)))
    )


def address_of(memory):
    return None if memory is None else memory.address


class ReleaseCount:
    """How often memory should be released, and how often it was."""

    def __init__(self):
        self.due = 0
        self.released = 0

    def check_released(self):
        """Waits until nothing holds it. Another thread may be releasing it."""
        deadline = time.monotonic() + 10
        gc.collect()
        while self.released < self.due and time.monotonic() < deadline:
            time.sleep(0.001)
        upsweep.synchronize()
        assert self.released == self.due, f"{self.released} times, due {self.due}"
