"""The structures of metal/params.h."""

import ctypes

MAX_OUTER = 12


class Axis(ctypes.Structure):
    _fields_ = [
        (f, ctypes.c_int64) for f in ("extent", "in_step", "out_step", "second_step")
    ]


class TileLayout(ctypes.Structure):
    _fields_ = [
        *((f, ctypes.c_int64) for f in ("m0", "m1", "m2", "origin_offset", "round")),
        *((f, ctypes.c_uint32) for f in ("n0", "n1", "count", "vectors")),
        *((f, ctypes.c_int32) for f in ("first", "column", "length", "batch")),
        *((f, ctypes.c_float) for f in ("inverse0", "inverse1")),
    ]


class Params(ctypes.Structure):
    _fields_ = [
        ("in_start", ctypes.c_int64), ("out_start", ctypes.c_int64),
        ("length", Axis), ("column", Axis), ("batch", Axis),
        ("outer", Axis * MAX_OUTER),
        *((f, ctypes.c_uint32) for f in (
            "outer_axes", "inclusive", "width", "batches", "span", "column_threads",
            "line_threads", "tiles", "chunks", "column_panels", "batch_panels",
            "panels", "items_per_thread", "look_back_group", "look_back_set",
            "reset_shift", "initial_kind", "initial_per_line", "gives", "reads_resets",
            "include_initial", "epoch")),
        *((f, ctypes.c_int64) for f in (
            "first_out", "line_block", "lines_after", "initial_start", "lines",
            "second_start")),
        # Not given: the kernel then computes them.
        ("in_tile", TileLayout), ("out_tile", TileLayout), ("second_tile", TileLayout),
    ]  # fmt: skip
