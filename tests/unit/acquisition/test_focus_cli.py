"""tsva focus from stacks to tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter
from settings_file import settings_option

from tsva.acquisition.stack import Stack
from tsva.cli.focus import command
from tsva.errors import UserError
from tsva.readers.stack_file import write_stack
from tsva.stage_files import read_table, write_table

Z = np.arange(-6, 7) * 0.5


@pytest.fixture
def ingest(tmp_path: Path) -> Path:
    """Three fields in focus at 0.5, 1.5 and 0 µm, a blank one, and one that ingest left out."""
    folder = tmp_path / "ingest/S"
    (folder / "stacks").mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows = []
    for name, focus_um in {"001": 0.5, "002": 1.5, "003": 0.0, "004": None}.items():
        texture = gaussian_filter(rng.normal(0, 1, (64, 64)), 1.5)
        field = 180 + 30 * texture / texture.std() if focus_um is not None else np.full((64, 64), 200.0)
        planes = [
            gaussian_filter(field, 1.2 * abs(z - (focus_um or 0)))[..., None] + rng.normal(0, 1.5, (64, 64, 3))
            for z in Z
        ]
        write_stack(
            folder / f"stacks/{name}.ome.tif", Stack(np.clip(np.rint(planes), 0, 255).astype(np.uint8), Z, 0.345)
        )
        rows.append({"slide": "S", "field": name, "file": f"stacks/{name}.ome.tif", "reason": "", "mosaic_px": None})
    rows.append({"slide": "S", "field": "005", "file": "", "reason": "blank: empty glass", "mosaic_px": None})
    write_table(folder / "fields.tsv", pd.DataFrame(rows))
    return folder


def _run(ingest: Path, **pairs: float) -> Path:
    out = ingest.parents[1] / "focus/S"
    arguments = [*settings_option(pairs={"patch_px": 32, **pairs}), "--ingest", str(ingest), "--out", str(out)]
    result = CliRunner().invoke(command, arguments)
    if result.exception is not None:
        raise result.exception
    return out


def test_tables_say_what_was_found(ingest: Path) -> None:
    out = _run(ingest, offset_sd_um=0.7)
    fields = read_table(out / "fields.tsv")
    assert fields.columns.tolist() == [
        "slide",
        "field",
        "verdict",
        "reason",
        "focus_plane",
        "focus_z_um",
        "peak_ratio",
        "tissue_fraction",
        "focal_offset_um",
        "max_shift_px",
        "max_edge_shift_px",
    ]
    assert fields["field"].tolist() == ["001", "002", "003", "004"]
    assert fields["verdict"].tolist() == ["ok", "ok", "ok", "blank"]
    assert fields["focus_z_um"].tolist()[:3] == [0.5, 1.5, 0.0]
    assert fields["focal_offset_um"].fillna(99).tolist() == [99, 1.0, -0.5, 99]
    planes = read_table(out / "planes.tsv")
    assert planes.columns.tolist() == [
        "field",
        "plane",
        "z_um",
        "brightness",
        "brenner",
        "shift_y_px",
        "shift_x_px",
        "scale",
        "scale_trend",
    ]
    assert planes["field"].tolist() == [name for name in ("001", "002", "003", "004") for _ in Z]
    patches = read_table(out / "patches.tsv")
    assert patches.columns.tolist() == [
        "field",
        "row",
        "column",
        "y_px",
        "x_px",
        "verdict",
        "reason",
        "focus_plane",
        "focus_z_um",
        "peak_ratio",
        "tissue_fraction",
    ]
    assert len(patches) == 4 * 4
    assert (patches.loc[patches["field"] == "004", "verdict"] == "blank").all()


def test_the_summary_holds_f_and_the_scatter(ingest: Path) -> None:
    summary = json.loads((_run(ingest, offset_sd_um=0.7) / "summary.json").read_text())
    assert summary == {
        "initial_focal_position_um": 0.5,
        "fields": 4,
        "usable": 3,
        "focal_offsets": 2,
        "focal_offset_mean_um": 0.25,
        "focal_offset_sd_um": pytest.approx(1.5 / np.sqrt(2)),
        "assumed_sd_um": 0.7,
    }


def test_a_slide_without_focus_is_reported_and_no_error(ingest: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = read_table(ingest / "fields.tsv")
    write_table(ingest / "fields.tsv", table[table["field"] >= "004"])
    out = _run(ingest)
    assert json.loads((out / "summary.json").read_text())["initial_focal_position_um"] is None
    assert "field 004: blank" in caplog.text


def test_patches_that_were_cut_before_have_to_fit(ingest: Path) -> None:
    write_table(ingest / "fields.tsv", read_table(ingest / "fields.tsv").assign(mosaic_px=48))
    with pytest.raises(
        UserError, match=r"field 001: got patches of 48 pixels, .*wanted a multiple of pairs.patch_px \(32\)"
    ):
        _run(ingest)


@pytest.mark.parametrize("drift_px", [0, 2])
def test_planes_beside_each_other_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, drift_px: int
) -> None:
    """A stage that drifts by so much a plane: shots and ground truth would show different places."""
    rng = np.random.default_rng(1)
    texture = gaussian_filter(rng.normal(0, 1, (256, 256)), 1.5, mode="wrap")
    field = 180 + 30 * texture / texture.std()
    planes = [np.roll(gaussian_filter(field, 0.8 * abs(i - 6)), drift_px * (i - 6), axis=0) for i in range(13)]
    noisy = np.stack(planes)[..., None] + rng.normal(0, 1, (13, 256, 256, 1))
    (tmp_path / "ingest/S/stacks").mkdir(parents=True)
    stack = Stack(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), Z, 0.345)
    write_stack(tmp_path / "ingest/S/stacks/1.ome.tif", stack)
    row = {"slide": "S", "field": "1", "file": "stacks/1.ome.tif", "reason": "", "mosaic_px": None}
    write_table(tmp_path / "ingest/S/fields.tsv", pd.DataFrame([row]))
    options = [*settings_option(pairs={"patch_px": 64}), "--ingest", str(tmp_path / "ingest/S")]
    result = CliRunner().invoke(command, [*options, "--out", str(tmp_path / "focus/S")])
    assert result.exception is None, result.exception
    assert ("the stage drifts" in caplog.text) == bool(drift_px)
