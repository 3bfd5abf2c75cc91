"""The scan kernels on the engine, without a backend: any geometry of tiles that
metal/params.h allows, on any view of an array."""

import ctypes
import math
import re
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))
from operators import OPERATORS
from params import Axis, Params

METAL = Path(__file__).resolve().parents[3] / "metal"
AGGREGATE_BYTES = CARRY_BYTES = 32
EXIT_BYTES = 16
RESET_BYTES = 16  # more of each with resets
GRADIENT_BYTES = 48  # of an aggregate of a derivative

# The kernels of a scan, in order.
THREE_PASSES = ("upsweep", "spine", "downsweep")
LOOK_BACK = ("lookback",)
WHOLE_LINES = ("wholelines",)
# Those of a derivative.
DERIVATIVES = {
    "vjp": ("reduce", "sumspine", "sumgroups", "finish"),
    "jvp": ("products", "productspine", "productgroups",
            "reduce", "sumspine", "sumgroups", "finish"),
}  # fmt: skip


def tile_state_bytes(itemsize):
    return 48 if itemsize == 8 else 32


def table():
    """{(op, dtype): (kernel, parts)}, as kernels.def has it."""
    pattern = r"UPSWEEP_SCAN\((\w+), (\w+), (\w+), (\d)\)\n"
    found = re.findall(pattern, (METAL / "kernels.def").read_text())
    return {(op, dtype): (name, int(parts)) for op, dtype, name, parts in found}


def reset_dtypes():
    """{(op, dtype): dtype to compute in} of scans with resets."""
    pattern = r"(?m)^UPSWEEP_RESETS\((\w+), (\w+), (\w+)\)\n"
    found = re.findall(pattern, (METAL / "kernels.def").read_text())
    return {(op, dtype): computed for op, dtype, computed in found}


def frexp_kernels():
    """{dtype: kernel} of cumprod_frexp."""
    found = re.findall(
        r"(?m)^UPSWEEP_FREXP\((\w+), (\w+)\)\n", (METAL / "kernels.def").read_text()
    )
    return dict(found)


def recurrence_kernels():
    """{dtype: kernel} of recurrences."""
    found = re.findall(
        r"(?m)^UPSWEEP_RECURRENCE\((\w+), (\w+)\)\n",
        (METAL / "kernels.def").read_text(),
    )
    return dict(found)


def derivative_kernels():
    """{(kind, dtype): kernel} of the derivatives of products."""
    found = re.findall(
        r"(?m)^UPSWEEP_DERIVATIVE\((\w+), (\w+), (\w+)\)\n",
        (METAL / "kernels.def").read_text(),
    )
    return {(kind, dtype): name for kind, dtype, name in found}


def copy_kernels():
    """The kernels that copy, as kernels.def has them."""
    found = re.findall(
        r"(?m)^UPSWEEP_COPY\((\w+), \w+\)\n", (METAL / "kernels.def").read_text()
    )
    return [f"copy_{name}" for name in found]


