"""upsweep.distributed against the oracle: any blocks and all options in processes that
are threads, then torch.distributed, MPI and several GPUs; errors."""

import importlib.util
import queue
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import distributed_worker
import numpy as np
import oracle
import pytest
import upsweep
import upsweep.distributed
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import WORKER, check_failures, check_results, run_processes
from support import (
    DTYPES,
    SCANS,
    cpu_only,
    dtype_name,
    examples,
    numpy_dtype,
    result_dtype,
    with_canonical_nan,
)
from test_scan_options import OPTIONS, cases
from upsweep import _groups
from values import make

# Blocks of NumPy arrays run on the CPU, whatever the default device.
pytestmark = [cpu_only, pytest.mark.own_isa]


class ThreadGroup(_groups.TorchGroup):
    """One of several threads that exchange messages as processes of PyTorch do."""

    class Board:
        def __init__(self, size):
            self.size, self.barrier = size, threading.Barrier(size)
            self.said = [None] * size
            self.letters = {}
            self.lock = threading.Lock()

        def box(self, source, to):
            with self.lock:
                return self.letters.setdefault((source, to), queue.Queue())

    def __init__(self, board, rank):
        self.board, self.rank, self.size = board, rank, board.size

    def gather(self, data):
        self.board.said[self.rank] = data.copy()
        self.board.barrier.wait(60)
        every = list(self.board.said)
        self.board.barrier.wait(60)
        return every

    def _exchange(self, records, to, source):
        if to is not None:
            self.board.box(self.rank, to).put(records.copy())
        if source is None:
            return None
        return self.board.box(source, self.rank).get(timeout=60)


def scan_in_threads(blocks, op, resets=None, messages=True, **options):
    """Without messages, records do not come with the first message."""
    board = ThreadGroup.Board(len(blocks))

    def scan(rank):
        reset = None if resets is None else resets[rank]
        return upsweep.distributed.scan(
            blocks[rank], op, group=ThreadGroup(board, rank), reset=reset, **options
        )

    with (
        mock.patch.object(_groups, "wrap", lambda group, _: group),
        mock.patch.object(
            upsweep.distributed,
            "MESSAGE",
            upsweep.distributed.MESSAGE if messages else upsweep.distributed.HEADER,
        ),
        ThreadPoolExecutor(len(blocks)) as pool,
    ):
        return list(pool.map(scan, range(len(blocks))))


@pytest.mark.parametrize("op", SCANS)
@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=examples(5), deadline=None)
@given(data=st.data())
def test_blocks_change_nothing(op, name, data):
    """Every option, alone and together, in up to nine processes."""
    available = [option for option in OPTIONS if option != "include_initial"]
    wanted = data.draw(st.lists(st.sampled_from(available), unique=True))
    _, x, options = data.draw(cases(op, name, wanted))
    if op == "logaddexp" and "complex64" in (name, options.get("dtype")):
        return
    axis, reset = options["axis"], options.pop("reset", None)
    if x.ndim == 0 or (reset is not None and reset.dtype != bool):
        return
    del options["include_initial"]
    before = options.pop("before", None)
    along = axis or 0
    n = x.shape[along]
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=8)))
    blocks = np.split(x, cuts, axis=along)
    given_options = dict(options)
    options["initial"] = before
    if reset is not None:
        options["reset"] = reset
        given_options["resets"] = np.split(reset.reshape(x.shape), cuts, axis=along)
    for each in (options, given_options):
        if "dtype" in each:
            each["dtype"] = numpy_dtype(each["dtype"])
    given_options["messages"] = data.draw(st.booleans())
    results = scan_in_threads(blocks, op, **given_options)
    y = with_canonical_nan(np.concatenate(results, axis=along))
    computing = dtype_name(np.empty(0, options.get("dtype", x.dtype)))
    assert y.dtype == numpy_dtype(result_dtype(SCANS[op], computing))
    oracle.check(SCANS[op], x, y, **options)


