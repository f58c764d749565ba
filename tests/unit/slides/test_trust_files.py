"""What is written of a slide's focus and trust: areas add up, polygons hold the cells, files are read back."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from matplotlib.path import Path as MplPath
from PIL import Image
from test_survey_file import made_up

from tsva.slides.grid import CELL_PX
from tsva.slides.trust import Verdict
from tsva.slides.trust_files import outlines, phrase, write


@pytest.mark.parametrize("seed", range(5))
def test_polygons_cover_the_cells_and_nothing_else(seed):
    mask = np.random.default_rng(seed).random((6, 7)) < 0.6
    height, width = 6 * CELL_PX - 10, 7 * CELL_PX
    area, inside = 0.0, np.zeros(42, bool)
    middles = np.stack(np.meshgrid(np.arange(7) + 0.5, np.arange(6) + 0.5), axis=-1).reshape(-1, 2) * CELL_PX
    for polygon in outlines(mask, height, width):
        for number, ring in enumerate(polygon):
            assert ring[0] == ring[-1]
            xs, ys = np.array(ring).T
            area += (-1 if number else 1) * abs(np.sum(xs[:-1] * ys[1:] - xs[1:] * ys[:-1])) / 2
            inside ^= MplPath(ring).contains_points(middles)
    assert area == np.kron(mask, np.ones((CELL_PX, CELL_PX), bool))[:height, :width].sum()
    np.testing.assert_array_equal(inside.reshape(6, 7), mask)


def test_files_tell_what_the_survey_and_the_verdicts_are(tmp_path):
    survey = made_up(4, 3)
    verdict = np.array([[0, 1, 1], [2, 1, 3], [4, 5, 1], [0, 0, 3]], np.uint8)
    values = np.linspace(0.01, 0.02, 12).reshape(4, 3).astype(np.float32)
    summary = write(tmp_path, survey, {"verdict": verdict, "expected_rmse": values}, "A1")
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    by_name = {row["verdict"]: row for row in summary["verdicts"]}
    assert by_name["restored"]["cells"] == 4
    assert sum(row["area_mm2"] for row in summary["verdicts"]) == pytest.approx(
        survey.height * survey.width * (survey.pixel_um / 1000) ** 2
    )
    assert sum(row["share_of_tissue"] or 0 for row in summary["verdicts"]) == pytest.approx(1)
    with tifffile.TiffFile(tmp_path / "focus_map.ome.tif") as tif:
        found = tif.asarray()
        assert tif.is_ome and 'PhysicalSizeX="22.08"' in (tif.ome_metadata or "")
    np.testing.assert_array_equal(found[0], np.where(survey.offset_known, survey.focal_offset_um, np.nan))
    cells = json.loads((tmp_path / "cells.geojson").read_text())["features"]
    assert len(cells) == (verdict != Verdict.GLASS).sum()
    first = cells[0]
    assert first["properties"]["classification"]["name"] == "restored"
    assert first["properties"]["measurements"]["expected error of the restoration"] == pytest.approx(values[0, 1], 1e-4)
    assert first["geometry"]["coordinates"][0][0] == [64, 0]
    regions = json.loads((tmp_path / "regions.geojson").read_text())["features"]
    assert {region["properties"]["classification"]["name"] for region in regions} == {
        name for name, row in by_name.items() if row["cells"] and name != "glass"
    }
    with Image.open(tmp_path / "trust.png") as picture:
        assert picture.size == (24, 32)


def test_a_survey_alone_has_no_restored_cells(tmp_path):
    summary = write(tmp_path, made_up(), {}, "A1")
    assert not summary["restored"]
    assert {row["verdict"]: row["cells"] for row in summary["verdicts"]}["restored"] == 0


def test_shares_are_said_of_the_tissue():
    shares = dict.fromkeys((kind.name.lower() for kind in Verdict), 0.0)
    assert phrase(shares | {"glass": 1.0}) == "glass alone"
    said = phrase(shares | {"glass": 0.2, "restored": 0.6, "copied_good": 0.2})
    assert said == "restored 75%, copied as good 25% of the tissue; glass 20% of the slide"
