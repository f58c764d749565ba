"""Runs compared: paired where patches are the same, side by side where not, regressions by exit status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from tsva.cli.compare import REGRESSED, command
from tsva.errors import UserError
from tsva.settings.acquisition import PairsSettings
from tsva.stage_files import write_table

PAIRS = PairsSettings()
SLIDES, PATCHES = 6, 2


def run(
    folder: Path, change_db: float = 0.0, *, seed: int = 1, reverse: bool = False, methods: Sequence[str] = ("tsva",)
) -> Path:
    """A run whose methods gain 2 dB and `change_db` over doing nothing; `seed` draws the slides."""
    results, rng = folder / "results", np.random.default_rng(seed)
    places = [(f"S{slide}", f"f{patch}") for slide in range(SLIDES) for patch in range(PATCHES)]
    nothing = {place: rng.normal(30, 2, len(PAIRS.offsets_um)) for place in places}
    luck = {place: rng.normal(0, 0.02, len(PAIRS.offsets_um)) for place in places}
    if reverse:
        places = places[::-1]
    table = pd.DataFrame(places, columns=["slide", "field"]).assign(row=0, column=0)
    (results / "pairs").mkdir(parents=True)
    write_table(results / "pairs/dataset1.tsv", table)
    for method in ("y1", *methods):
        gain = 0.0 if method == "y1" else 2.0 + change_db
        rows = [
            {
                "patch": patch,
                "slide": place[0],
                "sample": "A",
                "focal_offset_um": offset,
                "protocol": "grid",
                "draw": None,
                "target": "captured",
                "psnr_db": nothing[place][column] + gain + (luck[place][column] if gain != 0 else 0),
                "ssim": 0.9,
            }
            for patch, place in enumerate(places)
            for column, offset in enumerate(PAIRS.offsets_um)
        ]
        (results / "refocus/dataset1" / method).mkdir(parents=True)
        write_table(results / "refocus/dataset1" / method / "scores.tsv", pd.DataFrame(rows))
    (results / "evaluate/report").mkdir(parents=True)
    settings = {"settings": {"pairs": PAIRS.model_dump(mode="json")}}
    (results / "evaluate/report/summary.json").write_text(json.dumps(settings))
    return folder


def compare(*words: Any) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_equal_runs_differ_by_nothing_in_any_order_of_their_patches(tmp_path: Path) -> None:
    found = compare(run(tmp_path / "a"), run(tmp_path / "b", reverse=True), "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    (row,) = json.loads((tmp_path / "out/comparison.json").read_text())["rows"]
    assert row["patches"] == SLIDES * PATCHES
    assert [row["difference_db"], row["low_db"], row["high_db"]] == pytest.approx([0, 0, 0], abs=1e-9)
    assert row["gain_before_db"] == row["gain_after_db"] == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize(
    ("change_db", "status", "state"), [(-0.3, REGRESSED, "worse"), (0.3, 0, "better"), (-0.03, 0, "worse")]
)
def test_a_loss_clear_of_zero_and_of_the_tolerance_is_a_regression(
    tmp_path: Path, change_db: float, status: int, state: str
) -> None:
    found = compare(run(tmp_path / "a"), run(tmp_path / "b", change_db), "--out", tmp_path / "out")
    assert found.exit_code == status
    assert ("REGRESSION" in found.output) == (status == REGRESSED)
    (row,) = json.loads((tmp_path / "out/comparison.json").read_text())["rows"]
    assert row["state"] == state
    assert row["difference_db"] == pytest.approx(change_db, abs=1e-9)
    assert [size["difference_db"] for size in row["by_size"]] == pytest.approx([change_db] * 7, abs=1e-9)
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert ("▼ regression" in page) == (status == REGRESSED)
    assert {path.name for path in (tmp_path / "out/figures").iterdir()} == {
        f"run-differences.{kind}" for kind in ("svg", "pdf", "csv")
    }
    assert compare(tmp_path / "a", tmp_path / "b/results", "--exit-zero").exit_code == 0


def test_other_patches_stand_side_by_side(tmp_path: Path) -> None:
    found = compare(run(tmp_path / "a"), run(tmp_path / "b", -1.0, seed=2), "--out", tmp_path / "out")
    assert found.exit_code == 0 and "side by side" in found.output
    (row,) = json.loads((tmp_path / "out/comparison.json").read_text())["rows"]
    assert row["patches"] == 0 and row["difference_db"] is None
    assert row["gain_before_db"] - row["gain_after_db"] == pytest.approx(1, abs=0.05)


def test_a_method_that_a_run_lacks_is_reported(tmp_path: Path) -> None:
    found = compare(run(tmp_path / "a", methods=("tsva", "unet")), run(tmp_path / "b"))
    assert found.exit_code == 0 and "b lacks U-Net on dataset1" in found.output


@pytest.mark.parametrize(
    ("names", "word"), [(("a",), "two or more"), (("a", "none"), "no such folder"), (("a", "."), "evaluate")]
)
def test_a_mistake_is_one_clear_error(tmp_path: Path, names: tuple[str, ...], word: str) -> None:
    run(tmp_path / "a")
    with pytest.raises(UserError, match=word):
        CliRunner().invoke(command, [str(tmp_path / name) for name in names], catch_exceptions=False)
