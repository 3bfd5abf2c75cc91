"""Results of upsweep.jax against the oracle: dtypes, options, shapes, and XLA's ways of
running them."""

import itertools

import numpy as np
import oracle
import pytest
from operators import OPERATORS
from support import DTYPES, FLOATS, numpy_dtype, result_dtype, run_python
from values import kinds, make

jax = pytest.importorskip("jax", reason="JAX is not installed")
import jax.numpy as jnp  # noqa: E402
import upsweep  # noqa: E402
from upsweep import jax as uj  # noqa: E402

FLAGS = list(itertools.product([False, True], [True, False]))


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def checked(op, x, y, **options):
    assert y.dtype == numpy_dtype(
        result_dtype(op, x.dtype.name.replace("bool", "bool_"))
    )
    assert y.shape == x.shape
    oracle.check(op, x, canonical(np.asarray(y)), **options)


def run_lines(*lines):
    run_python("-c", "\n".join(lines))


def canonical(y):
    """Bits of NaN do not survive JAX's copies on all devices."""
    if y.dtype.kind in "biu":
        return y
    y = np.array(y)
    if y.dtype.kind == "c":
        parts = y.view(np.float32)
        parts[np.isnan(parts)] = np.nan
    else:
        y[np.isnan(y)] = np.nan
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPERATORS)
def test_dtypes(op, dtype):
    dtype = numpy_dtype(dtype)
    for kind in sorted(kinds(dtype))[:4]:
        x = make(kind, dtype, (3, 37), 5)
        options = {"axis": 1, "reverse": True, "inclusive": False}
        checked(op, x, getattr(uj, op)(x, **options), **options)


@pytest.mark.parametrize(("reverse", "inclusive"), FLAGS)
@pytest.mark.parametrize("op", OPERATORS)
def test_axes(op, reverse, inclusive):
    x = np.random.default_rng(3).uniform(-2, 2, (4, 5, 6)).astype(np.float32)
    for axis in (0, 1, -1):
        options = {"axis": axis, "reverse": reverse, "inclusive": inclusive}
        checked(op, x, getattr(uj, op)(x, **options), **options)
    y = getattr(uj, op)(x, None, reverse=reverse, inclusive=inclusive)
    checked(op, x.ravel(), y, reverse=reverse, inclusive=inclusive)


# One that runs on XLA's thread, and one of many tiles on all of upsweep's.
@pytest.mark.parametrize("n", [100_003, 300_007])
def test_long_lines(n):
    x = np.random.default_rng(4).uniform(0.5, 2, n).astype(np.float32)
    checked("cumprod", x, jax.jit(uj.cumprod)(x))


def test_products_that_leave_the_range_between():
    x = np.tile(np.float32([1e-30, 1e30, 1e30, 1e-30]), 64)
    checked("cumprod", x, uj.cumprod(x))


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "int32", "complex64", "bool_"])
@pytest.mark.parametrize("op", OPERATORS.values())
def test_general_scan(op, dtype, include):
    """Initial values, resets and NaN as upsweep.scan has them, which has an oracle."""
    rng = np.random.default_rng(6)
    dtype = numpy_dtype(dtype)
    x = make(sorted(kinds(dtype))[0], dtype, (4, 9), 7)
    start = np.arange(4).astype(dtype)
    reset = rng.random((4, 9)) < 0.2
    for initial, mask, reverse in itertools.product(
        [None, start, start[1]], [None, reset], [False, True]
    ):
        options = {"reverse": reverse, "inclusive": include, "reset": mask}
        own = uj.scan(x, op, 1, initial=initial, **options)
        right = upsweep.scan(x, op, 1, initial=initial, stream=upsweep.cpu, **options)
        np.testing.assert_array_equal(canonical(own), canonical(np.asarray(right)))
    if x.dtype.kind in "fc":
        x[:, 3] = np.nan
        own = uj.scan(x, op, 1, skipna=True)
        right = upsweep.scan(x, op, 1, skipna=True, stream=upsweep.cpu)
        np.testing.assert_array_equal(canonical(own), canonical(np.asarray(right)))


def test_dtype_converts_first():
    x = np.array([200, 100], np.uint8)
    own = uj.scan(x, "sum", dtype="float32")
    assert own.dtype == np.float32
    assert own.tolist() == [200, 300]


