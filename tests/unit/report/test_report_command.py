"""The rendering command: from what evaluate found, and from nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tsva.cli.report import command
from tsva.errors import UserError


@pytest.fixture
def evaluation(report: Callable[..., Any], tmp_path: Path) -> Path:
    """A copy of what evaluate found, without the tables that it was found from."""
    return Path(shutil.copytree(report().results / "evaluate" / "report", tmp_path / "evaluation"))


def render(evaluation: Path) -> Path:
    out = evaluation.parent / "report"
    CliRunner().invoke(command, ["--evaluation", str(evaluation), "--out", str(out)], catch_exceptions=False)
    return out


def test_numbers_and_pictures_are_all_that_it_needs(report: Callable[..., Any], evaluation: Path) -> None:
    out = render(evaluation)
    assert (out / "index.html").read_text(encoding="utf-8") == report().page
    assert (out / "inputs.html").read_text(encoding="utf-8") == report().inputs
    assert (out / "summary.json").read_bytes() == (evaluation / "summary.json").read_bytes()


def test_every_picture_is_shown(evaluation: Path) -> None:
    index = (evaluation / "images" / "index.json").read_text(encoding="utf-8")
    files = [path.name for path in (evaluation / "images").iterdir() if path.name != "index.json"]
    assert files and all(f'"{name}"' in index for name in files)


def test_another_version_is_refused(evaluation: Path) -> None:
    summary = json.loads((evaluation / "summary.json").read_text(encoding="utf-8"))
    (evaluation / "summary.json").write_text(json.dumps(summary | {"version": 1}), encoding="utf-8")
    with pytest.raises(UserError, match="version 1"):
        render(evaluation)


@pytest.mark.parametrize("missing", ["summary.json", "images/index.json", "images/dataset1_example_target_0.webp"])
def test_a_missing_part_is_named(evaluation: Path, missing: str) -> None:
    (evaluation / missing).unlink()
    with pytest.raises(UserError, match=missing):
        render(evaluation)
    assert not (evaluation.parent / "report").exists()
