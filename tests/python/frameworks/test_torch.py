"""upsweep.torch: results, dtypes, strides, options and errors; what must not bypass
PyTorch's dispatcher; tensors of other kinds."""

import doctest
import itertools

import numpy as np
import oracle
import pytest
import upsweep
from oracle.options import check_scan
from support import DTYPES, SCANS, numpy_dtype, result_dtype, run_python
from values import make

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import upsweep.torch as ut  # noqa: E402