@pytest.mark.parametrize("dtype", [*FLOATS, "complex64"])
def test_recurrences(dtype):
    dtype = numpy_dtype(dtype)
    a = make(sorted(kinds(dtype))[0], dtype, (5, 1, 7), 1)
    b = make(sorted(kinds(dtype))[-1], dtype, (3, 7), 2)
    reset = np.random.default_rng(8).random((5, 3, 7)) < 0.3
    for axis, reverse, inclusive, mask in itertools.product(
        [0, 1, 2], [False, True], [False, True], [None, reset]
    ):
        options = {"reverse": reverse, "inclusive": inclusive, "reset": mask}
        own = uj.linear_recurrence(a, b, axis, **options)
        right = upsweep.linear_recurrence(a, b, axis, stream=upsweep.cpu, **options)
        np.testing.assert_array_equal(canonical(own), canonical(np.asarray(right)))


def test_recurrence_promotes():
    counts = uj.linear_recurrence(2, jnp.arange(4, dtype=jnp.int32))
    assert counts.dtype == np.float32
    assert counts.tolist() == [0, 1, 4, 11]
    half = uj.linear_recurrence(0.5, jnp.ones(2, jnp.bfloat16))
    assert half.dtype == jnp.bfloat16


def test_empty_arrays():
    for shape, axis in [((0, 3), 0), ((0, 3), 1)]:
        x = jnp.ones(shape)
        for op in OPERATORS:
            function = getattr(uj, op)
            assert function(x, axis).shape == shape
            own = jax.grad(lambda x, f=function, axis=axis: f(x, axis).sum())(x)
            assert own.shape == shape


def test_scalars_have_no_axis():
    assert uj.cumprod(2.0, None).tolist() == [2.0]
    with pytest.raises(IndexError, match="axis 0 is out of bounds"):
        uj.cumprod(2.0)


def test_weak_types_stay_weak():
    weak = jax.eval_shape(lambda x: uj.cumprod(x[None]), 2.0)
    assert jax.eval_shape(lambda x: x + jnp.float16(1), weak).dtype == np.float16


