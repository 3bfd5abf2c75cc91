"""upsweep.mlx under the transformations of MLX, alone and in each other, with all
options; and upsweep's own functions, which must not give a gradient of zero there."""

import doctest
import itertools
import threading

import exact_scans as exact
import numpy as np
import pytest
import upsweep
from support import cpu_only, numpy_dtype, run_python

mx = pytest.importorskip("mlx.core", reason="MLX has no wheel for this system")
mx.set_default_device(mx.cpu)
import upsweep.mlx as um  # noqa: E402

pytestmark = [cpu_only, pytest.mark.own_isa]

NAMES = ["cumprod", "cumsum", "cummax", "cummin", "logcumsumexp"]
SCANS = ["prod", "sum", "max", "min", "logaddexp"]
X = np.array([[[3, 0.5, -2], [0, 4, 1.5]], [[-1, 2, 2], [1, 0.5, 8]]], np.float32)


def equal(a, b):
    return a.dtype == b.dtype and mx.array_equal(a, b, equal_nan=True).item()


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("name", NAMES)
def test_results_are_upsweeps(name, axis):
    for reverse, inclusive in itertools.product([False, True], repeat=2):
        how = {"axis": axis, "reverse": reverse, "inclusive": inclusive}
        ours = getattr(um, name)(mx.array(X), **how)
        right = np.asarray(getattr(upsweep, name)(X, **how))
        assert ours.dtype == mx.float32
        np.testing.assert_array_equal(np.array(ours), right)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "dtype",
    ["bool_", "uint8", "int16", "int64", "float16", "bfloat16", "float64", "complex64"],
)
def test_dtypes_are_upsweeps(name, dtype):
    x = np.array([1, 1, 0, 1], numpy_dtype(dtype))
    a = mx.array([1, 1, 0, 1]).astype(getattr(mx, dtype))
    ours, right = getattr(um, name)(a), getattr(upsweep, name)(x)
    assert str(ours.dtype).removeprefix("mlx.core.") == right.dtype.name.rstrip("_")
    assert ours.tolist() == right.tolist()


OPTIONS = [
    {"initial": 2.5},
    {"initial": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]},
    {"reset": X > 1},
    {"reset": X > 1, "initial": 3, "inclusive": False},
    {"include_initial": True},
    {"include_initial": True, "initial": 2, "reverse": True, "reset": X > 1},
    {"dtype": upsweep.float64, "reverse": True},
    {"skipna": True},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("op", SCANS)
def test_options_are_those_of_scan(op, options):
    x = np.where(X == 8, np.nan, X)
    right = np.asarray(
        upsweep.scan(
            x,
            op,
            0,
            **{
                name: np.float32(value) if isinstance(value, list) else value
                for name, value in options.items()
            },
        )
    )
    as_mlx = {
        name: mx.array(value) if isinstance(value, list | np.ndarray) else value
        for name, value in options.items()
    }
    ours = um.scan(mx.array(x), op, 0, **as_mlx)
    assert ours.shape == right.shape
    if op == "logaddexp":  # of which the order of elements in memory decides bits
        np.testing.assert_allclose(np.array(ours), right, rtol=2e-7, atol=2e-7)
    else:
        np.testing.assert_array_equal(np.array(ours), right)


@pytest.mark.parametrize("reverse", [False, True])
def test_offsets_and_masks_of_other_libraries(reverse):
    x = mx.array(X).reshape(-1)
    for reset in ([0, 2, 5], np.array([1, 4]), mx.array([3]), X.reshape(-1) > 1):
        ours = um.scan(x, "sum", initial=1, reset=reset, reverse=reverse)
        right = upsweep.scan(
            X.reshape(-1), "sum", initial=1, reset=reset, reverse=reverse
        )
        assert ours.tolist() == right.tolist()
    ours = um.scan(mx.array(X), "sum", reset=X > 1)
    assert ours.tolist() == upsweep.scan(X, "sum", reset=X > 1).tolist()


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (0, 3), (1,)])
def test_empty_and_single_arrays(shape):
    a = mx.ones(shape)
    for name in NAMES:
        f = getattr(um, name)
        assert f(a).shape == getattr(upsweep, name)(np.ones(shape)).shape
        found = mx.grad(lambda x, f=f: f(x).sum())(a)
        assert found.shape == shape
        assert found.tolist() == a.tolist()
        if shape:
            mx.grad(lambda x, f=f: f(x, -1).sum())(a)
    if shape:
        f = lambda x: um.linear_recurrence(x, x, initial=2).sum()  # noqa: E731
        assert mx.grad(f)(a).shape == shape
        f = lambda x: um.scan(x, "prod", -1, initial=2, reset=x > 0).sum()  # noqa: E731
        assert mx.grad(f)(a).shape == shape


