"""The console of the benchmark's commands: where their output goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

CLOSED_PIPE = 128 + 13  # what a shell reports for a command that SIGPIPE ended


def run(main: Callable[[], int | None]) -> NoReturn:
    """Exits with the status of main; quietly if the reader of its output has gone."""
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = CLOSED_PIPE
    sys.exit(status)
