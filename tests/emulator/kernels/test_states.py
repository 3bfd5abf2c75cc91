"""Launches of look-back, one after the other, in memory for states that is never
cleared: each tells its own states by its epoch."""

import itertools
import random

import numpy as np
import pytest
from params import Params
from scans import LOOK_BACK, LOOK_BACKS, Geometry, memory, recurrence, scan


class Keeping:
    """An engine that binds the same memory for the states of all launches, and
    gives them epochs."""

    def __init__(self, engine, epochs):
        self.engine, self.tuning, self.epochs = engine, engine.tuning, epochs
        self.states = np.zeros(1 << 22, np.uint8)

    def run(self, kernel, bindings, groups):
        address, size = memory(self.states)[0]
        assert bindings[3][1] <= size
        bindings[3] = (address, size)
        Params.from_address(bindings[2][0]).epoch = next(self.epochs)
        return self.engine.run(kernel, bindings, groups)


def draw(r):
    """A call that scans with an engine, in many small tiles."""
    g = np.random.default_rng(r.getrandbits(32))
    shape = r.choice([(3000,), (700, 4), (4, 700), (300, 9), (2, 2500), (5000,)])
    axis, seed = r.randrange(len(shape)), r.getrandbits(16)
    geometry = Geometry(**r.choice(LOOK_BACKS))
    name = r.choice(["uint8", "uint16", "int32", "uint64", "float32", "complex64"])
    x = g.integers(1, 4, shape).astype(name)
    op = r.choice(["cumprod", "cumsum", "cummax"] if name != "complex64" else
                  ["cumprod", "cummax", "logcumsumexp"])  # fmt: skip
    reset = g.random(shape) < 0.001 if name in ("int32", "float32") else None
    if name == "int32" and op == "cumsum":
        x -= 2  # small sums, like epochs

    def call(engine):
        if name == "float32" and seed % 2:
            return recurrence(engine, x * np.float32(0.3), x, axis, reset=reset,
                              geometry=geometry, passes=LOOK_BACK)[0]  # fmt: skip
        return scan(engine, op, x, axis, geometry=geometry, passes=LOOK_BACK,
                    reset=reset)[0]  # fmt: skip

    return call


@pytest.mark.parametrize("seed", range(3))
def test_states_of_other_launches_are_none(small_engine, seed):
    r = random.Random(seed)
    small_engine.set_seed(seed)
    calls = [draw(r) for _ in range(12)]
    right = [call(small_engine).tobytes() for call in calls]
    keeping = Keeping(small_engine, itertools.count(1))
    for _ in range(3):
        for i in r.sample(range(len(calls)), len(calls)):
            assert calls[i](keeping).tobytes() == right[i], i


def test_without_epochs_they_are_taken_for_some(small_engine):
    """What the test before would find, in one order of threads or another."""
    r = random.Random(0)
    calls = [draw(r) for _ in range(12)]
    right = [call(small_engine).tobytes() for call in calls]
    differs = []
    for seed in range(10):
        small_engine.set_seed(seed)
        keeping = Keeping(small_engine, itertools.repeat(1))
        found = [call(keeping).tobytes() for call in calls]
        assert found[0] == right[0]
        differs.append(found != right)
    assert any(differs), differs


@pytest.mark.parametrize("epoch", [1, 7, 0x3F800000, 0xFFFFFFFF])
def test_data_is_no_flag(small_engine, epoch):
    """All words but the flags look like it."""
    r = random.Random(epoch)
    keeping = Keeping(small_engine, itertools.repeat(epoch))
    vectors = keeping.states.view(np.uint32).reshape(-1, 4)
    for call in [draw(r) for _ in range(12)]:
        vectors[:] = epoch, epoch, epoch, epoch - 1
        assert call(keeping).tobytes() == call(small_engine).tobytes()
