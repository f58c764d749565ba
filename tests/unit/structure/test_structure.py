"""Counts of the package keep to their limits, and the script that counts notices where they don't."""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
LIMITS = BENCHMARKS / "structure_limits.toml"


@pytest.fixture(scope="module")
def found(structure: ModuleType) -> dict[str, Any]:
    """All counts of this package."""
    return structure.counts()


def test_limits_hold(structure: ModuleType, found: dict[str, Any]) -> None:
    broken = list(structure.over_limits(found, tomllib.loads(LIMITS.read_text())))
    assert not broken, "\n".join(broken)


def test_every_stage_has_a_limit(found: dict[str, Any]) -> None:
    limits = tomllib.loads(LIMITS.read_text())
    assert {f"behind.{stage}" for stage in found["behind"]} == {name for name in limits if name.startswith("behind.")}
    assert found["behind"].keys() == limits["rooms"].keys()


def test_a_module_that_crept_in_is_named_with_its_way(structure: ModuleType) -> None:
    rooms = tomllib.loads(LIMITS.read_text())["rooms"]
    found = structure.strangers(rooms | {"spectrum": ["acquisition", "atomic"]})
    lines = [line for line in found if line.startswith("rooms.spectrum: ")]
    assert lines
    assert all(line.startswith("rooms.spectrum: tsva.stage_files") for line in lines)
    assert any("tsva.cli.spectrum > tsva.stage_files" in line for line in lines)


def test_counts_are_counts_of_something(found: dict[str, Any]) -> None:
    assert found["modules"] > 50
    assert min(found["behind"].values()) > 1
    for seen in found["reading"].values():
        assert seen["opened"] >= seen["opened_by_tifffile"] >= 1
        assert seen["xml_parsed"] >= 1
    assert found["import_s"] > 0


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"modules": {"at_most": 1}}, "modules: "),
        ({"median_lines": {"at_least": 1000}}, "median_lines: "),
        ({"behind.train": {"at_most": 1}}, "behind.train: "),
        ({"reading.of_the_user.opened": {"at_most": 0}}, "reading.of_the_user.opened: "),
        ({"modulse": {"at_most": 1}}, "no such count"),
        ({"modules": {"most": 1}}, "no such count or limit"),
    ],
)
def test_a_broken_limit_is_named(
    structure: ModuleType, found: dict[str, Any], limits: dict[str, Any], word: str
) -> None:
    (line,) = structure.over(found, limits)
    assert word in line


def test_the_script_fails_where_a_limit_is_broken(
    structure: ModuleType,
    found: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "limits.toml").write_text("modules = { at_most = 1 }\n")
    monkeypatch.setattr(structure, "counts", lambda: found)
    monkeypatch.setattr(sys, "argv", ["structure.py", "--limits", str(tmp_path / "limits.toml")])
    with pytest.raises(SystemExit) as end:
        structure.main()
    assert end.value.code == 1
    assert "modules: " in capsys.readouterr().err


def test_modules_of_tests_have_different_names() -> None:
    """pytest imports them by their names alone, and stops at the second one of a name."""
    names = Counter(path.name for path in Path(__file__).parents[2].rglob("*.py") if path.name != "conftest.py")
    assert [name for name, times in names.items() if times > 1] == []
