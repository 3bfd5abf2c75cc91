"""Which wheel the tests inspect."""

from pathlib import Path


def pytest_addoption(parser):
    parser.addoption(
        "--wheel",
        type=Path,
        required=True,
        help="the folder to which build_macos_wheel.py wrote the wheel",
    )