def functions():
    mask = mx.array(X[0] > 1)
    for op in SCANS:
        yield op, lambda x, op=op: um.scan(x, op, 0)
        yield f"{op} flat", lambda x, op=op: um.scan(x, op, reverse=True)
        yield (
            f"{op} segments",
            lambda x, op=op: um.scan(x, op, 1, reset=mask, initial=2, inclusive=False),
        )
    yield "recurrence", lambda x: um.linear_recurrence(x, 0.5)
    yield (
        "recurrence segments",
        lambda x: um.linear_recurrence(
            x, x * 2, 0, initial=x[0], reset=mask, reverse=True
        ),
    )


FUNCTIONS = dict(functions())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_batch_is_one_call_after_the_other(name):
    f = FUNCTIONS[name]

    def loss(x):
        y = f(x)
        return mx.where(mx.isinf(y), 0, y * mx.arange(y.size).reshape(y.shape)).sum()

    def in_direction(x):
        return (mx.grad(loss)(x) * x).sum()

    batch = mx.array(X)
    for g in (f, mx.grad(loss), mx.grad(in_direction)):
        right = mx.stack([g(x) for x in batch])
        assert equal(mx.vmap(g)(batch), right)
        for axis in (1, 2):
            moved = mx.moveaxis(batch, 0, axis)
            assert equal(mx.vmap(g, in_axes=axis)(moved), right)
        # Batches of batches.
        twice = mx.stack([batch, batch + 1])
        right = mx.stack([mx.stack([g(x) for x in rows]) for rows in twice])
        assert equal(mx.vmap(mx.vmap(g))(twice), right)
    of_batch = mx.grad(lambda x: mx.vmap(loss)(x).sum())(batch)
    assert equal(of_batch, mx.stack([mx.grad(loss)(x) for x in batch]))


def test_batches_of_some_arguments():
    a, b = mx.array(X[0]), mx.array(X)
    f = um.linear_recurrence
    right = mx.stack([f(a, row) for row in b])
    assert equal(mx.vmap(f, in_axes=(None, 0))(a, b), right)
    masks = mx.array(X > 1)
    right = mx.stack([um.scan(a, "prod", 0, reset=m) for m in masks])
    found = mx.vmap(lambda m: um.scan(a, "prod", 0, reset=m))(masks)
    assert equal(found, right)
    starts = mx.array([[1.0, 2, 3], [4, 5, 6]])
    right = mx.stack([um.scan(a, "sum", 0, initial=s) for s in starts])
    assert equal(mx.vmap(lambda s: um.scan(a, "sum", 0, initial=s))(starts), right)


def test_a_scan_of_an_inner_gradient_has_an_outer_one():
    """MLX does not mark what an inner transformation returns, though it depends on the
    argument of the outer one."""
    line = [2.0, 3.0, -1.0]

    def inner(x):
        return (x * x).sum() / 2  # with the gradient x

    def by_grad(x):
        return um.cumprod(mx.grad(inner)(x)).sum()

    def by_jvp(x):
        axes = map(mx.array, np.eye(3, dtype=np.float32))
        slopes = [mx.jvp(inner, [x], [axis])[1][0] for axis in axes]
        return um.cumprod(mx.stack(slopes)).sum()

    right = exact.gradient(lambda x: sum(exact.product(x)), exact.fractions(line))
    for f in (by_grad, by_jvp):
        assert mx.grad(f)(mx.array(line)).tolist() == right
        assert mx.vmap(mx.grad(f))(mx.array([line])).tolist() == [right]


def test_checkpoints():
    x = mx.array([2.0, 0.0, 3.0])
    f = lambda x: um.cumprod(mx.exp(um.cumsum(x))).sum()  # noqa: E731
    assert equal(mx.grad(mx.checkpoint(f))(x), mx.grad(f)(x))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compilation_is_an_error(name):
    """By MLX, where the result is evaluated: it has no value."""
    f = FUNCTIONS[name]
    gradient = mx.grad(lambda x: mx.square(f(x)).sum())
    x, batch = mx.array(X[0]), mx.array(X)
    for g, argument in [(f, x), (gradient, x), (mx.vmap(f), batch)]:
        with pytest.raises(RuntimeError, match="If you are compiling a function"):
            mx.eval(mx.compile(g)(argument))