WRONG = [
    (lambda x: uj.cumprod(x, 2), IndexError, r"\[cumprod\] axis 2 is out of bounds"),
    (lambda x: uj.cumprod(x, -3), ValueError, r"axis -3 is out of bounds"),
    (lambda x: uj.cumsum(x, 1.0), TypeError, r"\[cumsum\] axis must be an integer"),
    (lambda x: uj.cumsum(x, True), TypeError, "axis must be an integer, not bool"),
    (lambda x: uj.linear_recurrence(x, x, None), TypeError, "axis must be an integer"),
    (lambda x: uj.cumprod(x, reverse="no"), TypeError, "reverse must be True or False"),
    (lambda x: uj.cummax(x, inclusive=2), TypeError, "inclusive must be True or False"),
    (lambda x: uj.scan(x, "sum", skipna="False"), TypeError, "skipna must be True or"),
    (lambda x: uj.linear_recurrence(x, x, reverse=1), TypeError, "reverse must be"),
    (lambda x: jax.jit(uj.cumsum)(x, 1), TypeError, "traced"),
    (
        lambda x: jax.jit(lambda x, up: uj.cumsum(x, reverse=up))(x, True),
        TypeError,
        "reverse must be .* static_argnames",
    ),
    (lambda x: uj.scan(x, "product"), ValueError, "op must be one of prod, sum"),
    (lambda x: uj.cummax(x * 1j), TypeError, "operand: upsweep has no complex128"),
    (lambda x: uj.scan(x, "sum", dtype=bool), TypeError, "sum returns int32"),
    (lambda x: uj.scan(x, "sum", initial=[1.0, 2]), ValueError, r"initial has shape"),
    (lambda x: uj.scan(x, "sum", initial=1j), TypeError, "initial: A complex number"),
    (lambda x: uj.scan(x, "sum", reset=[True]), ValueError, r"reset has shape \(1,\)"),
    (lambda x: uj.scan(x, "sum", reset=x), TypeError, "reset must be a mask of bool"),
    (lambda x: uj.linear_recurrence(x, np.ones(5)), ValueError, "cannot be broadcast"),
    (lambda x: uj.linear_recurrence(1.0, 2.0), IndexError, "0 axes"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(jnp.ones((2, 3)))


@pytest.mark.parametrize(
    ("dtype", "initial", "error"),
    [
        (np.uint8, 300, OverflowError),
        (np.uint8, -1, OverflowError),
        (np.int8, 1000, OverflowError),
        (np.int8, np.int32(1000), OverflowError),
        (np.int8, [1000], OverflowError),
        (np.int32, 1.5, TypeError),
        (np.bool_, 2, TypeError),
        (np.float32, 1j, TypeError),
        pytest.param(np.float32, 10**400, OverflowError, id="huge"),
    ],
)
def test_initial_is_a_number_of_the_dtype(dtype, initial, error):
    with pytest.raises(error, match=r"\[scan\] initial"):
        uj.scan(jnp.ones((2, 1), dtype), "max", initial=initial)
    if jnp.issubdtype(dtype, np.floating):
        with pytest.raises(error, match=r"\[linear_recurrence\] initial"):
            uj.linear_recurrence(jnp.ones(2, dtype), 1, initial=initial)


def test_initial_takes_the_dtype():
    with jax.enable_x64(False):
        for dtype, start in [("uint8", 200), ("float32", 2**40), ("bfloat16", 0.5)]:
            own = uj.scan(jnp.zeros(2, dtype), "max", initial=start)
            assert own.dtype == dtype
            assert own.tolist() == [start] * 2
        half = np.full(1, 0.5, jnp.bfloat16)[0]
        assert uj.scan(jnp.zeros(1), "max", initial=half).tolist() == [0.5]
        assert uj.scan(jnp.zeros((1, 1)), "max", initial=[half]).tolist() == [[0.5]]


def test_flags_may_be_numpys():
    x = jnp.array([2, 3])
    assert uj.cumsum(x, np.int8(0), reverse=np.True_).tolist() == [5, 3]


def test_no_dtype_is_promoted():
    """Strict promotion is an error wherever dtypes meet."""
    x = jnp.array([0.5, 1.5, -0.75], np.float32)
    reset = jnp.array([False, True, False])
    with jax.numpy_dtype_promotion("strict"):
        for op in OPERATORS.values():
            for mask in (None, reset):

                def function(x, op=op, mask=mask):
                    out = uj.scan(x, op, initial=1, reset=mask, skipna=True)
                    return jnp.sin(out).sum()

                assert jax.hessian(function)(x).dtype == np.float32
            uj.scan(x.astype(bool), op, initial=True)
        assert uj.linear_recurrence(np.int32(2), np.ones(2, np.int32)).dtype == "f4"
        f = jax.hessian(lambda x: uj.linear_recurrence(x, x, initial=0.5).sum())
        assert f(x).dtype == np.float32


def test_errors_of_the_core_reach_jax():
    x = jnp.ones(1 << 12)
    uj.cumsum(x.astype(bool)).block_until_ready()
    before = upsweep.set_memory_limit(1)
    try:
        with pytest.raises(jax.errors.JaxRuntimeError, match="nable to allocate"):
            # A mask becomes flags in memory of upsweep's.
            uj.scan(x, "sum", reset=x > 2, reverse=True).block_until_ready()
    finally:
        upsweep.set_memory_limit(before)


def test_importing_upsweep_does_not_import_jax():
    run_lines("import sys, upsweep; assert 'jax' not in sys.modules")


def test_without_jax_there_is_one_sentence():
    run_lines(
        "import sys; sys.modules['jax'] = None",
        "try: import upsweep.jax",
        "except ImportError as e: assert 'pip install' in str(e), e",
        "else: raise AssertionError",
    )


def test_without_handlers_callbacks_give_the_same():
    run_lines(
        "import upsweep._jax_handlers as handlers",
        "handlers._library = lambda: None",
        "import jax, jax.numpy as jnp, upsweep.jax as uj",
        "assert not uj.has_handlers()",
        "x = jnp.array([[2.0, 0.0, 3.0], [1.0, 4.0, 5.0]])",
        "f = lambda x: uj.cumprod(x, 1)",
        "assert jax.jit(f)(x).tolist() == [[2, 0, 0], [1, 4, 20]]",
        "assert jax.vmap(jax.grad(lambda x: uj.cumprod(x).sum()))(x).tolist()"
        " == [[1, 8, 0], [25, 6, 4]]",
        "assert uj.cumprod(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16",
        "r = uj.linear_recurrence(0.5, x, reset=x == 4)",
        "assert r.tolist() == [[2, 1, 3.5], [1, 4, 7]]",
    )
