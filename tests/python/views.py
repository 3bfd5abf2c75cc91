"""Recipes for views: the same geometry made by NumPy and by upsweep."""

import numpy as np
import upsweep
from hypothesis import strategies as st


@st.composite
def recipes(draw, shape):
    """A list of steps that turn an array of this shape into a view of it."""
    steps = []
    for _ in range(draw(st.integers(0, 3))):
        step = draw(st.sampled_from([slices, transposed, broadcast]))
        name, argument, shape = draw(step(shape))
        steps.append((name, argument))
    return steps


@st.composite
def slices(draw, shape):
    index = tuple(draw(st.slices(extent)) for extent in shape)
    extents = [len(range(n)[s]) for n, s in zip(shape, index, strict=True)]
    return "slice", index, tuple(extents)


@st.composite
def transposed(draw, shape):
    axes = draw(st.permutations(range(len(shape))))
    return "transpose", axes, tuple(shape[i] for i in axes)


@st.composite
def broadcast(draw, shape):
    """Zero strides: on axes of extent 1, and on a new first axis."""
    wide = [draw(st.integers(1, 3)) if n == 1 else n for n in shape]
    if len(shape) < 5 and draw(st.booleans()):
        wide.insert(0, draw(st.integers(0, 3)))
    return "broadcast", tuple(wide), tuple(wide)


def apply(library, x, steps):
    """The view of x, an array of the library: numpy or upsweep."""
    for name, argument in steps:
        if name == "slice":
            x = x[argument]
        elif name == "transpose":
            x = x.transpose(*argument) if argument else x
        else:
            x = library.broadcast_to(x, argument)
    return x


def both(x, steps, shared):
    """The NumPy view and the upsweep view of x; with shared, the second comes from the
    first without a copy, else from upsweep's own indexing."""
    view = apply(np, x, steps)
    if shared:
        return view, upsweep.asarray(view)
    return view, apply(upsweep, upsweep.asarray(x), steps)
