"""Files that a release and the hosting service read agree with the package."""

import re
from pathlib import Path

import pytest
import upsweep

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [
    pytest.mark.own_isa,
    pytest.mark.skipif(
        not (ROOT / "CITATION.cff").exists(), reason="the sources are not here"
    ),
]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_citation_has_the_version_and_the_licence():
    citation = read("CITATION.cff")
    assert f"\nversion: {upsweep.__version__}\n" in citation
    assert re.search(r'^license = "MIT"$', read("pyproject.toml"), re.MULTILINE)
    assert "\nlicense: MIT\n" in citation


def test_the_changes_begin_with_the_version():
    (newest, *_) = re.findall(r"^## (\S+?),? ", read("CHANGELOG.md"), re.MULTILINE)
    assert newest == upsweep.__version__


def test_the_linux_workflow_runs_what_a_change_has_to_pass():
    steps = re.findall(
        r"^ +run: (\S.*)$", read(".github/workflows/linux.yml"), re.MULTILINE
    )
    assert ".ci/run" in steps


def test_the_checklist_names_commands_that_exist():
    for command in re.findall(r"`(\.ci/\w+)", read("RELEASING.md")):
        assert (ROOT / command).exists(), command
