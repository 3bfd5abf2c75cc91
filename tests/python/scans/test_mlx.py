"""Agreement with MLX on dtype, shape and values, for every combination."""

import itertools

import numpy as np
import pytest
import upsweep
from support import DTYPES, FLOATS, OPS, numpy_dtype, stream_for

mx = pytest.importorskip("mlx.core", reason="MLX has no wheel for this system")
mx.set_default_device(mx.cpu)

OPS_OF_MLX = [op for op in OPS if hasattr(mx, op)]
SHAPES = [(), (1,), (7,), (3, 4), (2, 3, 4), (2, 1, 3, 2)]
EMPTY = [(0,), (2, 0), (0, 3), (2, 0, 3)]


def benign(name, shape):
    """Values that every dtype holds exactly and whose scans stay moderate."""
    n = int(np.prod(shape, dtype=int))
    if name == "bool_":
        return (np.arange(n) % 5 != 3).reshape(shape)
    if name == "complex64":
        return (
            np.resize([1, 0.5 + 1j, 1.5, 1 - 0.5j, 0.75], n).astype(name).reshape(shape)
        )
    cycle = [1, 2, 1, 3, 1, 1, 2] if "int" in name else [1, 0.5, 1.5, 2, 0.75, 1.25, 1]
    return np.resize(cycle, n).astype(numpy_dtype(name)).reshape(shape)


def mlx_array(x, name):
    wide = x.astype(np.float32) if name in ("bfloat16", "float64") else x
    return mx.array(wide).astype(getattr(mx, name))


def dtype_name(theirs):
    """Our name for MLX's dtype, whose bool_ has a different repr."""
    name = str(theirs.dtype).removeprefix("mlx.core.")
    return "bool_" if name == "bool" else name


def as_numpy(result):
    if result.dtype == mx.bfloat16:
        return np.array(result.astype(mx.float32))
    return np.array(result)


def tolerance(op, name):
    """MLX rounds after each of up to 24 steps, and takes some float64 logarithms
    in single precision."""
    if name in ("bfloat16", "float16"):
        return {"bfloat16": 24 * 2.0**-8, "float16": 24 * 2.0**-11}[name]
    return 1e-13 if name == "float64" and op != "logcumsumexp" else 1e-5


@pytest.mark.parametrize("op", OPS_OF_MLX)
@pytest.mark.parametrize("name", DTYPES)
def test_scans_agree(op, name):
    where = {"stream": stream_for(name)}
    for shape in SHAPES:
        x = benign(name, shape)
        axes = [None, *range(-len(shape), len(shape))]
        for axis, reverse, inclusive in itertools.product(axes, *[[False, True]] * 2):
            options = {"axis": axis, "reverse": reverse, "inclusive": inclusive}
            theirs = getattr(mx, op)(mlx_array(x, name), **options)
            ours = getattr(upsweep, op)(upsweep.asarray(x), **options, **where)
            assert ours.dtype.name == dtype_name(theirs), options
            assert ours.shape == theirs.shape, options
            expected, allowed = as_numpy(theirs), 0
            if ours.dtype.name in [*FLOATS, "complex64"]:
                allowed = tolerance(op, name)
            np.testing.assert_allclose(
                np.asarray(ours).astype(expected.dtype),
                expected,
                rtol=allowed,
                atol=allowed,
                err_msg=str(options),
            )


@pytest.mark.parametrize("op", OPS_OF_MLX)
@pytest.mark.parametrize("name", DTYPES)
def test_empty_shapes_agree(op, name):
    for shape in EMPTY:
        x = np.zeros(shape, numpy_dtype(name))
        for axis in [None, *range(len(shape))]:
            theirs = getattr(mx, op)(mx.zeros(shape, getattr(mx, name)), axis=axis)
            ours = getattr(upsweep, op)(
                upsweep.asarray(x), axis=axis, stream=stream_for(name)
            )
            assert ours.shape == theirs.shape
            assert ours.dtype.name == dtype_name(theirs)


def test_arrays_are_shared_with_mlx():
    a = mx.array([[1.0, 2.0], [3.0, 4.0]])
    assert upsweep.cumprod(a, axis=0).tolist() == [[1, 2], [3, 8]]
    result = upsweep.cumprod(a)
    if result.__dlpack_device__()[0] == 1:  # where MLX for the CPU can read it
        assert mx.array(result).tolist() == [1, 2, 6, 24]
