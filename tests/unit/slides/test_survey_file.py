"""The grid of cells, and a survey's file."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from tsva.errors import UserError
from tsva.settings.acquisition import OpticsSettings
from tsva.slides.grid import CELL_PX, CellGrid
from tsva.slides.survey import Survey


def test_cells_cover_a_slide_once():
    grid = CellGrid(200, 130)
    seen = np.zeros((200, 130), int)
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            seen[grid.pixels(row, column)] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize(("y", "height"), [(0, 200), (1, 199), (64, 64), (63, 66), (10, 30), (130, 70)])
def test_cells_within_a_region_are_those_whose_pixels_it_holds(y, height):
    grid = CellGrid(200, 130)
    rows, columns = grid.within(y, 0, height, 130)
    held = [r for r in range(4) if (p := grid.pixels(r, 0)[0]).start >= y and p.stop <= y + height]
    assert list(range(rows.start, rows.stop)) == held
    assert columns == slice(0, 3)
    touched = grid.touched(y, 0, height, 130)[0]
    assert (touched.start, touched.stop) == (y // CELL_PX, (y + height - 1) // CELL_PX + 1)


def made_up(rows: int = 3, columns: int = 2) -> Survey:
    """A survey with other numbers in every array."""
    random = np.random.default_rng(0)

    def cells(*more: int) -> np.ndarray:
        return random.random((rows, columns, *more)).astype(np.float32)

    return Survey(
        height=rows * CELL_PX,
        width=columns * CELL_PX - 5,
        pixel_um=0.345,
        delta_um=0.5,
        optics=OpticsSettings(),
        glass=cells() > 0.5,
        level=cells(3),
        sharpness_low=cells(),
        sharpness_high=cells(),
        focal_offset_um=cells() - 0.5,
        focal_offset_sd_um=cells(),
        offset_known=cells() > 0.2,
        copy_rmse=cells(),
        linear_rmse=cells(),
        shift_px=cells(2),
        misregistered=cells() > 0.9,
        noise=random.random((3, 2)),
        white=random.random(3),
        black=random.random(3),
        brightness=random.random(3),
        scale=1.001,
        thickness_um=2.0,
        spherical_um=0.0,
        delta_scale=1.0,
        delta_scale_sd=0.01,
    )


def test_a_survey_is_read_as_it_was_written(tmp_path):
    survey = made_up()
    survey.save(tmp_path / "survey.npz")
    again = Survey.load(tmp_path / "survey.npz")
    for field in fields(Survey):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(survey, field.name))


def test_a_damaged_survey_is_one_error(tmp_path):
    file = tmp_path / "survey.npz"
    made_up().save(file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(UserError, match="wanted a survey of format 3"):
        Survey.load(file)
    with pytest.raises(UserError):
        Survey.load(tmp_path / "none.npz")


def test_the_shot_to_copy_is_told_by_the_offset_and_else_by_sharpness():
    survey = made_up()
    survey.focal_offset_um[:] = [[0.5, -0.5], [1, 1], [1, -1]]
    survey.offset_known[:] = [[True, True], [False, False], [True, True]]
    survey.sharpness_low[1], survey.sharpness_high[1] = [1, 2], [2, 1]
    np.testing.assert_array_equal(survey.high_is_nearer(), [[0, 1], [1, 0], [0, 1]])
    assert survey.sharpness_log_ratio()[1] == pytest.approx([np.log(2), -np.log(2)])
