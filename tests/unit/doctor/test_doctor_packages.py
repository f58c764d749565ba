"""Versions, libraries and the command that rules call."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tsva.pipeline.doctor.packages import (
    LETTERS,
    check_command,
    check_fonts,
    check_openslide,
    check_packages,
    check_python,
    installed,
    lacking_letters,
    openslide_version,
    required,
)


def test_python() -> None:
    assert check_python((3, 10, 12), "/usr/bin/python3").level == "bad"
    assert check_python((3, 11, 0), "/usr/bin/python3").level == "ok"
    assert check_python((3, 14, 1), "/usr/bin/python3").level == "ok"


NEEDS = [Requirement("torch==2.13.0"), Requirement("numpy>=2.0")]


def test_packages() -> None:
    (fine,) = check_packages(NEEDS, {"torch": "2.13.0+cpu", "numpy": "2.4.6"})
    assert (fine.level, fine.what) == ("ok", "torch 2.13.0+cpu, numpy 2.4.6")
    (old,) = check_packages(NEEDS, {"torch": "2.12.1", "numpy": "2.4.6"})
    assert (old.level, old.what) == ("bad", "torch 2.12.1, wanted ==2.13.0")
    (missing,) = check_packages(NEEDS, {"torch": "2.13.0"})
    assert (missing.level, missing.what) == ("bad", "numpy is missing")
    assert "bash envs/setup.sh" in missing.do


def test_this_environment_is_well() -> None:
    """What the project's own metadata asks for is installed where its tests run."""
    needs = required()
    assert {"torch", "snakemake", "tifffile"} <= {need.name for need in needs}
    assert "pytest" not in {need.name for need in needs}
    assert [finding.level for finding in check_packages(needs, installed([need.name for need in needs]))] == ["ok"]


def test_the_command_that_rules_call(tmp_path: Path) -> None:
    executable = str(tmp_path / "venv/bin/python")
    absent = check_command(None, executable)
    assert (absent.level, f"Put {tmp_path / 'venv/bin'} first on PATH" in absent.do) == ("bad", True)
    assert check_command("/usr/local/bin/tsva", executable).level == "note"
    assert check_command(str(tmp_path / "venv/bin/tsva"), executable).level == "ok"


def test_openslide() -> None:
    def lacking() -> str:
        raise ModuleNotFoundError("Couldn't locate OpenSlide shared library.")

    assert check_openslide(openslide_version).level == "ok"
    found = check_openslide(lacking)
    assert (found.level, "pip install openslide-bin" in found.do) == ("bad", True)


def test_fonts() -> None:
    assert lacking_letters() == "", f"the font of figures has {LETTERS}"
    assert [finding.level for finding in check_fonts("", True)] == ["ok"]
    assert [finding.level for finding in check_fonts("Δ", True)] == ["note"]
    assert [finding.level for finding in check_fonts(None, False)] == ["note", "note"]


@pytest.mark.parametrize("name", ["no-such-package-anywhere"])
def test_absent_packages_have_no_version(name: str) -> None:
    assert installed([name, "pytest"]) == {"pytest": pytest.__version__}
    assert sys.version_info >= (3, 11)
