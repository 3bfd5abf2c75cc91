"""Scans the blocks of one process: distributed_worker.py FOLDER KIND RANK SIZE, or
under mpirun with KIND mpi alone. The cases are the same in all processes; results go to
FOLDER, for the test to check."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import upsweep
import upsweep.distributed
from values import make

KINDS = ["see_saw", "near_one", "log_normal", "exits", "specials", "subnormals"]


def cases(size):
    """(operator, input, where blocks end, options)"""
    rng = np.random.default_rng(2026)
    for number, (kind, name) in enumerate(
        (kind, name) for kind in KINDS for name in ("float32", "float64", "float16")
    ):
        op = ["prod", "sum", "prod", "max", "prod", "logaddexp", "min"][number % 7]
        # The last has more lines than fit in the first message.
        shapes = [((1500,), 0), ((3, 700), -1), ((500, 2, 2), 0), ((90, 50), 1)]
        shape, axis = shapes[number % 4]
        x = make(kind, np.dtype(name), shape)
        n = x.shape[axis]
        cuts = np.sort(rng.integers(0, n + 1, size - 1)).tolist()
        options = {"axis": axis, "reverse": number % 2 == 1}
        options["inclusive"] = number % 5 != 0
        if number % 3 == 0:
            options["initial"] = 1.5
        yield op, x, cuts, options
    # Each product of two blocks leaves the range, and no prefix does.
    x = np.resize(np.float32([1e-30, 1e30, 1e30, 1e-30]), 4096)
    for reverse in (False, True):
        cuts = [2 * i + 1 for i in range(size - 1)]
        yield "prod", x, cuts, {"axis": None, "reverse": reverse}


def block(x, cuts, axis, rank):
    return np.split(x, cuts, axis=axis or 0)[rank]


def torch_group(folder, backend, rank, size):
    import torch
    import torch.distributed as dist

    if backend == "nccl":
        torch.cuda.set_device(rank)
    dist.init_process_group(
        backend, init_method=f"file://{folder}/store", rank=rank, world_size=size
    )

    def to_local(x):
        tensor = torch.from_numpy(x)
        return tensor.cuda() if backend == "nccl" else tensor

    return None, to_local, lambda y: y.cpu().numpy()


def failures(group, rank):
    """What each process raises where one of them is called with something else."""
    calls = [
        ([np.ones(3), np.ones((3, 2))][rank == 1], "sum", {}),
        (np.ones(3, [np.float32, np.float64][rank == 1]), "sum", {}),
        (np.ones(3), ["prod", "sum"][rank == 1], {}),
        (np.ones(3), "sum", {"initial": [1.0, 2.0]}),
        (np.ones(3), "sum", {"reset": np.ones(4 if rank == 1 else 3, bool)}),
    ]
    for a, op, options in calls:
        try:
            upsweep.distributed.scan(a, op, 0, group=group, **options)
            yield ""
        except Exception as error:
            yield f"{type(error).__name__}: {error}"


def with_messages_of_the_user(comm):
    """Messages that wait meanwhile, on the user's communicator, are not taken."""
    x = np.ones(10 * comm.size, np.float32)
    x[5:8] = [2**100, 2**100, 2**-120]
    received = np.zeros(1)
    waiting = comm.Irecv(received, (comm.rank - 1) % comm.size)
    y = upsweep.distributed.scan(np.split(x, comm.size)[comm.rank], "prod", group=comm)
    comm.Send(np.full(1, 7.0), (comm.rank + 1) % comm.size)
    waiting.Wait()
    assert received[0] == 7
    assert np.isinf(y[-1])


def main(folder, kind, rank=None, size=None):
    warnings.simplefilter("error")
    if kind == "mpi":
        from mpi4py import MPI

        group, rank, size = MPI.COMM_WORLD, MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size
        to_local = to_numpy = np.asarray
    else:
        rank, size = int(rank), int(size)
        group, to_local, to_numpy = torch_group(folder, kind, rank, size)
    for number, (op, x, cuts, options) in enumerate(cases(size)):
        if kind == "nccl" and x.dtype == np.float64:
            continue
        mine = to_local(np.ascontiguousarray(block(x, cuts, options["axis"], rank)))
        y = upsweep.distributed.scan(mine, op, group=group, **options)
        assert type(y) is type(mine)
        assert y.device == mine.device if kind != "mpi" else True
        np.save(Path(folder) / f"{number}-{rank}.npy", to_numpy(y))
    if kind == "mpi":
        with_messages_of_the_user(group)
    messages = list(failures(group, rank))
    (Path(folder) / f"failures-{rank}.json").write_text(json.dumps(messages))
    if kind != "mpi":
        import torch.distributed as dist

        dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
