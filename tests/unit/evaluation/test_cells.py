"""Sums over slides and offsets against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tsva.acquisition.draws import bin_weights
from tsva.evaluation.statistics.intervals import Cells

OFFSETS = np.arange(-6, 7) / 2
WEIGHTS = bin_weights(OFFSETS, 1.0, 0.5)
# Table III: the standard deviations that the paper prints beside each mean, and beside the average.
TABLE_3 = {
    "Dataset1, TSVA": (
        "30.11 33.58 38.60 38.34 39.82 47.99 39.61 48.71 39.93 37.58 36.35 33.58 36.12",
        "0 2.74 1.07 1.87 1.11 1.59 1.32 1.64 1.34 2.02 2.38 3.23 0",
        4.90,
    ),
    "Dataset2, U-net": (
        "33.22 34.82 36.27 37.76 38.61 41.28 38.80 40.44 37.71 36.15 35.31 33.49 33.00",
        "0.34 1.74 1.65 1.29 0.99 3.23 0.97 3.68 1.54 1.66 1.90 1.81 1.12",
        2.95,
    ),
}


def one_slide(values: list[list[float]]) -> Cells:
    """Cells of one slide from lists of values a bin."""
    bins = np.repeat(np.arange(len(values)), [len(part) for part in values])
    return Cells.of(
        np.zeros(len(bins), int), bins, np.array([value for part in values for value in part], float), (1, len(values))
    )


@given(st.lists(st.lists(st.floats(-100, 100), max_size=5), min_size=1, max_size=5))
def test_means_and_spreads_are_numpy_s(values):
    cells = one_slide(values)
    for mean, spread, part in zip(cells.means(), cells.spreads(), values, strict=True):
        assert mean == pytest.approx(np.mean(part)) if part else math.isnan(mean)
        # Squares of at most 1e4 carry 2e-12 of rounding, whose root is 1.5e-6.
        assert spread == pytest.approx(np.std(part, ddof=1), abs=3e-6) if len(part) > 1 else math.isnan(spread)


def test_bins_count_by_weight_and_not_by_size():
    cells = one_slide([[10.0], [20.0, 20.0, 20.0, 20.0]])
    assert cells.average(np.array([0.5, 0.5])) == 15
    assert cells.spread(np.array([0.5, 0.5])) == pytest.approx(5)


def test_empty_bins_hand_their_weight_on():
    cells = one_slide([[10.0], [math.nan], [], [30.0]])
    assert cells.average(np.array([0.1, 0.5, 0.1, 0.3])) == pytest.approx(25)


@pytest.mark.parametrize("row", TABLE_3)
def test_spread_of_the_average_is_the_paper_s(row):
    means, spreads, printed = TABLE_3[row]
    # Two values a standard deviation apart from the mean have it as their population standard deviation.
    pairs = [
        [m - s, m + s] for m, s in zip(np.array(means.split(), float), np.array(spreads.split(), float), strict=True)
    ]
    # 27 numbers rounded to 0.01 go in, of which the means' and the deviations' errors add up to 0.005 each at most; the
    # printed number is rounded too.
    assert one_slide(pairs).spread(WEIGHTS) == pytest.approx(printed, abs=0.015)


def test_intervals_of_equal_slides_have_no_width():
    slides, bins = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    cells = Cells.of(slides, bins, np.array([1.0, 2.0, 4.0])[bins], (4, 3))
    low, high = cells.intervals(np.array([0.25, 0.5, 0.25]), 0.95)
    assert low == pytest.approx([1, 2, 4, 2.25])
    assert high == pytest.approx(low)


def test_one_slide_has_no_interval():
    cells = Cells.of(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1.0, 2.0, 3.0]), (2, 2))
    low, high = cells.intervals(np.array([0.5, 0.5]), 0.95)
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] < high[1] and low[2] < high[2]


def test_slides_of_equal_size_have_the_textbook_s_interval():
    values = np.array([3.0, 4.5, 7.0, 4.0, 5.5])
    cells = Cells.of(np.arange(5), np.zeros(5, int), values, (5, 1))
    low, high = cells.intervals(np.ones(1), 0.9)
    wanted = stats.t.interval(0.9, 4, values.mean(), stats.sem(values))
    assert (low[0], high[0]) == pytest.approx(wanted) and (low[1], high[1]) == pytest.approx(wanted)


def test_slides_count_by_their_patches():
    # One slide with 3 patches at 0, one with 1 patch at 4: the mean is 1, without one slide it is 4 or 0.
    cells = Cells.of(np.array([0, 0, 0, 1]), np.zeros(4, int), np.array([0.0, 0, 0, 4]), (2, 1))
    low, high = cells.intervals(np.ones(1), 0.5)
    # squares of 2 about the middle 2, times one half, and the quartile of t with one degree of freedom, which is 1
    assert (low[0], high[0]) == pytest.approx((1 - 2, 1 + 2))


def test_slides_without_a_value_in_a_bin_do_not_narrow_it():
    values = np.array([1.0, 2.0, 4.0])
    some = Cells.of(np.arange(3), np.zeros(3, int), values, (8, 1))
    none = Cells.of(np.arange(3), np.zeros(3, int), values, (3, 1))
    assert np.array_equal(some.intervals(np.ones(1), 0.95), none.intervals(np.ones(1), 0.95))


@pytest.mark.parametrize("slides", [3, 6, 7, 20])
def test_intervals_cover_the_truth_as_often_as_they_say(slides):
    """Slides with 4 to 20 patches, effects of slide and patch alike in size; the percentile bootstrap covers less."""
    trials, confidence = 2000, 0.95
    draws = np.random.default_rng(slides)
    covered = 0
    for _ in range(trials):
        number = draws.integers(4, 21, slides)
        slide = np.repeat(np.arange(slides), number)
        values = draws.normal(size=slides)[slide] + draws.normal(size=len(slide))
        low, high = Cells.of(slide, np.zeros(len(slide), int), values, (slides, 1)).intervals(np.ones(1), confidence)
        covered += low[-1] < 0 < high[-1]
    # Four standard deviations of a binomial draw; the jackknife with unequal slides is right to about 0.01.
    spread = math.sqrt(confidence * (1 - confidence) / trials)
    assert covered / trials == pytest.approx(confidence, abs=4 * spread + 0.01)
