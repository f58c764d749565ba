"""The command that maps a slide's focus."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from test_survey import DELTA_UM, OPTICS, shots

from tsva.cli.slide_planes import focus_map
from tsva.errors import UserError


def written(folder: Path, offset_um: float) -> list[str]:
    names = []
    for option, image in zip(("low", "high"), shots(offset_um), strict=True):
        file = folder / f"{option}.tif"
        tifffile.imwrite(file, image, photometric="rgb", tile=(256, 256))
        names += [f"--{option}", str(file)]
    return [*names, "--pixel-um", str(OPTICS.pixel_um), "--out", str(folder / "map")]


def test_a_slide_is_mapped_without_a_network(tmp_path):
    result = CliRunner().invoke(focus_map, [*written(tmp_path, -1.0), "--delta-um", str(DELTA_UM)])
    assert result.exception is None, result.exception
    summary = json.loads((tmp_path / "map/summary.json").read_text())
    assert summary["focal_offset_um"]["q50"] == pytest.approx(-1.0, abs=0.25)
    found = tifffile.imread(tmp_path / "map/focus_map.ome.tif")
    assert np.nanmedian(found[0]) == pytest.approx(-1.0, abs=0.25)
    names = {path.name for path in (tmp_path / "map").iterdir()}
    assert names == {
        "summary.json",
        "verdicts.tsv",
        "focus_map.ome.tif",
        "focus_map.png",
        "trust.png",
        "regions.geojson",
        "cells.geojson",
        "survey.npz",
    }


def test_planes_whose_distance_nobody_says_are_refused_with_nothing_written(tmp_path):
    result = CliRunner().invoke(focus_map, written(tmp_path, 0.5))
    assert isinstance(result.exception, UserError)
    assert not (tmp_path / "map").exists()