def test_compiled_parts_of_a_function_that_is_differentiated():
    """There MLX calls the function itself."""
    x = mx.array([2.0, 0.0, 3.0])
    f = lambda x: um.cumprod(x).sum()  # noqa: E731
    assert equal(mx.grad(mx.compile(f))(x), mx.grad(f)(x))


class Subclass(mx.array):
    pass


def plain_functions():
    back = lambda y: mx.array(y).sum()  # noqa: E731
    yield "cumprod", lambda x: back(upsweep.cumprod(x))
    yield "evaluated", lambda x: (x.tolist(), back(upsweep.cumprod(x)))[1]
    yield "made of it", lambda x: back(upsweep.cumprod(mx.exp(x) + 1))
    yield "bfloat16", lambda x: back(upsweep.cumsum(x.astype(mx.bfloat16)))
    yield "asarray", lambda x: back(upsweep.asarray(x))
    yield "array", lambda x: back(upsweep.array(x))
    yield "list", lambda x: back(upsweep.array([x[0], x[1]]))
    yield "subclass", lambda x: back(upsweep.cumsum(Subclass(x)))
    yield "from_dlpack of one", lambda x: back(upsweep.from_dlpack(Subclass(x)))
    yield "from_dlpack", lambda x: back(upsweep.from_dlpack(x))
    yield "scan", lambda x: back(upsweep.scan([1.0, 2.0], "sum", initial=x[0]))
    yield "recurrence", lambda x: back(upsweep.linear_recurrence(2.0, x))
    yield "inner", lambda x: back(upsweep.cumsum(mx.grad(lambda x: (x * x).sum())(x)))


@pytest.mark.parametrize(("name", "f"), list(plain_functions()))
def test_upsweeps_own_functions_do_not_give_zero(name, f):
    x = mx.array([2.0, 3.0])
    f(x)
    transformed = {
        "grad": lambda: mx.grad(f)(x),
        "value_and_grad": lambda: mx.value_and_grad(f)(x),
        "vjp": lambda: mx.vjp(f, [x], [mx.array(1.0)]),
        "jvp": lambda: mx.jvp(f, [x], [x]),
    }
    if name != "evaluated":  # which MLX itself refuses
        transformed["vmap"] = lambda: mx.vmap(f)(mx.stack([x, x]))
        transformed["compile"] = lambda: mx.compile(f)(x)
    for call in transformed.values():
        with pytest.raises(BufferError, match=r"\[\w+\] mx.grad.* Use upsweep.mlx"):
            call()
    f(x)


