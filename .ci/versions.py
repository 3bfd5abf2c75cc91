"""Fails where .pre-commit-config.yaml and .ci/requirements.txt disagree on the
version of a formatter."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
PIN = re.compile(r"\b([a-z-]+)==([0-9.]+)")


def main():
    wanted = dict(PIN.findall((HERE / "requirements.txt").read_text()))
    hooks = (HERE.parent / ".pre-commit-config.yaml").read_text()
    found = set(PIN.findall(hooks))
    wrong = [f"{name}=={v}" for name, v in found if wanted.get(name) != v]
    missing = {"clang-format", "ruff"} - {name for name, _ in found}
    if wrong or missing:
        sys.exit(f".pre-commit-config.yaml: wrong {wrong}, missing {sorted(missing)}")


if __name__ == "__main__":
    main()