@pytest.mark.parametrize("kind", distributed_worker.KINDS)
@pytest.mark.parametrize("size", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("messages", [True, False])
def test_products_in_any_number_of_processes(kind, size, name, messages):
    x = make(kind, numpy_dtype(name), (20_011,))
    cuts = np.random.default_rng(size).integers(0, x.size, size - 1)
    blocks = np.split(x, np.sort(cuts))
    for reverse in (False, True):
        first, second = (
            np.concatenate(
                scan_in_threads(
                    blocks, "prod", axis=0, reverse=reverse, messages=messages
                )
            )
            for _ in range(2)
        )
        assert first.tobytes() == second.tobytes()
        oracle.check("cumprod", x, with_canonical_nan(first), reverse=reverse)


@pytest.mark.parametrize(
    ("exit_in", "again"), [(None, 0), (0, 1), (1, 1), (2, 1), (3, 0)]
)
@pytest.mark.parametrize("messages", [True, False])
def test_a_block_is_read_again_only_where_its_elements_decide(exit_in, again, messages):
    """Where the product leaves the range and would come back. After the last block
    nothing depends on it."""
    x = np.ones(4000, np.float32)
    if exit_in is not None:
        x[1000 * exit_in + 500 :][:3] = [2**100, 2**100, 2**-120]
    reads, carry = [], upsweep.carry

    def counted(a, *rest, **options):
        reads.append(a.size)
        return carry(a, *rest, **options)

    with mock.patch.object(upsweep, "carry", counted):
        y = np.concatenate(
            scan_in_threads(np.split(x, 4), "prod", axis=0, messages=messages)
        )
    oracle.check("cumprod", x, y)
    # Each process also makes the carry of no elements that it would start from.
    assert len([size for size in reads if size]) == 4 + again


def outcomes(blocks, calls):
    """What each process of a group returns or raises."""
    board = ThreadGroup.Board(len(blocks))

    def scan(rank):
        options = {"op": "prod", "axis": 0, **calls(rank)}
        try:
            return upsweep.distributed.scan(
                blocks[rank], group=ThreadGroup(board, rank), **options
            )
        except BaseException as error:
            return error

    with (
        mock.patch.object(_groups, "wrap", lambda group, _: group),
        ThreadPoolExecutor(len(blocks)) as pool,
    ):
        return list(pool.map(scan, range(len(blocks))))


@pytest.mark.parametrize("reverse", [False, True])
def test_a_failure_while_the_state_is_handed_on_reaches_those_after(reverse):
    x = np.ones(4000, np.float32)
    x[1500:1503] = [2**100, 2**100, 2**-120]
    x = x[::-1] if reverse else x
    advance = upsweep._chunks.Scan.advance

    def failing(self, state, summary, chunk, reset):
        if chunk.max() > 1:
            raise MemoryError("full")
        return advance(self, state, summary, chunk, reset)

    with mock.patch.object(upsweep._chunks.Scan, "advance", failing):
        found = outcomes(np.split(x, 4), lambda _: {"reverse": reverse})
    found = found[::-1] if reverse else found
    assert isinstance(found[0], np.ndarray)
    assert isinstance(found[1], MemoryError)
    for error in found[2:]:
        assert isinstance(error, RuntimeError)
        assert "A process before this one failed" in str(error)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_a_failure_before_the_exchange_reaches_all(kind):
    def failing(self, chunk, reset):
        if chunk.max() > 1:
            raise kind("ä" * 5000)
        return summarise(self, chunk, reset)

    summarise = upsweep._chunks.Scan.summarise
    with mock.patch.object(upsweep._chunks.Scan, "summarise", failing):
        found = outcomes([np.ones(3), np.full(3, 2.0), np.ones(3)], lambda _: {})
    assert isinstance(found[1], kind)
    for error in (found[0], found[2]):
        assert f"Process 1 failed: {kind.__name__}: ääää" in str(error)


@pytest.mark.parametrize("option", ["inclusive", "skipna", "reverse"])
def test_processes_must_have_the_same_options(option):
    found = outcomes([np.ones(3)] * 3, lambda rank: {option: rank == 1})
    for error in found:
        assert f"must have the same {option}: process" in str(error)


def is_missing(module):
    return importlib.util.find_spec(module) is None


@pytest.mark.skipif(is_missing("torch"), reason="PyTorch is not installed")
@pytest.mark.parametrize("size", [2, 4])
def test_gloo(tmp_path, size):
    run_processes(
        [sys.executable, WORKER, tmp_path, "gloo", str(rank), str(size)]
        for rank in range(size)
    )
    check_results(tmp_path, size)
    check_failures(tmp_path, size)


@pytest.mark.skipif(is_missing("mpi4py"), reason="mpi4py is not installed")
@pytest.mark.skipif(not shutil.which("mpirun"), reason="there is no mpirun")
def test_mpi(tmp_path):
    size = 4
    run_processes(
        [["mpirun", "--oversubscribe", "-n", str(size),
          sys.executable, WORKER, tmp_path, "mpi"]],
        OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
    )  # fmt: skip
    check_results(tmp_path, size)
    check_failures(tmp_path, size)


def test_without_a_group():
    with pytest.raises(ValueError, match="init_process_group"):
        upsweep.distributed.scan(np.ones(3), "sum", 0)
    with pytest.raises(TypeError, match=r"must be a torch.* not str"):
        upsweep.distributed.scan(np.ones(3), "sum", 0, group="world")


ERRORS = [
    (lambda a: (a, "mul", {}), ValueError, "mul"),
    (lambda a: (a, "sum", {"axis": 3}), IndexError, "[Aa]xis 3"),
    (lambda a: (a.astype("M8[s]"), "sum", {}), TypeError, "datetime64"),
    (lambda a: (a, "sum", {"dtype": "U3"}), TypeError, "U3"),
    (lambda a: (a, "sum", {"initial": [1, 2]}), ValueError, "initial has shape"),
    (lambda a: (a, "sum", {"resets": [np.ones(2, bool)]}), ValueError, "reset has"),
    (lambda a: (a, "sum", {"resets": [np.ones(3)]}), TypeError, "bool mask"),
    (lambda a: (object(), "sum", {}), TypeError, "object"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS)
def test_errors(call, kind, message):
    a, op, options = call(np.ones(3, np.float32))
    with pytest.raises(kind, match=message):
        scan_in_threads([a], op, **{"axis": 0, **options})
