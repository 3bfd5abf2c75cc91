"""upsweep.torch: results against the oracle, over dtypes, strides and options; other
kinds of tensors; errors; memory."""

import gc
import itertools
import re
import subprocess
import sys
import time
import warnings

import ml_dtypes
import numpy as np
import oracle
import pytest
import upsweep
from support import DTYPES, FLOATS, INTEGERS, SCANS, numpy_dtype, result_dtype
from values import kinds, make

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
# Its tensors are in main memory, whatever the default device.
pytestmark = pytest.mark.own_isa

import upsweep.torch as ut  # noqa: E402

FLAGS = list(itertools.product([False, True], [True, False]))


def tensor(x):
    """The NumPy array as a tensor."""
    if x.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(x.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(x.copy())


def numpy(t):
    if t.dtype == torch.bfloat16:
        return t.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return t.numpy()


def dtype_of(name):
    return getattr(torch, name.rstrip("_"))


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("op", SCANS)
def test_results_keep_the_contract(op, name):
    function = SCANS[op]
    for kind in kinds(numpy_dtype(name)):
        if op == "logaddexp" and kind == "complex_specials":
            continue  # which have no contract
        x = make(kind, numpy_dtype(name), (2, 3, 5))
        views = [
            (x, tensor(x)),
            (x.transpose(2, 0, 1), tensor(x).permute(2, 0, 1)),
            (x[::2, 1:, ::3], tensor(x)[::2, 1:, ::3]),
        ]
        for axis, (values, t) in enumerate(views):
            for reverse, inclusive in FLAGS:
                flags = {"reverse": reverse, "inclusive": inclusive}
                y = getattr(ut, function)(t, axis, **flags)
                assert y.dtype == dtype_of(result_dtype(function, name))
                assert y.shape == t.shape
                assert y.is_contiguous()
                oracle.check(function, values, numpy(y), axis=axis, **flags)
                assert torch.equal(
                    ut.scan(t, op, axis - 3, **flags).nan_to_num(3), y.nan_to_num(3)
                )


@pytest.mark.parametrize(
    "name", ["int32", "float16", "bfloat16", "float64", "complex64"]
)
@pytest.mark.parametrize("op", SCANS)
def test_options_keep_the_contract(op, name):
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(0)
    x = make(next(iter(kinds(dtype))), dtype, (6, 40))
    initial = x[:, 3].copy()
    if dtype.kind not in "iu":
        x[rng.random(x.shape) < 0.1] = np.nan
    reset = rng.random(x.shape) < 0.1
    for reverse, inclusive in FLAGS:
        options = {
            "initial": initial,
            "reset": reset,
            "skipna": True,
            "reverse": reverse,
            "include_initial": inclusive,
            "inclusive": inclusive,
        }
        given = options | {"initial": tensor(initial), "reset": tensor(reset)}
        y = ut.scan(tensor(x), op, 1, **given)
        oracle.check(SCANS[op], x, numpy(y), axis=1, **options)
        options = {"reverse": reverse, "inclusive": inclusive, "reset": reset}
        y = ut.scan(tensor(x), op, 1, **options)
        oracle.check(SCANS[op], x, numpy(y), axis=1, **options)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("offsets", [[0, 3, 3, 7], [2, 9, 10], [], [10]])
def test_offsets_are_those_of_upsweep(offsets, reverse):
    x = np.arange(1, 11, dtype=np.float32)
    options = {"reverse": reverse, "initial": 100}
    expected = upsweep.scan(
        x, "sum", 0, reset=np.array(offsets, int), stream=upsweep.cpu, **options
    )
    for reset in (offsets, torch.tensor(offsets, dtype=torch.int32)):
        y = ut.scan(tensor(x), "sum", 0, reset=reset, **options)
        assert y.tolist() == np.asarray(expected).tolist()


@pytest.mark.parametrize("name", [*FLOATS, "complex64"])
def test_recurrences_keep_the_contract(name):
    rng = np.random.default_rng(0)
    dtype = numpy_dtype(name)
    a = rng.normal(size=(5, 1, 30)).astype(dtype)
    b = rng.normal(size=(4, 30)).astype(dtype)
    initial = rng.normal(size=(5, 4)).astype(dtype)
    reset = rng.random((5, 4, 30)) < 0.2
    for reverse, inclusive in FLAGS:
        flags = {"reverse": reverse, "inclusive": inclusive}
        y = ut.linear_recurrence(tensor(a), tensor(b), **flags)
        oracle.recurrence.check(a, b, numpy(y), **flags)
        y = ut.linear_recurrence(
            tensor(a),
            tensor(b),
            2,
            initial=tensor(initial),
            reset=tensor(reset),
            **flags,
        )
        oracle.recurrence.check(a, b, numpy(y), initial=initial, reset=reset, **flags)


def test_recurrences_promote_dtypes():
    x = torch.tensor([1, 2, 3])
    half, double = x.half(), x.double()
    for a, b, dtype in [
        (half, half, torch.float16),
        (half, 0.5, torch.float16),
        (half, x.bfloat16(), torch.float32),
        (x, 2, torch.float32),
        (x, 0.5, torch.float32),
        (True, x.bool(), torch.float32),
        (half, double, torch.float64),
        (2, double, torch.float64),
        (1j, half, torch.complex64),
        (half, x.to(torch.complex64), torch.complex64),
    ]:
        y = ut.linear_recurrence(a, b)
        assert y.dtype == dtype
        # Small integers and halves, so exact.
        h, values = 0, []
        for i in range(3):
            a_i, b_i = (
                v[i].item() if isinstance(v, torch.Tensor) else v for v in (a, b)
            )
            h = a_i * h + b_i
            values.append(h)
        assert y.tolist() == values


def test_dtypes():
    for name in INTEGERS:
        x = torch.tensor([1, 2, 3], dtype=dtype_of(name))
        assert ut.cumprod(x, 0).dtype == ut.cumsum(x, 0).dtype == x.dtype
        assert ut.logcumsumexp(x, 0).dtype == torch.float32
    x = torch.tensor([200, 200], dtype=torch.uint8)
    assert ut.cumsum(x, 0).tolist() == [200, 144]
    assert ut.cumsum(x, 0, dtype=torch.int64).tolist() == [200, 400]
    assert ut.cumprod(x, 0, dtype=torch.float64).tolist() == [200, 40000]
    truths = torch.tensor([True, True, False])
    assert ut.cumprod(truths, 0).tolist() == [True, True, False]
    assert ut.cumsum(truths, 0).dtype == torch.int32
    assert ut.scan(truths, "sum", 0, initial=3).tolist() == [4, 5, 5]
    # 0.1 is another number in float32.
    x = torch.zeros(1, dtype=torch.float64)
    assert ut.scan(x, "sum", 0, initial=0.1).item() == 0.1


def test_skipna_comes_before_a_conversion():
    x = torch.tensor([3.0, torch.nan, 2.0])
    for op, right in [("sum", [3, 3, 5]), ("max", [3, 3, 3]), ("prod", [3, 3, 6])]:
        y = ut.scan(x, op, 0, dtype=torch.int32, skipna=True)
        assert y.dtype == torch.int32
        assert y.tolist() == right


def test_scalars_and_empty_tensors():
    x = torch.tensor(3.0)
    for dim in (0, -1):
        assert torch.equal(ut.cumprod(x, dim), x)
        assert torch.equal(ut.cumprod(x, dim, inclusive=False), torch.tensor(1.0))
        assert torch.equal(ut.scan(x, "sum", dim, initial=2), torch.tensor(5.0))
        assert torch.equal(ut.linear_recurrence(x, 1.0, dim, initial=2), x + 4)
    assert ut.scan(x, "sum", 0, include_initial=True).tolist() == [0, 3]
    for shape, dim in [((0, 3), 0), ((0, 3), 1), ((0,), 0), ((2, 0), -1)]:
        for op in SCANS:
            t = torch.ones(shape, requires_grad=True)
            start = torch.ones((), requires_grad=True)
            reset = torch.zeros(shape, dtype=torch.bool)
            options = {"initial": start, "reset": reset, "include_initial": True}
            for y in (ut.scan(t, op, dim), ut.scan(t, op, dim, **options)):
                y.sum().backward()
                assert t.grad.shape == shape
        y = ut.linear_recurrence(t, t, dim, initial=start, inclusive=False)
        assert y.shape == shape
        y.sum().backward()


def test_lazy_tensors():
    z = torch.tensor([1 + 2j, 3 + 4j])
    assert ut.cumsum(z.conj(), 0).tolist() == [1 - 2j, 4 - 6j]
    assert ut.cumsum(z.conj().imag, 0).tolist() == [-2, -6]
    assert ut.linear_recurrence(z.conj(), z.conj().conj()).tolist() == [
        1 + 2j,
        (3 - 4j) * (1 + 2j) + 3 + 4j,
    ]
    assert ut.cumsum(torch._efficientzerotensor(3), 0).tolist() == [0, 0, 0]


def test_no_memory_is_copied_nor_shared_by_results():
    x = torch.ones(1 << 20)
    gc.collect()  # what earlier tests left
    before = upsweep.get_active_memory()
    y = ut.cumsum(x, 0)
    # Only the result's.
    assert upsweep.get_active_memory() - before <= 4.1 * x.numel()
    y.zero_()
    assert x.sum() == x.numel()
    # The tensor may change afterwards.
    y = ut.cumsum(x, 0)
    x.zero_()
    assert y[-1] == x.numel()
    del y
    # Another thread may be about to drop the last reference.
    for _ in range(100):
        if upsweep.get_active_memory() <= before:
            break
        time.sleep(0.05)
    assert upsweep.get_active_memory() <= before


class Plain(torch.Tensor):
    """Data like any other."""


def test_subclasses():
    x = torch.tensor([1.0, 2.0, 3.0])
    plain = x.as_subclass(Plain)
    for y in (
        ut.cumprod(plain, 0),
        ut.scan(plain, "prod", 0),
        ut.linear_recurrence(plain, 0.0, initial=1),
        ut.linear_recurrence(x, x.new_zeros(3).as_subclass(Plain), initial=1),
    ):
        assert type(y) is Plain
        assert y.tolist() == [1, 2, 6]
    weight = torch.nn.Parameter(x)
    y = ut.cumprod(weight, 0)
    y.sum().backward()
    assert weight.grad.tolist() == [9, 4, 2]
    # Those with a dispatch of their own get the operator.
    from torch.testing._internal.two_tensor import TwoTensor

    two = ut.cumprod(TwoTensor(x, x + 1), 0)
    assert (two.a.tolist(), two.b.tolist()) == ([1, 2, 6], [2, 6, 24])


@pytest.mark.parametrize("function", ["cumprod", "scan", "linear_recurrence"])
def test_modes_see_the_function(function):
    seen = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    x = torch.tensor([1.0, 2.0, 3.0])
    args = {"cumprod": (x, 0), "scan": (x, "prod", 0), "linear_recurrence": (x, 0.0)}
    with Mode():
        y = getattr(ut, function)(*args[function], inclusive=True)
    assert seen[0] is getattr(ut, function)
    assert y.shape == x.shape


def test_tensors_without_memory():
    from torch._subclasses import FakeTensorMode

    for op in SCANS:
        meta = torch.ones(2, 3, device="meta", requires_grad=True)
        y = ut.scan(meta, op, 1)
        assert (y.device.type, y.shape) == ("meta", (2, 3))
        y.sum().backward()
        assert meta.grad.shape == (2, 3)
    with FakeTensorMode() as mode:
        fake = mode.from_tensor(torch.ones(2, 3))
        y = ut.linear_recurrence(fake, 2.0, reset=torch.zeros(3, dtype=torch.bool))
    assert (type(y), y.shape) == (type(fake), (2, 3))


def test_inference_and_autocast():
    with torch.inference_mode():
        x = torch.tensor([1.0, 2.0, 3.0])
        y = ut.cumprod(x, 0)
    assert y.is_inference() == x.is_inference()
    assert ut.cumprod(x, 0).tolist() == [1, 2, 6]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = torch.eye(3) @ torch.ones(3, 3)
        assert half.dtype == torch.bfloat16
        # Results have the dtype of the tensors; they are computed in wider arithmetic.
        assert ut.cumprod(half, 0).dtype == torch.bfloat16
        assert ut.linear_recurrence(half, torch.ones(3)).dtype == torch.float32


def test_traces_have_the_operator():
    from torch.fx.experimental.proxy_tensor import make_fx

    x = torch.tensor([1.0, 2.0, 3.0])
    graph = make_fx(lambda t: ut.cumprod(t + 0, 0))(x)
    assert "torch.ops.upsweep.scan" in graph.code
    assert graph(x + 1).tolist() == [2, 6, 24]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(lambda t: ut.cumprod(t, 0), (x,))
    assert traced(x + 1).tolist() == [2, 6, 24]


def masked():
    return torch.masked.masked_tensor(X, X > 1)


X = torch.tensor([1.0, 2.0, 3.0])
MASK = torch.zeros(3, dtype=torch.bool)
ERRORS = [
    (lambda: ut.cumprod(X, 1), IndexError,
     "[cumprod] dim is 1, and of a tensor of shape (3,) it must be between -1 and 0"),
    (lambda: ut.cumsum(X, -2), IndexError, "[cumsum] dim is -2"),
    *((call, IndexError, "dim is 1, and of a tensor of shape () it must be between -1")
      for call in (lambda: ut.cummax(torch.tensor(1.0), 1),
                   lambda: ut.scan(torch.tensor(1.0), "sum", 1),
                   lambda: ut.linear_recurrence(torch.tensor(1.0), 1.0, 1))),
    (lambda: ut.linear_recurrence(X, X, 1), IndexError, "[linear_recurrence] dim is 1"),
    (lambda: ut.cumprod(X, None), TypeError, "dim must be an int, not NoneType"),
    (lambda: ut.cumprod(X, 0.0), TypeError, "[cumprod] dim must be an int, not float"),
    (lambda: ut.cumprod([1, 2], 0), TypeError,
     "[cumprod] input must be a tensor, not list; torch.as_tensor makes one"),
    (lambda: ut.cumprod(X.to(torch.complex128), 0), TypeError, "complex128"),
    (lambda: ut.cumprod(X.to(torch.float8_e4m3fn), 0), TypeError,
     "[cumprod] Elements of type low-precision float8"),
    (lambda: ut.cumprod(X, 0, dtype=torch.complex128), TypeError,
     "[cumprod] upsweep has no torch.complex128; convert it to a dtype that it has"),
    (lambda: ut.cumprod(X, 0, dtype="float64"), TypeError,
     "[cumprod] dtype must be a torch.dtype, not str"),
    (lambda: ut.cumprod(X, 0, reverse=1), TypeError, "[cumprod] reverse must be True"),
    (lambda: ut.scan(X, "sum", 0, inclusive=None), TypeError, "inclusive must be True"),
    # In short and not.
    (lambda: ut.cumprod(X, 0, reverse=np.bool_(True)), TypeError,
     "[cumprod] reverse must be True or False, not"),
    (lambda: ut.cumprod(X.clone().requires_grad_(), 0, inclusive=np.bool_(True)),
     TypeError, "[cumprod] inclusive must be True or False, not"),
    (lambda: ut.cumsum(torch.tensor(1.0), 0, reverse=1), TypeError, "reverse must be"),
    (lambda: ut.scan(X, "sum", 0, skipna="False"), TypeError,
     "[scan] skipna must be True or False, not 'False'"),
    (lambda: ut.scan(X, "sum", 0, include_initial="False"), TypeError,
     "[scan] include_initial must be True or False, not 'False'"),
    (lambda: ut.cumprod(X.to_sparse(), 0), TypeError,
     "[cumprod] input has the layout torch.sparse_coo; to_dense() makes a strided one"),
    (lambda: ut.cumprod(torch.nested.nested_tensor([X], layout=torch.jagged), 1),
     TypeError, "[cumprod] input is a nested tensor; scan what unbind() gives"),
    *((call, TypeError, f"{start} is a MaskedTensor; scan what to_tensor() gives")
      for call, start in (
          (lambda: ut.cumprod(masked(), 0), "[cumprod] input"),
          (lambda: ut.scan(masked(), "sum", 0), "[scan] input"),
          (lambda: ut.linear_recurrence(X, masked()), "[linear_recurrence] b"))),
    (lambda: ut.scan(X, "mul", 0), ValueError,
     "[scan] op must be one of 'prod', 'sum', 'max', 'min', 'logaddexp', not 'mul'"),
    (lambda: ut.scan(X, "sum", 0, include_initial=True, inclusive=False), ValueError,
     "[scan] include_initial is for inclusive scans"),
    (lambda: ut.scan(X, "sum", 0, initial=1j), TypeError,
     "[scan] initial is torch.complex64, which cannot be converted to the torch.float"),
    (lambda: ut.scan(X.int(), "sum", 0, initial=0.5), TypeError,
     "[scan] initial is torch.float32, which cannot be converted to the torch.int32"),
    (lambda: ut.scan(X, "sum", 0, initial=X), ValueError,
     "[scan] initial of shape (3,) does not fit the shape without dim, ()"),
    (lambda: ut.scan(X, "sum", 0, initial=upsweep.carry([1.0], "sum")), TypeError,
     "[scan] initial must be a number or a tensor, not a Carry"),
    (lambda: ut.scan(X, "sum", 0, reset=MASK[:2]), ValueError,
     "[scan] reset of shape (2,) does not fit the shape (3,)"),
    (lambda: ut.scan(X, "sum", 0, reset=[0.5]), TypeError,
     "[scan] reset must hold bool or integers, not torch.float32"),
    (lambda: ut.scan(X, "sum", 0, reset=[4]), ValueError,
     "[scan] offsets in reset must lie between 0 and 3"),
    (lambda: ut.scan(X, "sum", 0, reset=[-1]), ValueError, "[scan] offsets in reset"),
    (lambda: ut.scan(torch.ones(2, 2), "sum", 0, reset=[1]), ValueError,
     "[scan] reset holds offsets, which only a tensor of one axis can have"),
    (lambda: ut.linear_recurrence(0.5, 2), TypeError,
     "[linear_recurrence] a or b must be a tensor"),
    (lambda: ut.linear_recurrence(X, [1.0]), TypeError,
     "[linear_recurrence] b must be a tensor or a number, not list"),
    (lambda: ut.linear_recurrence(X, X[:2]), ValueError,
     "[linear_recurrence] a of shape (3,) and b of shape (2,) cannot be broadcast"),
    (lambda: ut.linear_recurrence(X, X.to("meta")), TypeError,
     "[linear_recurrence] a is on cpu and b on meta"),
    (lambda: ut.linear_recurrence(X.double(), 1j), TypeError,
     "[linear_recurrence] upsweep has no torch.complex128"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
@pytest.mark.filterwarnings("ignore:The PyTorch API of:UserWarning")
def test_errors_name_the_argument(number):
    call, error, text = ERRORS[number]
    with pytest.raises(error, match=re.escape(text)):
        call()


WITHOUT_TORCH = """
import sys
import upsweep
assert "torch" not in sys.modules
sys.modules["torch"] = None
try:
    import upsweep.torch
except ImportError as error:
    print(error)
"""


def test_without_torch_the_error_says_what_to_install():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        capture_output=True,
        text=True,
        check=True,
    )
    needed = "upsweep.torch needs PyTorch: pip install 'upsweep[torch]'"
    assert done.stdout == f"{needed}\n"


def test_small_scans_take_the_short_way(monkeypatch):
    """And only those whose result is a matter of bytes alone."""

    def long_way(*args):
        raise ArithmeticError

    monkeypatch.setattr(ut._torch_scans, "scan", long_way)
    x = torch.ones(3)
    assert ut.cumsum(x, 0).tolist() == [1, 2, 3]
    assert ut.cumsum(x[::2], -1, reverse=True).tolist() == [2, 1]
    grown = torch.ones(3, requires_grad=True)
    y = ut.cumsum(grown, 0)
    assert (y.tolist(), y.requires_grad) == ([1, 2, 3], True)
    with torch.no_grad():
        y = ut.cumsum(grown, 0)
    assert (y.tolist(), y.requires_grad) == ([1, 2, 3], False)
    z = torch.ones(3, dtype=torch.complex64).conj()
    parameter = torch.nn.Parameter(x)
    for t in (z, z.imag, x.to("meta"), torch.ones(3, dtype=torch.bool), parameter):
        with pytest.raises(ArithmeticError):
            ut.cumsum(t, 0)
    for wrong in ({"dim": 1}, {"dim": 0.5}, {"dim": 0, "reverse": 1}):
        with pytest.raises((IndexError, TypeError)):
            ut.cumsum(grown, **wrong)
    with torch.no_grad(), pytest.raises(ArithmeticError):
        torch.func.vmap(lambda t: ut.cumsum(t, 0))(x[None])
    with torch.autograd.forward_ad.dual_level(), pytest.raises(ArithmeticError):
        ut.cumsum(x, 0)
