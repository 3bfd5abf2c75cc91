"""Subnormal numbers after another library has set the processor to flush them: upsweep
neither computes nor exports without them."""

import pytest
from support import cpu_only, run_python

pytestmark = [cpu_only, pytest.mark.own_isa]
pytest.importorskip("torch", reason="PyTorch, which can flush them, is not installed")

CASES = {
    "item and tolist": """
for dtype, tiny in tinies.items():
    a = array(tiny, dtype)
    found = a.item(), a.tolist(), upsweep.array([[tiny]], dtype).tolist()[0][0]
    check(lambda: all(same(x, tiny) for x in found), dtype, found)
""",
    "bool as astype(bool_)": """
for dtype, tiny in tinies.items():
    a = array(tiny, dtype)
    found = bool(a), a.astype(upsweep.bool_).item(), bool(a == 0)
    check(lambda: found == (True, True, False), dtype, found)
z = upsweep.array(0.0)
found = bool(z), bool(upsweep.array(-0.0)), bool(upsweep.array(float("nan")))
check(lambda: found == (False, False, True), found)
""",
    "text": """
found = repr(array(5e-324, upsweep.float64)), repr(array(1e-40, upsweep.float32))
check(lambda: "(5e-324," in found[0] and "(1e-40," in found[1], found)
""",
    "complex numbers": """
z = upsweep.array([1e-40 - 2e-40j])
found = z.item(), z.tolist()[0], complex(z), bool(z)
check(lambda: all(x.real > 0 > x.imag for x in found[:3]) and found[3], found)
""",
    "lists with arrays in them": """
a = upsweep.array([array(1e-40, upsweep.float32), 1.0])
b = upsweep.array([array(5e-324, upsweep.float64), 1.0], upsweep.float64)
found = a.tolist()[0], b.tolist()[0]
check(lambda: same(found[0], 1e-40, 1e-3) and found[1] == 5e-324, found)
""",
    "ranges": """
a = upsweep.arange(0.0, 50e-324, 5e-324, upsweep.float64)
found = a.size, a[-1].item()
check(lambda: found[0] == 10 and same(found[1], 45e-324, 0.1), found)
""",
    "conversions and scans": """
a = array(1e-40, upsweep.float32)
found = (a.astype(upsweep.float64).item(),
         upsweep.cumsum(upsweep.array([1e-40] * 3))[-1].item(),
         upsweep.cumprod(upsweep.array([1e-20, 1e-20, 1.0]))[-1].item())
check(lambda: same(found[0], 1e-40, 1e-3) and same(found[1], 3e-40, 1e-3)
      and same(found[2], 1e-40, 1e-3), found)
""",
}

SETUP = """
import torch, upsweep
def array(value, dtype):
    torch.set_flush_denormal(False)
    a = upsweep.array(value, dtype)
    torch.set_flush_denormal(True)
    return a
tinies = {upsweep.float16: 6e-8, upsweep.bfloat16: 1e-40, upsweep.float32: 1e-45,
          upsweep.float64: 5e-324}
def same(x, y, tolerance=0.5):
    return abs(x - y) <= tolerance * y
def check(holds, *found):
    torch.set_flush_denormal(False)  # to judge by
    assert holds(), found
    torch.set_flush_denormal(True)
assert torch.set_flush_denormal(True), "this processor cannot"
"""


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_lost(case):
    run_python("-W", "ignore", "-c", SETUP + CASES[case])
