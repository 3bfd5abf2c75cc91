"""What type checkers accept and refuse; they complain of a needless type: ignore."""

from array import array as c_array

import numpy as np
import upsweep

a = upsweep.array([1.0, 2.0], dtype="float64")
x = np.ones((2, 3), np.float32)

accepted = [
    upsweep.cumprod([1, 2]),
    upsweep.cumprod(x, axis=1),
    upsweep.cumsum(c_array("f", [1, 2])),
    upsweep.cummax(a, stream=upsweep.cpu),
    a.cumprod(stream=upsweep.Device(upsweep.cpu)),
    upsweep.scan(x, "prod", dtype=np.float64),
    upsweep.zeros(3, np.dtype("int8")),
    upsweep.ones((2, 3), bool),
    a.astype(upsweep.float32),
    upsweep.reshape([1, 2, 3, 4], (2, 2)),
    upsweep.linear_recurrence([0.5], x),
    upsweep.cumprod_vjp(x, x, 1),
]
numbers: list[float] = [a[0].item(), float(a[1]), a.tolist()[0]]
where: upsweep.Device = a.device

refused = [
    a + 1,  # type: ignore[operator]
    1 - a,  # type: ignore[operator]
    a < 2,  # type: ignore[operator]
    upsweep.cumprod(a, dim=0),  # type: ignore[call-arg]
    upsweep.cumprod(a, axis="x"),  # type: ignore[arg-type]
    upsweep.cumprod(a, stream="cpu"),  # type: ignore[arg-type]
    a.astype(3),  # type: ignore[arg-type]
]
