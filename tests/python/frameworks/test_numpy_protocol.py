"""What NumPy's functions do with an upsweep array: np.cumprod and np.cumsum keep the
contract and NumPy's dtypes, and all others work as before."""

import numpy as np
import oracle
import pytest
import upsweep
from support import DTYPES, bits, numpy_dtype

FUNCTIONS = {"cumprod": np.cumprod, "cumsum": np.cumsum}


def near_one(dtype, n=4096):
    """Factors whose products stay near 1, so that the loop's errors add up."""
    spread = {"float16": 1e-2, "bfloat16": 4e-2, "float32": 1e-3, "float64": 1e-3}
    noise = np.random.default_rng(0).normal(0, spread[dtype], n)
    return (1 + noise).astype(numpy_dtype(dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_products_keep_the_contract_where_the_loop_does_not(dtype):
    x = near_one(dtype)
    assert oracle.check("cumprod", x, np.cumprod(upsweep.asarray(x))) <= 1
    with pytest.raises(AssertionError, match="wrong at index"):
        oracle.check("cumprod", x, np.cumprod(x))


def test_sums_keep_the_contract_where_the_loop_does_not():
    x = near_one("float32", 1 << 16)
    oracle.check("cumsum", x, np.cumsum(upsweep.asarray(x)))
    with pytest.raises(AssertionError, match="wrong at index"):
        oracle.check("cumsum", x, np.cumsum(x))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_axes_are_those_of_numpy(name, axis):
    x = np.array([[3, 5, 7], [2, 4, 11]], np.int64)
    y = FUNCTIONS[name](upsweep.asarray(x).T, axis=axis)
    np.testing.assert_array_equal(y, FUNCTIONS[name](x.T, axis=axis))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_dtypes_are_those_of_numpy(name, dtype):
    x = np.array([1, 1, 0, 1], numpy_dtype(dtype).newbyteorder("="))
    y = FUNCTIONS[name](upsweep.asarray(x))
    assert y.dtype == FUNCTIONS[name](x).dtype
    running = {"cumprod": [1, 1, 0, 0], "cumsum": [1, 2, 2, 3]}[name]
    assert y.tolist() == running


def test_small_integers_do_not_wrap():
    small = upsweep.array([100, 2, 2], upsweep.int8)
    assert np.cumprod(small).tolist() == [100, 200, 400]
    assert small.cumprod().tolist() == [100, -56, -112]


def test_dtype_converts_first():
    a = upsweep.array([2.0**100, 2.0**100], upsweep.float32)
    assert np.cumprod(a).tolist() == [2.0**100, np.inf]
    y = np.cumprod(a, dtype=np.float64)
    assert y.dtype == np.float64
    assert y.tolist() == [2.0**100, 2.0**200]
    assert np.cumsum(a, dtype="f8").dtype == np.float64


def test_out_is_filled_and_returned():
    out = np.zeros(3)
    assert np.cumprod(upsweep.array([0.5, 0.5, 3.0]), out=out) is out
    assert out.tolist() == [0.5, 0.25, 0.75]
    narrow = np.zeros(2, np.int16)
    np.cumsum(upsweep.array([1, 2], upsweep.int64), out=narrow)
    assert narrow.tolist() == [1, 3]
    with pytest.raises(ValueError, match=r"\[cumprod\] out must have the shape \(3,\)"):
        np.cumprod(upsweep.ones(3), out=np.zeros((2, 3)))


OF_OUT = ["bool", "int8", "uint8", "int16", "int64", "uint64", "float16", "float32"]


@pytest.mark.parametrize("of_out", [*OF_OUT, "float64", "complex64"])
@pytest.mark.parametrize("dtype", OF_OUT)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_dtype_of_out_counts_as_in_numpy(name, dtype, of_out):
    """Results go into out from a dtype that holds those of both; here they are exact.

    Conversions of numbers that do not fit differ between processors."""
    x = np.array([1.5, 2.5, 2.0, 3.0, 1.0]).astype(dtype)
    ours, theirs = (np.zeros(5, of_out) for _ in range(2))
    FUNCTIONS[name](upsweep.asarray(x), out=ours)
    with np.errstate(all="ignore"):
        FUNCTIONS[name](x, out=theirs)
    np.testing.assert_array_equal(ours, theirs)


def test_out_must_be_an_array():
    for out in ([0, 0, 0], upsweep.zeros(3)):
        with pytest.raises(TypeError):
            np.cumsum(upsweep.ones(3), out=out)


def test_dtypes_that_upsweep_lacks_are_left_to_numpy():
    y = np.cumprod(upsweep.array([1.5, 2.0]), dtype=np.longdouble)
    assert y.dtype == np.longdouble
    assert y.tolist() == [1.5, 3.0]


def test_an_axis_out_of_range_raises():
    for name, function in FUNCTIONS.items():
        for axis in (2, -3):
            with pytest.raises(np.exceptions.AxisError, match=name) as raised:
                function(upsweep.ones((2, 3)), axis=axis)
            assert (raised.value.axis, raised.value.ndim) == (axis, 2)
    with pytest.raises(np.exceptions.AxisError):
        np.cumsum(upsweep.asarray(2.0), axis=1)
    with pytest.raises(TypeError):
        np.cumsum(upsweep.ones(2), axis=0.0)


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_scalars_have_an_axis(axis):
    y = np.cumsum(upsweep.asarray(2.0), axis=axis)
    assert y.shape == (1,)
    assert y.tolist() == [2]


def test_results_belong_to_the_caller():
    a = upsweep.array([1.0, 2.0])
    y = np.cumprod(a)
    assert type(y) is np.ndarray
    y += 1
    assert y.tolist() == [2, 3]
    assert a.tolist() == [1, 2]


def test_the_method_is_still_upsweeps():
    a = upsweep.array([2, 3], upsweep.int16)
    assert type(a.cumprod()) is upsweep.array
    assert a.cumprod(0, reverse=True).dtype is upsweep.int16
    with pytest.raises(TypeError):
        a.cumprod(out=np.zeros(2))


X = np.array([[3.0, 5.0, 7.0], [2.0, 4.0, 11.0]], np.float32)
UNCHANGED = {
    "add": lambda a: np.add(a, a),
    "allclose": lambda a: np.allclose(a, a),
    "argmax": lambda a: np.argmax(a, axis=1),
    "array": lambda a: np.array(a, dtype=np.float64),
    "asarray": np.asarray,
    "broadcast_to": lambda a: np.broadcast_to(a, (2, 2, 3)),
    "concatenate": lambda a: np.concatenate([a, X]),
    "copy": np.copy,
    "cumulative_prod": lambda a: np.multiply.accumulate(a, axis=1),
    "diff": np.diff,
    "dot": lambda a: np.dot(a, X.T),
    "einsum": lambda a: np.einsum("ij->i", a),
    "equal": lambda a: X == a,
    "expand_dims": lambda a: np.expand_dims(a, 0),
    "full_like": lambda a: np.full_like(a, 2),
    "isnan": np.isnan,
    "left": lambda a: a + X,
    "linalg": np.linalg.norm,
    "maximum.accumulate": lambda a: np.maximum.accumulate(a, axis=1),
    "mean": np.mean,
    "nancumprod": np.nancumprod,
    "ravel": np.ravel,
    "reshape": lambda a: np.reshape(a, (3, 2)),
    "right": lambda a: X * a,
    "scalar": lambda a: np.float32(2) * a,
    "split": lambda a: np.split(a, 2)[1],
    "squeeze": np.squeeze,
    "stack": lambda a: np.stack([a, a]),
    "sum": lambda a: np.sum(a, axis=0),
    "swapaxes": lambda a: np.swapaxes(a, 0, 1),
    "transpose": np.transpose,
    "where": lambda a: np.where(X > 3, a, 0),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_other_functions_are_numpys(name):
    """upsweep answers neither __array_function__ nor __array_ufunc__."""
    ours, theirs = (UNCHANGED[name](a) for a in (upsweep.asarray(X), X))
    ours = np.asarray(ours)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == np.asarray(theirs).dtype
    if ours.dtype.kind == "f":
        assert bits(ours).tolist() == bits(np.asarray(theirs)).tolist()


def test_libraries_do_not_take_the_class_for_one_with_arithmetic():
    for name in ("__array_function__", "__array_ufunc__", "__array_namespace__"):
        assert not hasattr(upsweep.array, name)
