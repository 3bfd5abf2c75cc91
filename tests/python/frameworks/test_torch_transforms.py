"""upsweep.torch under torch.func, forward mode, torch.compile and torch.export: each
derivative beside that of a loop in PyTorch, and none silently 0."""

import functools
import re

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch.autograd.forward_ad as fwad  # noqa: E402
import upsweep.torch as ut  # noqa: E402
from torch.func import (  # noqa: E402
    functionalize,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
    vmap,
)

pytestmark = [
    pytest.mark.own_isa,
    # PyTorch's own.
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr:UserWarning"),
    pytest.mark.filterwarnings("ignore:.torch._prims_common.check:FutureWarning"),
]

N = 5
DOUBLE = torch.float64
X = torch.tensor([1.5, 0.0, 2.0, -0.5, 1.25], dtype=DOUBLE)
V = torch.tensor([1.0, -2.0, 0.5, 3.0, 1.0], dtype=DOUBLE)
ROWS = torch.stack((X, V, X.flip(0) + 1))
WEIGHTS = torch.arange(1.0, N + 1, dtype=DOUBLE)
STARTS = [False, False, True, False, True]


def loop(step, x, state=None):
    """The scan, by PyTorch."""
    results = []
    for i in range(N):
        state = x[i] if state is None else step(state, x, i)
        results.append(state)
    return torch.stack(results)


# Each function, and the loop.
FUNCTIONS = {
    "cumprod": (
        lambda x: ut.cumprod(x, 0),
        lambda x: loop(lambda s, x, i: s * x[i], x),
    ),
    "cumprod in reverse": (
        lambda x: ut.cumprod(x, -1, reverse=True),
        lambda x: loop(lambda s, x, i: s * x[i], x.flip(0)).flip(0),
    ),
    "cumsum": (
        lambda x: ut.cumsum(x * x, 0),
        lambda x: loop(lambda s, x, i: s + x[i], x * x),
    ),
    "cummax": (
        lambda x: ut.cummax(x * x, 0),
        lambda x: loop(lambda s, x, i: torch.maximum(s, x[i]), x * x),
    ),
    "logcumsumexp": (
        lambda x: ut.logcumsumexp(x, 0),
        lambda x: loop(lambda s, x, i: torch.logaddexp(s, x[i]), x),
    ),
    "linear_recurrence": (
        lambda x: ut.linear_recurrence(x, x.cos(), initial=x[2]),
        lambda x: loop(lambda s, x, i: x[i] * s + x[i].cos(), x, x[2]),
    ),
    "segments": (
        lambda x: ut.scan(x, "prod", 0, initial=x[0], reset=torch.tensor(STARTS)),
        lambda x: loop(lambda s, x, i: x[i] if STARTS[i] else x[i] * s, x, x[0]),
    ),
}


def loss(f):
    return lambda x: (f(x).sin() * WEIGHTS).sum()


def second_tangent(f, x):
    return jvp(lambda x: jvp(f, (x,), (V,))[1], (x,), (V,))


DERIVATIVES = {
    "grad": lambda f: grad(loss(f))(X),
    "jvp": lambda f: jvp(f, (X,), (V,)),
    "vjp": lambda f: vjp(f, X)[1](V),
    "jacrev": lambda f: jacrev(f)(X),
    "jacfwd": lambda f: jacfwd(f)(X),
    "hessian": lambda f: hessian(loss(f))(X),
    "vmap": lambda f: vmap(f)(ROWS),
    "vmap of columns": lambda f: vmap(f, in_dims=1, out_dims=1)(ROWS.T),
    "vmap of vmap": lambda f: vmap(vmap(f))(torch.stack((ROWS, ROWS + 1))),
    "vmap of grad": lambda f: vmap(grad(loss(f)))(ROWS),
    "vmap of jvp": lambda f: vmap(lambda x, v: jvp(f, (x,), (v,)))(ROWS, ROWS + 1),
    "grad of vmap": lambda f: grad(lambda x: (vmap(f)(x) ** 2).sum())(ROWS),
    "grad of grad": lambda f: grad(lambda x: (grad(loss(f))(x) ** 2).sum())(X),
    "grad of jvp": lambda f: grad(lambda x: jvp(f, (x,), (V,))[1].sin().sum())(X),
    "jvp of grad": lambda f: jvp(grad(loss(f)), (X,), (V,)),
    "jvp of jvp": lambda f: second_tangent(f, X),
    "jacrev of jacrev": lambda f: jacrev(jacrev(f))(X),
    "jacfwd of jacfwd": lambda f: jacfwd(jacfwd(f))(X),
    "jacfwd of jacrev of grad": lambda f: jacfwd(jacrev(grad(loss(f))))(X),
}
# PyTorch cannot compile these, whatever the function.
EAGER = {
    "linearize": lambda f: linearize(f, X)[1](V),
    "vmap of hessian": lambda f: vmap(hessian(loss(f)))(ROWS),
    "functionalize": lambda f: functionalize(f)(X),
    "jacobian of batches": lambda f: torch.autograd.functional.jacobian(
        f, X, vectorize=True
    ),
    "jacobian of tangents": lambda f: torch.autograd.functional.jacobian(
        f, X, vectorize=True, strategy="forward-mode"
    ),
    "hvp": lambda f: torch.autograd.functional.hvp(loss(f), X, V),
}


