"""Groups of processes: what upsweep.distributed needs of torch.distributed and MPI."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

# Puts two arrays of records together, element by element, in this order.
Combine = Callable[[Any, Any], Any]


def wrap(group: Any, block: Any) -> TorchGroup | MpiGroup:
    """A group as users have it: None is torch.distributed's default group. Messages
    that need a GPU take that of the block, if it is PyTorch's."""
    dist = sys.modules.get("torch.distributed")
    if dist is not None and dist.is_available():
        if group is None and dist.is_initialized():
            return TorchGroup(dist, dist.group.WORLD, block)
        if isinstance(group, dist.ProcessGroup):
            return TorchGroup(dist, group, block)
        if group is dist.GroupMember.NON_GROUP_MEMBER:
            raise ValueError(
                "[distributed] This process does not belong to group; only members "
                "may call."
            )
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and isinstance(group, mpi.Intracomm):
        return MpiGroup(mpi, group)
    if group is None:
        raise ValueError(
            "[distributed] There is no group: call torch.distributed."
            "init_process_group() first, or give group=mpi4py.MPI.COMM_WORLD."
        )
    raise TypeError(
        "[distributed] group must be a torch.distributed.ProcessGroup or an "
        f"mpi4py.MPI.Intracomm, not {type(group).__name__}."
    )


class TorchGroup:
    """A process group of torch.distributed, on whichever of its devices is cheaper."""

    def __init__(self, dist: Any, group: Any, block: Any) -> None:
        self.dist, self.group = dist, group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        on_cpu = "cpu" in str(dist.get_backend_config(group))
        torch = sys.modules["torch"]
        self.torch = torch
        if on_cpu:
            self.device = torch.device("cpu")
        elif isinstance(block, torch.Tensor) and block.is_cuda:
            self.device = block.device
        else:
            self.device = torch.device("cuda", torch.cuda.current_device())

    def gather(self, data: Any) -> list[Any]:
        """The bytes of all processes, which have the same number of them."""
        own = self._tensor(data)
        every = [self.torch.empty_like(own) for _ in range(self.size)]
        self.dist.all_gather(every, own, group=self.group)
        return [each.cpu().numpy() for each in every]

    def exscan(self, records: Any, combine: Combine, reverse: bool) -> Any:
        """What the records of the processes before this one amount to, in the order of
        ranks or against it. In a first process it is None. After round k a process
        knows about 2^k others, so there are log2(size) rounds."""
        place = self.size - 1 - self.rank if reverse else self.rank
        before, whole, distance = None, records, 1
        while distance < self.size:
            left, right = place - distance, place + distance
            received = self._exchange(
                whole,
                self._at(right, reverse) if right < self.size else None,
                self._at(left, reverse) if left >= 0 else None,
            )
            if received is not None:
                before = received if before is None else combine(received, before)
                whole = combine(received, whole)
            distance *= 2
        return before

    def send(self, records: Any, to: int) -> None:
        self._exchange(records, to, None)

    def receive(self, like: Any, source: int) -> Any:
        return self._exchange(like, None, source)

    def _at(self, place: int, reverse: bool) -> int:
        return self.size - 1 - place if reverse else place

    def _exchange(self, records: Any, to: int | None, source: int | None) -> Any:
        """Sends records to one process, and returns those that another one sends."""
        dist, data = self.dist, records.view(np.uint8).reshape(-1)
        jobs, received = [], None
        if to is not None:
            peer = dist.get_global_rank(self.group, to)
            own = self._tensor(data)
            jobs.append(dist.P2POp(dist.isend, own, peer, self.group))
        if source is not None:
            peer = dist.get_global_rank(self.group, source)
            received = self.torch.empty(
                data.size, dtype=self.torch.uint8, device=self.device
            )
            jobs.append(dist.P2POp(dist.irecv, received, peer, self.group))
        # NCCL needs both at once.
        for job in dist.batch_isend_irecv(jobs) if jobs else []:
            job.wait()
        if received is None:
            return None
        return received.cpu().numpy().view(records.dtype).reshape(records.shape)

    def _tensor(self, data: Any) -> Any:
        return self.torch.from_numpy(data).to(self.device)


class MpiGroup:
    """A communicator of mpi4py."""

    keyval: int | None = None  # of the communicator that _own keeps

    def __init__(self, mpi: Any, comm: Any) -> None:
        self.mpi, self.comm = mpi, self._own(mpi, comm)
        self.rank, self.size = comm.Get_rank(), comm.Get_size()

    @classmethod
    def _own(cls, mpi: Any, comm: Any) -> Any:
        """The same processes, apart from the user's messages. MPI frees it with the
        communicator."""
        if cls.keyval is None:
            cls.keyval = mpi.Comm.Create_keyval(delete_fn=lambda _, __, own: own.Free())
        own = comm.Get_attr(cls.keyval)
        if own is None:
            own = comm.Dup()
            comm.Set_attr(cls.keyval, own)
        return own

    def gather(self, data: Any) -> list[Any]:
        """As TorchGroup.gather."""
        every = np.empty((self.size, data.size), np.uint8)
        self.comm.Allgather(data, every)
        return list(every)

    def exscan(self, records: Any, combine: Combine, reverse: bool) -> Any:
        """As TorchGroup.exscan."""

        def combine_buffers(left: Any, right: Any, _: Any) -> None:
            # MPI may give a part of the records.
            earlier = np.frombuffer(left, records.dtype)
            later = np.frombuffer(right, records.dtype)
            later[:] = combine(earlier, later)

        own = np.ascontiguousarray(records).reshape(-1)
        before = np.empty_like(own)
        comm = self.comm.Split(0, -self.rank) if reverse else self.comm
        op = self.mpi.Op.Create(combine_buffers, commute=False)
        one = self.mpi.BYTE.Create_contiguous(records.dtype.itemsize).Commit()
        try:
            comm.Exscan([own, own.size, one], [before, own.size, one], op)
            is_first = comm.Get_rank() == 0
        finally:
            one.Free()
            op.Free()
            if reverse:
                comm.Free()
        return None if is_first else before.reshape(records.shape)

    def send(self, records: Any, to: int) -> None:
        self.comm.Send(np.ascontiguousarray(records).view(np.uint8), to)

    def receive(self, like: Any, source: int) -> Any:
        records = np.empty_like(like)
        self.comm.Recv(records.view(np.uint8), source)
        return records