class Tuning:
    """The values of a tuning file."""

    def __init__(self, path=METAL / "tuning_apple.h"):
        text = Path(path).read_text()
        values = dict(re.findall(r"(k\w+) = (\d+)", text))
        self.threads = int(values["kThreads"])
        self.item_bytes, self.max_items = (
            int(values[k]) for k in ("kItemBytes", "kMaxItems")
        )
        three = "#define UPSWEEP_THREE_PASSES" in text
        self.passes = THREE_PASSES if three else LOOK_BACK

    def items(self, itemsize):
        return min(self.item_bytes // itemsize, self.max_items)

    def pair_items(self, itemsize):
        return max(self.items(2 * itemsize), 16 // itemsize)


class Binding(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Counts(ctypes.Structure):
    _fields_ = [("read", ctypes.c_uint64), ("written", ctypes.c_uint64)]


class Refused(Exception):  # noqa: N818, it reads as what it is
    """What the engine refused."""


class Engine:
    def __init__(self, library, tuning=None):
        self.library = ctypes.CDLL(str(library))
        self.library.upsweep_run_kernel.restype = ctypes.c_char_p
        self.library.upsweep_kernel_name.restype = ctypes.c_char_p
        self.tuning = tuning or Tuning()

    def set_seed(self, seed):
        self.library.upsweep_set_seed(ctypes.c_uint64(seed))

    def kernel_names(self):
        n = self.library.upsweep_kernels()
        return [self.library.upsweep_kernel_name(i).decode() for i in range(n)]

    def run(self, kernel, bindings, groups, chosen=None):
        """bindings: (address, size) each. Returns bytes read and written."""
        bound = (Binding * len(bindings))(*(Binding(*b) for b in bindings))
        counts = Counts()
        some = None if chosen is None else (ctypes.c_uint32 * len(chosen))(*chosen)
        failure = self.library.upsweep_run_kernel(
            kernel.encode(), bound, len(bindings), groups, self.tuning.threads, some,
            0 if chosen is None else len(chosen), ctypes.byref(counts),
        )  # fmt: skip
        if failure:
            raise Refused(failure.decode())
        return np.array([counts.read, counts.written])


def memory(array, slack=0):
    """Where an array's elements are: the address and size of the range that covers
    them, from a multiple of 16 bytes on, and the first element's index in it."""
    start = end = array.__array_interface__["data"][0]
    for extent, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            start += (extent - 1) * stride
        else:
            end += (extent - 1) * stride
    begin = start // 16 * 16
    first = array.__array_interface__["data"][0] - begin
    return (begin, end + array.itemsize - begin + slack), first // array.itemsize


class Geometry:
    """How a scan is mapped to threads; the usual values by default. `lines` says how
    many each thread has along column and along batch, if they are short enough."""

    def __init__(self, width=None, span=None, batches=None, column_threads=None,
                 line_threads=None, tiles=None, group=1, look_back_set=1,
                 lines=(1, 1)):  # fmt: skip
        self.lines = lines
        self.width, self.span, self.batches = width, span, batches
        self.column_threads, self.line_threads = column_threads, line_threads
        self.tiles, self.group, self.look_back_set = tiles, group, look_back_set


# A chain of tiles, groups of one tile, and larger ones.
LOOK_BACKS = [
    {"group": group, "look_back_set": each}
    for group, each in ((1, 1), (1, 2), (1, 8), (1, 64), (2, 2), (4, 2), (16, 16))
]


def pow2(n):
    return 1 << max(int(n) - 1, 0).bit_length()


def make_params(x, y, axis, reverse, inclusive, items, tuning, geometry,
                second=None):  # fmt: skip
    """ScanParams for the scan of x along an axis to a contiguous y, or of x and a
    second input of its shape."""
    p = Params()
    arrays = [x, y, x if second is None else second]
    starts = [memory(each)[1] for each in arrays]
    steps = [[s // y.itemsize for s in each.strides] for each in arrays]
    axes = [Axis(*each) for each in zip(x.shape, *steps, strict=True)]
    p.length = axes[axis]
    n = x.shape[axis]
    if reverse:
        starts = [first + (n - 1) * each[axis]
                  for first, each in zip(starts, steps, strict=True)]  # fmt: skip
        p.length = Axis(n, *(-each[axis] for each in steps))
    p.in_start, p.out_start, p.second_start = starts
    before, after = merged(axes[:axis]), merged(axes[axis + 1 :])
    p.column = after.pop() if after else Axis(1, 0, 0, 0)
    p.batch = before.pop() if before else Axis(1, 0, 0, 0)
    outer = before + after
    p.outer_axes = len(outer)
    for i, a in enumerate(outer):
        p.outer[i] = a
    p.inclusive = inclusive

    g = geometry
    needed = min(pow2(-(-n // items)), tuning.threads)
    p.column_threads = g.column_threads or min(pow2(p.column.extent), 32)
    p.line_threads = g.line_threads or min(needed, tuning.threads // p.column_threads)
    p.span = min(g.span or n, n, p.line_threads * items)
    columns, batches = lines_of(g, p, items)
    p.width = min((g.width or p.column_threads) * columns, p.column.extent)
    room = tuning.threads // (p.column_threads * p.line_threads) * batches
    p.batches = min(g.batches or room, room, p.batch.extent) if p.span == n else 1
    tiles = -(-n // p.span)
    p.tiles = min(g.tiles or tiles, tiles)
    p.chunks = -(-tiles // p.tiles)
    p.look_back_group, p.look_back_set = g.group, g.look_back_set
    p.items_per_thread = -(-p.span // p.line_threads)
    return p


def lines_of(geometry, p, items):
    """Those of the geometry, if a thread's items have room for them."""
    columns, batches = geometry.lines
    if p.line_threads > 1 or p.span < p.length.extent:
        return 1, 1
    columns = min(columns, items // p.span)
    return columns, min(batches, items // p.span // columns)


def merged(axes):
    result = []
    for a in axes:
        if a.extent == 1:
            continue
        steps = ("in_step", "out_step", "second_step")
        if result and all(
            getattr(result[-1], s) == getattr(a, s) * a.extent for s in steps
        ):
            extent = result[-1].extent * a.extent
            result[-1] = Axis(extent, *(getattr(a, s) for s in steps))
        else:
            result.append(a)
    return result


def panels_of(p):
    """Counts the panels, and sets the counts that the kernels read."""
    p.column_panels = -(-p.column.extent // p.width)
    p.batch_panels = -(-p.batch.extent // p.batches)
    p.panels = (
        p.column_panels
        * p.batch_panels
        * math.prod(p.outer[i].extent for i in range(p.outer_axes))
    )
    return p.panels


def halves(z):
    """Complex numbers as an array of floats with one more axis."""
    return np.lib.stride_tricks.as_strided(z.real, (*z.shape, 2), (*z.strides, 4))


def scan(engine, op, x, axis=-1, reverse=False, inclusive=True, geometry=None,
         passes=None, reset=None, initial=None, include_initial=False):  # fmt: skip
    """Scans x, with resets and initial values if there are some; returns the result,
    and bytes read and written for each byte of x. initial has no axes, or those of x
    without the scanned one."""
    passes = passes or engine.tuning.passes
    geometry = geometry or Geometry()
    if passes == LOOK_BACK:
        geometry.tiles = 1
    name = "bool_" if x.dtype == bool else x.dtype.name
    kernel, parts = table()[OPERATORS[op], name]
    axis %= x.ndim
    extents = list(x.shape)
    extents[axis] += include_initial
    y = np.empty(extents, x.dtype)
    y.view(np.uint8)[...] = 0xA5
    results = y
    if include_initial:
        ends = slice(-1) if reverse else slice(1, None)
        results = y[(slice(None),) * axis + (ends,)]
    xs, ys = x, results
    if parts == 2:
        xs, ys = halves(x), halves(results)
    items = engine.tuning.items(xs.itemsize)
    p = make_params(xs, ys, axis, reverse, inclusive, items, engine.tuning, geometry)
    p.reset_shift = parts - 1
    whole = memory(y)[0]
    p.out_start += (memory(ys)[0][0] - whole[0]) // ys.itemsize
    p.include_initial = include_initial
    initials = set_initial(p, initial, y, axis, parts)
    flags = ys  # something has to be bound
    if reset is not None:
        kernel = f"resets_{kernel}"
        flags = flags_of(reset, memory(ys)[1] // parts)
    room = 0 if reset is None else RESET_BYTES
    buffers = memory(xs)[0], whole, memory(flags)[0], memory(initials)[0], whole
    moved = launch(engine, kernel, p, passes, xs.itemsize, room, buffers)
    return y, moved / max(x.nbytes, 1)


def set_initial(p, initial, y, axis, parts):
    """Sets what the parameters say of initial values, and returns their buffer."""
    p.first_out = p.out_start
    p.lines_after = abs(p.length.out_step)
    p.line_block = p.lines_after * y.shape[axis]
    if initial is None:
        return y  # something has to be bound
    initials = np.ascontiguousarray(initial, y.dtype)
    p.initial_kind, p.initial_per_line = 1, initials.size != 1
    p.initial_start = memory(initials)[1] * parts
    return initials


def flags_of(reset, begin):
    """The bytes of resets, for results from the index `begin` on."""
    flags = np.zeros(begin + reset.size, np.uint8)
    flags[begin:] = reset.ravel()
    return flags


def launch(engine, kernel, p, passes, itemsize, room, buffers):
    """Runs the passes with buffers 0, 1, 5, 6 and 7; returns bytes read and written.
    `room` is what aggregates and states need in addition."""
    panels = panels_of(p)
    entries = panels * p.chunks * p.width * p.batches
    aggregates = np.full(entries * (AGGREGATE_BYTES + room), 0xC3, np.uint8)
    carries = np.full(entries * CARRY_BYTES, 0xC3, np.uint8)
    if passes == LOOK_BACK:
        groups = panels * p.width * -(-p.chunks // p.look_back_group)
        states = entries * (1 + (p.look_back_group > 1)) + groups
        state = tile_state_bytes(itemsize) + room
        aggregates = np.zeros(states * state + entries * EXIT_BYTES, np.uint8)
        p.epoch = 1
    if passes in DERIVATIVES.values():
        lines = panels * p.width * p.batches
        groups = -(-p.chunks // engine.tuning.threads)
        carries = np.full(lines * groups * GRADIENT_BYTES, 0xC3, np.uint8)
        if groups == 1:
            passes = [each for each in passes if not each.endswith("groups")]
    bindings = [
        *buffers[:2], (ctypes.addressof(p), ctypes.sizeof(p)),
        memory(aggregates)[0], memory(carries)[0], *buffers[2:],
    ]  # fmt: skip
    is_whole = p.line_threads == 1 and p.span == p.length.extent
    if is_whole and p.gives == 0 and passes in (THREE_PASSES, LOOK_BACK):
        passes = WHOLE_LINES
    moved = np.zeros(2)
    for each in passes if p.chunks > 1 or passes == LOOK_BACK else passes[-1:]:
        groups = panels * p.chunks
        if each == "spine":
            groups = panels
        elif each.endswith(("spine", "groups")):  # of a derivative
            groups = spine_threadgroups(each, p, panels, engine.tuning.threads)
        moved += engine.run(f"{each}_{kernel}", bindings, groups)
    return moved


def spine_threadgroups(stage, p, panels, threads):
    """The threadgroups of a spine of a derivative, which has threads of its own."""
    groups = -(-p.chunks // threads)
    lines = panels * p.width * p.batches
    if stage.endswith("groups"):
        return -(-lines // (threads // min(pow2(groups), threads)))
    return -(-lines // (threads // min(pow2(p.chunks), threads))) * groups


def recurrence(engine, a, b, axis=-1, reverse=False, inclusive=True, reset=None,
               initial=None, geometry=None, passes=None):  # fmt: skip
    """As scan, of two arrays of one shape, which may be broadcast."""
    passes = passes or engine.tuning.passes
    geometry = geometry or Geometry()
    if passes == LOOK_BACK:
        geometry.tiles = 1
    y = np.empty(a.shape, a.dtype)
    y.view(np.uint8)[...] = 0xA5
    axis %= a.ndim
    items = engine.tuning.pair_items(a.itemsize)
    p = make_params(a, y, axis, reverse, inclusive, items, engine.tuning, geometry, b)
    flags = y
    if reset is not None:
        p.reads_resets = 1
        flags = flags_of(reset, memory(y)[1])
    initials = set_initial(p, initial, y, axis, 1)
    buffers = [memory(each)[0] for each in (a, y, flags, initials, b)]
    kernel = recurrence_kernels()[a.dtype.name]
    moved = launch(engine, kernel, p, passes, a.itemsize, RESET_BYTES, buffers)
    return y, moved / max(y.nbytes, 1)


def derivative(engine, kind, x, c, axis=-1, reverse=False, inclusive=True,
               geometry=None):  # fmt: skip
    """As recurrence: cumprod_vjp or cumprod_jvp."""
    geometry = geometry or Geometry()
    geometry.tiles, geometry.lines = 1, (1, 1)
    y = np.empty(x.shape, x.dtype)
    y.view(np.uint8)[...] = 0xA5
    axis %= x.ndim
    items = engine.tuning.pair_items(x.itemsize)
    back = reverse != (kind == "vjp")
    p = make_params(x, y, axis, back, inclusive, items, engine.tuning, geometry, c)
    set_initial(p, None, y, axis, 1)
    buffers = [memory(each)[0] for each in (x, y, y, y, c)]
    kernel = derivative_kernels()[kind, x.dtype.name]
    room = GRADIENT_BYTES - AGGREGATE_BYTES
    moved = launch(engine, kernel, p, DERIVATIVES[kind], x.itemsize, room, buffers)
    return y, moved / max(y.nbytes, 1)