def check(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    leaves = torch.utils._pytree.tree_leaves(expected)
    # A derivative that is 0 would not tell anything.
    assert all(leaf.abs().max() > 0 for leaf in leaves)


@pytest.mark.parametrize("way", DERIVATIVES | EAGER)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name, way):
    ours, theirs = FUNCTIONS[name]
    derive = (DERIVATIVES | EAGER)[way]
    if way.startswith(("jacfwd of jacfwd", "jacrev of")) and name == "cummax":
        pytest.skip("a maximum of squares has few second derivatives")
    check(derive(ours), derive(theirs))


def compiled(f, **options):
    torch._dynamo.reset()
    return torch.compile(f, fullgraph=True, **options)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        *(("cumprod", way) for way in ("jvp", "vmap of grad", "grad of jvp")),
        *(("linear_recurrence", way) for way in ("grad", "hessian", "vmap")),
        ("logcumsumexp", "jvp of jvp"),
        ("cummax", "jacfwd"),
    ],
)
def test_derivatives_in_compiled_code(name, way):
    ours, theirs = FUNCTIONS[name]
    derive = DERIVATIVES[way]
    check(compiled(lambda: derive(ours), backend="aot_eager")(), derive(theirs))


def gradient(f):
    x = X.clone().requires_grad_()
    return torch.autograd.grad(loss(f)(x), x)[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_compiled_functions(name):
    ours, theirs = FUNCTIONS[name]
    f = compiled(ours, backend="aot_eager", dynamic=True)
    check(gradient(f), gradient(theirs))


def test_inductor():
    ours, theirs = FUNCTIONS["cumprod"]
    f = compiled(lambda x: ours(x + 0) * 1)
    try:
        found = gradient(f)
    except torch._inductor.exc.InductorError as error:
        pytest.skip(f"Inductor finds no compiler: {error}")
    check(found, gradient(theirs))


def forward_mode(f, x):
    with fwad.dual_level():
        return tuple(fwad.unpack_dual(f(fwad.make_dual(x, V))))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_forward_mode(name):
    ours, theirs = FUNCTIONS[name]
    expected = forward_mode(theirs, X)
    check(forward_mode(ours, X), expected)
    check(forward_mode(compiled(ours, backend="aot_eager"), X), expected)
    # Over a graph of the backward mode.
    x = X.clone().requires_grad_()
    check(
        torch.autograd.grad(forward_mode(ours, x)[1].sin().sum(), x),
        torch.autograd.grad(forward_mode(theirs, x)[1].sin().sum(), x),
    )
    # Of a tangent of 0, which PyTorch does not store.
    with fwad.dual_level():
        x = fwad.make_dual(X, torch._efficientzerotensor(N, dtype=DOUBLE))
        tangent = fwad.unpack_dual(ours(x)).tangent
    assert tangent is None or not tangent.any()


@pytest.mark.parametrize("way", ["grad", "jvp", "vmap", "grad of grad"])
@pytest.mark.parametrize("name", ["cumprod", "linear_recurrence", "segments"])
def test_derivatives_of_compiled_functions(name, way):
    """Dynamo gives up such a function, and must not trace what PyTorch calls then."""
    ours, theirs = FUNCTIONS[name]
    torch._dynamo.reset()
    f = torch.compile(ours, backend="aot_eager")
    check(DERIVATIVES[way](f), DERIVATIVES[way](theirs))


def test_jvp_of_a_compiled_function_without_breaks_is_an_error_and_not_0():
    f = compiled(FUNCTIONS["cumprod"][0], backend="aot_eager")
    with pytest.raises(torch._dynamo.exc.Unsupported, match="jvp"):
        jvp(f, (X,), (V,))


def test_grad_inside_of_a_plain_graph():
    """Tensors of the outer graph are constants for vmap and grad."""
    w = X.clone().requires_grad_()

    def value(f):
        y = vmap(lambda v: f(w) * v)(ROWS).sum()
        z = grad(lambda v: (f(w) * f(v)).sum())(V).sum()
        return torch.autograd.grad(y + z, w)

    ours, theirs = FUNCTIONS["cumprod"]
    check(value(ours), value(theirs))


@pytest.mark.parametrize("in_dims", [(0, None), (None, 0), (0, 0), (1, -1)])
def test_vmap_of_several_arguments(in_dims):
    a, b = ROWS[:, :3].clone(), ROWS[:, 2:].clone()
    a, b = (t if d is not None else t[0] for t, d in zip((a, b), in_dims, strict=True))

    def f(function, a, b):
        return function(a, b)

    def ours(a, b):
        return ut.linear_recurrence(a, b, initial=b[0], reset=a > 1.6)

    def theirs(a, b):
        h, results = b[0], []
        for i in range(3):
            h = torch.where(a[i] > 1.6, 0, a[i] * h) + b[i]
            results.append(h)
        return torch.stack(results)

    for derive in (lambda g: g, lambda g: grad(lambda *t: g(*t).sum(), (0, 1))):
        found, expected = (
            vmap(derive(functools.partial(f, g)), in_dims)(a, b) for g in (ours, theirs)
        )
        check(found, expected)


def test_opcheck():
    ops, opcheck = torch.ops.upsweep, torch.library.opcheck
    x = torch.ones(2, 3, requires_grad=True)
    w = torch.ones(2, 3, dtype=torch.complex64, requires_grad=True)
    z = torch.ones(2, 3, dtype=torch.bfloat16).mT.requires_grad_()
    start = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    mask = torch.zeros(2, 3, dtype=torch.bool)
    for op in ("prod", "max", "logaddexp"):
        opcheck(ops.scan, (x, op, 1, False, True, None, None))
    opcheck(ops.scan, (z, "sum", 0, True, False, start, mask.mT))
    opcheck(ops.linear_recurrence, (x, x, 1, False, True, None, mask))
    for derivative in (ops.cumprod_vjp, ops.cumprod_jvp):
        opcheck(derivative, (w, w, 1, True, False, None))
        opcheck(derivative, (w, w, 1, False, True, torch.rand(w.shape) < 0.3))


def test_operators_check_their_arguments():
    """Each for itself, and as vmap and fake tensors call them."""
    ops = torch.ops.upsweep
    x, row, mask = torch.ones(2, 3), torch.ones(3), torch.zeros(3, dtype=torch.bool)
    cases = [
        (IndexError, "[scan] dim is -1", ops.scan,
         (x, "sum", -1, False, True, None, None)),
        (IndexError, "[scan] dim is 2", ops.scan,
         (x, "sum", 2, False, True, None, None)),
        (IndexError, "[scan] dim is 0", ops.scan,
         (x.sum(), "sum", 0, False, True, None, None)),
        (ValueError, "[scan] initial", ops.scan,
         (x, "sum", 1, False, True, row, None)),
        (ValueError, "[scan] reset", ops.scan,
         (x, "sum", 1, False, True, None, mask)),
        (ValueError, "[linear_recurrence] b", ops.linear_recurrence,
         (x, row, 1, False, True, None, None)),
        (IndexError, "[cumprod_vjp] dim", ops.cumprod_vjp,
         (x, x, -1, False, True, None)),
        (ValueError, "[cumprod_jvp] tangent", ops.cumprod_jvp,
         (x, row, 1, False, True, None)),
        (ValueError, "[cumprod_jvp] reset", ops.cumprod_jvp,
         (x, x, 1, False, True, mask)),
    ]  # fmt: skip
    for error, text, op, args in cases:
        tensors = [arg for arg in args if isinstance(arg, torch.Tensor)]

        def call(*given, op=op, args=args):
            given = iter(given)
            return op(*(next(given) if torch.is_tensor(a) else a for a in args))

        for run in (
            call,
            lambda *given: vmap(call)(*(t.expand(4, *t.shape) for t in given)),
            lambda *given: call(*(t.to("meta") for t in given)),
        ):
            with pytest.raises(error, match=re.escape(text)):
                run(*tensors)


class Module(torch.nn.Module):
    def forward(self, x):
        return ut.cumprod(x, -1) + ut.linear_recurrence(x, 1.0)


def test_export_of_coefficients_whose_extent_depends_on_data():
    class Model(torch.nn.Module):
        def forward(self, b, mask):
            return ut.linear_recurrence(torch.ones(1), b[mask], 0)

    b, mask = torch.arange(4.0), torch.tensor([True, True, False, True])
    program = torch.export.export(Model(), (b, mask), strict=False)
    others = torch.tensor([False, True, True, True])
    assert torch.equal(program.module()(b, others), torch.tensor([1.0, 3.0, 6.0]))


@pytest.mark.parametrize("strict", [False, True])
def test_export(strict):
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    rows = torch.export.Dim("rows", min=2)
    program = torch.export.export(
        Module(), (x,), dynamic_shapes={"x": {0: rows}}, strict=strict
    )
    targets = [str(node.target) for node in program.graph.nodes]
    assert "upsweep.scan.default" in targets
    assert "upsweep.linear_recurrence.default" in targets
    y = torch.cat((x, x + 1))
    assert torch.equal(program.module()(y), Module()(y))


def test_checkpoints_and_changes_in_place():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = torch.utils.checkpoint.checkpoint(
        lambda x: ut.cumprod(x, 0).sum(), x, use_reentrant=False
    )
    y.backward()
    assert x.grad.tolist() == [9, 4, 2]
    z = x * 1
    y = ut.cumprod(z, 0)
    with torch.no_grad():
        z.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
