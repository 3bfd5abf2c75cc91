"""Memory that ends where a page ends, and counts of how often it was given back."""

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


class Fenced:
    """A copy of some bytes. One byte further is a fault, and so is any of them once
    withdrawn, for which their addresses are never used again. What lies before
    them is nothing that a right answer could contain."""

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

    def withdraw(self):
        _protect(self.start, self.room)


def integers(values, kind=ctypes.c_int64):
    """An array of C; None is NULL."""
    return None if values is None else Fenced(bytes((kind * len(values))(*values)))


def address_of(fenced):
    return None if fenced is None else fenced.address


class Loan:
    """How often memory is due to be given back, and how often it was."""

    def __init__(self):
        self.due = 0
        self.returned = 0

    def check_settled(self):
        """Once nobody has it any more. Another thread may be giving it back."""
        deadline = time.monotonic() + 10
        gc.collect()
        while self.returned < self.due and time.monotonic() < deadline:
            time.sleep(0.001)
        upsweep.synchronize()
        assert self.returned == self.due, f"{self.returned} times, due {self.due}"
