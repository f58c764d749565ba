"""The Gaussian offset on the grid of planes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsva.acquisition.draws import bin_weights, draw_offset_um
from tsva.settings.acquisition import PairsSettings

PAPER = PairsSettings()
# Table III of the paper: PSNR (dB) at -3 ... 3 µm, and the average that it prints.
TABLE_3 = {
    "Dataset1, U-net": ("27.96 33.46 38.28 37.42 38.86 41.61 39.44 41.88 38.74 36.05 36.11 32.28 34.88", 39.44),
    "Dataset1, TSVA": ("30.11 33.58 38.60 38.34 39.82 47.99 39.61 48.71 39.93 37.58 36.35 33.58 36.12", 42.25),
    "Dataset2, U-net": ("33.22 34.82 36.27 37.76 38.61 41.28 38.80 40.44 37.71 36.15 35.31 33.49 33.00", 38.83),
    "Dataset2, TSVA": ("34.87 35.61 37.20 38.65 39.78 48.39 39.55 48.55 39.77 38.26 36.61 35.23 33.89", 42.32),
}
COMPUTED = {"Dataset1, U-net": 39.45, "Dataset1, TSVA": 42.25, "Dataset2, U-net": 38.84, "Dataset2, TSVA": 42.33}


@pytest.mark.parametrize("row", TABLE_3)
def test_weights_give_the_paper_s_averages(row):
    psnr_db, printed = TABLE_3[row]
    average = float(bin_weights(PAPER.offsets_um, 1.0, 0.5) @ np.array(psnr_db.split(), dtype=float))
    assert round(average, 2) == COMPUTED[row]
    # Entries and average are rounded to 0.01 dB: half of it each, plus a third half for the paper's own weights.
    assert average == pytest.approx(printed, abs=0.015)


@given(st.floats(0.2, 5), st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_weights_are_the_gaussian_s_areas(sd_um, step_um):
    focal_offset_um = np.arange(-8, 9) * step_um
    areas = [
        0.5 * (math.erf((n + step_um / 2) / sd_um / math.sqrt(2)) - math.erf((n - step_um / 2) / sd_um / math.sqrt(2)))
        for n in focal_offset_um
    ]
    weights = bin_weights(focal_offset_um, sd_um, step_um)
    assert weights == pytest.approx(np.array(areas) / sum(areas), rel=1e-9, abs=1e-14)
    assert np.array_equal(weights, weights[::-1])
    assert weights.sum() == pytest.approx(1, rel=1e-12)


def test_far_bins_keep_their_digits():
    # Φ(-9.75) - Φ(-10.25), and its mirror image, where 1 - Φ would be 0 in double precision.
    weights = bin_weights([-10.0, 10.0], 1.0, 0.5)
    assert weights == pytest.approx([0.5, 0.5], rel=1e-12)


def test_no_offsets_have_no_weights():
    assert bin_weights([], 1.0, 0.5).shape == (0,)


@pytest.mark.parametrize(("sd_um", "step_um"), [(0, 0.5), (1, 0), (-1, 0.5), (math.nan, 0.5)])
def test_widths_of_nothing_are_refused(sd_um, step_um):
    with pytest.raises(ValueError, match="above 0"):
        bin_weights([0.0], sd_um, step_um)


def test_draws_follow_the_weights():
    draws = 4000
    drawn = np.array([draw_offset_um(3, "slide", "field", index, 0, PAPER) for index in range(draws)])
    counts = np.array([(drawn == n).sum() for n in PAPER.offsets_um])
    expected = draws * bin_weights(PAPER.offsets_um, 1.0, 0.5)
    assert counts.sum() == draws
    # Pearson's statistic with 12 degrees of freedom exceeds 32.9 with a chance of 0.1 %; the seed is fixed.
    assert np.sum((counts - expected) ** 2 / expected) < 32.9


def test_draws_depend_on_the_patch_and_the_seed_alone():
    def drawn(seed, slide):
        return [draw_offset_um(seed, slide, "f", row, column, PAPER) for row in range(4) for column in range(5)]

    assert drawn(1, "a") == drawn(1, "a")
    assert drawn(1, "a") != drawn(1, "b")
    assert drawn(1, "a") != drawn(2, "a")


def test_settings_name_the_grid():
    assert PAPER.offsets_um == (-3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3)
    assert PAPER.strict_offsets_um == (-3, -2.5, -2, -1.5, -1, 0, 1, 1.5, 2, 2.5, 3)
    assert (PAPER.delta_planes, PAPER.reach_planes) == (1, 7)
    wide = PairsSettings(delta_um=0.6, z_step_um=0.3, offset_max_um=0.9)
    assert wide.offsets_um == (-0.9, -0.6, -0.3, 0, 0.3, 0.6, 0.9)
    assert wide.strict_offsets_um == (-0.9, -0.3, 0, 0.3, 0.9)
    assert (wide.delta_planes, wide.reach_planes) == (2, 5)