def test_a_failed_transformation_leaves_nothing_behind():
    x = mx.array([2.0, 3.0])
    with pytest.raises(ZeroDivisionError):
        mx.grad(lambda x: um.cumprod(x).sum() / (1 // 0))(x)
    assert upsweep.cumprod(x).tolist() == [2, 6]


def test_other_threads_are_not_affected():
    x, results = mx.array([2.0, 3.0]), []
    mx.eval(x)

    def work():
        with mx.stream(mx.new_stream(mx.cpu)):
            results.append(upsweep.cumprod(x).tolist())
            results.append(mx.grad(lambda x: um.cumprod(x).sum())(x).tolist())

    def f(y):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return y.sum()

    mx.grad(f)(x)
    assert results == [[2, 6], [4, 2]]


def test_memory_of_a_long_chain_is_freed():
    """Outside of transformations, results do not hold what they were made of."""
    x = mx.ones(1 << 16)
    mx.eval(x)
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    for _ in range(50):
        x = um.cumprod(x)
    mx.eval(x)
    assert mx.get_peak_memory() - before < 10 * x.nbytes


ERRORS = [
    (TypeError, r"\[cumprod\] a must be an MLX array", lambda a: um.cumprod([1])),
    (IndexError, r"\[cumsum\] Axis 2 is out of bounds", lambda a: um.cumsum(a, 2)),
    (TypeError, r"\[cummax\] reverse", lambda a: um.cummax(a, reverse=1)),
    (ValueError, r"\[scan\] op must be one of", lambda a: um.scan(a, "product")),
    (
        ValueError,
        r"\[scan\] initial must be",
        lambda a: um.scan(a, "sum", 0, initial=a),
    ),
    (
        TypeError,
        r"\[scan\] initial must not be a Carry",
        lambda a: um.scan(a, "sum", initial=upsweep.carry([1.0], "sum")),
    ),
    (
        ValueError,
        r"\[scan\] include_initial",
        lambda a: um.scan(a, "sum", inclusive=False, include_initial=True),
    ),
    (ValueError, r"reset", lambda a: um.scan(a, "sum", 0, reset=[True])),
    (
        TypeError,
        r"\[linear_recurrence\] a or b must be an MLX array",
        lambda a: um.linear_recurrence(1.0, 2.0),
    ),
    (
        TypeError,
        r"\[linear_recurrence\] a and b must be MLX arrays or numbers, not ndarray",
        lambda a: um.linear_recurrence(a, X),
    ),
    (
        TypeError,
        r"\[linear_recurrence\]",
        lambda a: um.linear_recurrence(a, a.astype(mx.float16)),
    ),
    (ValueError, r"broadcast", lambda a: um.linear_recurrence(a, mx.ones(7))),
    (
        ValueError,
        r"\[linear_recurrence\] initial must be a number or an array of shape \(2,\)",
        lambda a: um.linear_recurrence(a, a, initial=mx.ones(3)),
    ),
]


@pytest.mark.parametrize(("error", "text", "call"), ERRORS)
def test_errors_name_the_argument(error, text, call):
    with pytest.raises(error, match=text):
        call(mx.array(X[0]))


@pytest.mark.parametrize(
    ("dtype", "initial", "error"),
    [
        ("uint8", 300, OverflowError),
        ("uint8", np.int64(-1), OverflowError),
        ("int32", 1.5, TypeError),
        ("bool_", 2, TypeError),
        ("float32", 1j, TypeError),
        pytest.param("float32", 10**400, OverflowError, id="huge"),
        ("float32", "a", TypeError),
    ],
)
def test_initial_is_a_number_of_the_dtype(dtype, initial, error):
    """Of which MLX would make another."""
    a = mx.zeros((2, 1), getattr(mx, dtype))
    for wrong in (initial, [initial]):
        with pytest.raises(error, match=r"\[scan\] initial"):
            um.scan(a, "max", 0, initial=wrong)
    if dtype == "float32":
        with pytest.raises(error, match=r"\[linear_recurrence\] initial"):
            um.linear_recurrence(a, a, 0, initial=initial)


def test_initial_takes_the_dtype():
    numbers = [("uint8", 200), ("float32", 2**70), ("bfloat16", np.float64(0.5))]
    for dtype, start in numbers:
        zeros = mx.zeros((2, 1), getattr(mx, dtype))
        for initial in (start, [start] if start != 2**70 else start):
            own = um.scan(zeros, "max", 0, initial=initial)
            assert own.dtype == getattr(mx, dtype)
            assert own.tolist() == [[start]] * 2
    # An array is converted.
    own = um.scan(mx.zeros(2, mx.uint8), "max", 0, initial=mx.array(7.0))
    assert own.tolist() == [7, 7]


def test_the_package_does_not_load_mlx():
    run_python("-c", "import sys, upsweep; assert 'mlx' not in sys.modules")


def test_without_mlx():
    program = (
        "import sys; sys.modules['mlx'] = sys.modules['mlx.core'] = None\n"
        "try: import upsweep.mlx\n"
        "except ImportError as error: print(error)"
    )
    assert "pip install 'upsweep[mlx]'" in run_python("-c", program)


def test_the_docstring():
    assert doctest.testmod(um).failed == 0


@pytest.mark.parametrize("disabled", ["0", "1"])
def test_the_first_use_may_be_in_a_transformation(disabled):
    """And compilation may be disabled, on which the check of plain arrays relies."""
    program = (
        "import mlx.core as mx, upsweep\n"
        "x = mx.array([2.0, 3.0])\n"
        "try: mx.grad(lambda x: mx.array(upsweep.cumprod(x)).sum())(x)\n"
        "except BufferError: print('refused', upsweep.cumprod(x).tolist())\n"
        "import upsweep.mlx as um\n"
        "print(mx.grad(lambda x: um.cumprod(x).sum())(x).tolist())"
    )
    environment = {"MLX_DISABLE_COMPILE": "1"} if disabled == "1" else {}
    printed = run_python("-c", program, **environment)
    assert printed.splitlines() == ["refused [2.0, 6.0]", "[4.0, 2.0]"]


def test_an_mlx_whose_transformations_cannot_be_seen():
    program = (
        "import warnings, mlx.core as mx, upsweep\n"
        "mx.compile = lambda f: lambda x: x\n"
        "warnings.simplefilter('error')\n"
        "try: upsweep.cumprod(mx.array([1.0]))\n"
        "except RuntimeWarning as warning: print(warning)"
    )
    assert "gradients of its functions may be zero" in run_python("-c", program)
