"""What need not be judged, restored or computed is not, and what is left out changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_slides import SHAPE, Checkered, Still

from tsva.slides.blending import blended
from tsva.slides.cell_spectra import in_bands, transforms
from tsva.slides.engine import SlideEngine
from tsva.slides.grid import CELL_PX, CellGrid, per_pixel, units
from tsva.slides.plane_shift import _inverse
from tsva.slides.shares import KnownShares, Shares
from tsva.slides.tile_restorers import SharperRestorer, weight_of_high


class FirstShot:
    """A runtime that gives Y1 back, or a restorer that gives the low shot; both remember what they were given."""

    runtime, name, core_px, halo_px, multiple = "first shot", "first shot", 512, 32, 8

    def __init__(self):
        self.boxes, self.pixels = [], 0

    def __call__(self, first, _second, y=None, x=None):
        if y is None:
            self.pixels += first.shape[-2] * first.shape[-1]
            return first, None
        self.boxes.append((y, x, *first.shape[:2]))
        return first / np.float32(255), None


def test_a_unit_leaves_out_what_earlier_ones_have_judged():
    grid, known, boxes = CellGrid(*SHAPE), KnownShares(CellGrid(*SHAPE), in_order=True), []
    for unit in units(SHAPE, 256, halo_px=0, multiple=8, align_px=0):
        box = known.to_judge(unit)
        rows, columns = grid.touched(box.y, box.x, box.height, box.width)
        shape = rows.stop - rows.start, columns.stop - columns.start
        known.add(unit, Shares(rows.start, columns.start, np.full(shape, 10 * unit.row + unit.column, np.float32)))
        boxes.append(box)
        window = known.window(unit)
        assert np.isfinite(window).all()
        assert (window[1:-1, 1:-1] == 10 * unit.row + unit.column).all()
        if unit.row and unit.column:
            # its own judgement of the cell above counts, not that of the unit before
            assert window[0, 1] == 10 * (unit.row - 1) + unit.column
            assert (box.y, box.x) == (unit.core.y, unit.core.x)
    assert _area(boxes) < 0.85 * _area(unit.judged for unit in units(SHAPE, 256, halo_px=0, multiple=8, align_px=0))


def _area(boxes):
    return sum(box.height * box.width for box in boxes)


def test_only_the_box_about_tissue_is_restored(slide):
    planes, survey = slide  # four columns of cells by three rows are glass
    restorer = FirstShot()
    engine = SlideEngine(planes, survey, restorer, Still(), Checkered(survey), 256)
    done = {(unit.row, unit.column): engine.restored(*engine.read(unit)) for unit in engine.units}
    assert len(restorer.boxes) == len(done)
    # to the right of the first unit the glass ends where its core does, and below two rows are judged with it
    assert restorer.boxes[0] == (0, 0, 5 * CELL_PX + 32, 5 * CELL_PX + 32)
    # the unit below it was judged above, where the glass is, with the first one
    below = restorer.boxes[list(done).index((1, 0))]
    assert below[0] == 4 * CELL_PX - 32
    assert (done[0, 0].pixels[: 3 * CELL_PX] == planes.read(0, 0, 3 * CELL_PX, 256)[1]).all()


def test_each_order_is_computed_about_its_own_pixels(slide):
    planes, survey = slide
    across = np.linspace(-1, 1, survey.glass.shape[1], dtype=np.float32)
    survey = replace(survey, sharpness_high=np.exp(across) * survey.sharpness_low)
    runtime = FirstShot()
    low, high = planes.read(0, 0, *SHAPE)
    image, _ = SharperRestorer(FirstShot(), runtime, survey)(low, high, 0, 0)
    weight = per_pixel(weight_of_high(survey), 0, 0, *SHAPE)[..., None]
    assert weight.min() == 0
    assert weight.max() == 1
    np.testing.assert_allclose(255 * image, low + weight * (high.astype(float) - low), atol=1e-3)
    assert runtime.pixels < 1.5 * SHAPE[0] * SHAPE[1]


def test_the_blend_is_that_of_weighted_means():
    random = np.random.default_rng(0)
    low, high = random.integers(0, 256, (2, 70, 50, 3)).astype(np.uint8)
    restored, share, weight = random.random((70, 50, 3)), random.random((70, 50)), random.random((70, 50))
    share[:40], weight[35:] = 0, 0
    pixels, before = blended(low, high, restored.astype(np.float32), share.astype("f4"), weight.astype("f4"))
    copy = low + share[..., None] * (high.astype(float) - low)
    assert np.abs(before - copy).max() <= 0.5 + 1e-3
    assert np.abs(pixels - (copy + weight[..., None] * (255 * restored - copy))).max() <= 0.5 + 1e-3
    assert np.array_equal(pixels[35:], before[35:])


def test_spectra_know_nothing_of_a_cells_mean():
    cells = torch.from_numpy(np.random.default_rng(1).normal(0, 3, (2, 1, CELL_PX, CELL_PX)).astype(np.float32))
    one, two = transforms(cells), transforms(cells + 200)
    np.testing.assert_allclose(in_bands(two, two), in_bands(one, one), rtol=1e-3)
    # white noise of variance v has power v
    assert in_bands(one, one).mean() == pytest.approx(9, rel=0.15)


def test_small_inverses_and_what_has_none():
    matrix = np.array([[5.0, 2.0], [2.0, 3.0]])
    np.testing.assert_allclose(_inverse(matrix), np.linalg.inv(matrix))
    assert _inverse(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-6]])) is None
    assert _inverse(np.zeros((2, 2))) is None
