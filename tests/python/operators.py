"""The operators, from the table in operators.h."""

import re
from pathlib import Path

TABLE = Path(__file__).parents[2] / "cpp/include/upsweep/operators.h"
# The names of the scans and their operators, in the order of the table.
OPERATORS = {
    scan: op
    for op, scan in re.findall(
        r"(?m)^  OPERATOR\((\w+), (\w+), \w+\)", TABLE.read_text()
    )
}
assert OPERATORS
