"""The focal surface and the frame that it is sampled on."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from tsva.optics.camera import frame_for, samples_per_pixel
from tsva.optics.specimen import WAVES, FocalSurface, draw_waves
from tsva.settings.acquisition import OpticsSettings


def test_a_tilt_is_a_tilt() -> None:
    surface = FocalSurface(1.0, np.array([0.01, -0.02]), np.zeros((0, 4)), level_um=0.25)
    heights = surface.heights(np.array([0.0, 100.0]), np.array([0.0, 50.0]))
    assert heights == pytest.approx(np.array([[0.75, -0.25], [1.75, 0.75]]))


def test_waves_are_cosines_of_the_place() -> None:
    waves = np.array([[0.3, 0.004, -0.006, 1.1], [0.2, -0.01, 0.003, 4.0]])
    y, x = np.array([3.0, 70.0]), np.array([-20.0, 5.0, 11.0])
    expected = sum(a * np.cos(2 * np.pi * (fy * y[:, None] + fx * x) + p) for a, fy, fx, p in waves)
    assert FocalSurface(0.0, np.zeros(2), waves, 0.0).heights(y, x) == pytest.approx(expected, abs=1e-12)


def test_waves_have_their_spread_and_their_period() -> None:
    """Over far places the sum of WAVES cosines of equal amplitude has the variance asked for; over 300 drawn sets the
    mean of the squared height at one place scatters by about √(2/300)."""
    drawn = [draw_waves(np.random.default_rng(seed), 0.15, 150.0) for seed in range(300)]
    at_origin = [np.sum(waves[:, 0] * np.cos(waves[:, 3])) for waves in drawn]
    assert np.mean(np.square(at_origin)) == pytest.approx(0.15**2, rel=4 * np.sqrt(2 / 300))
    periods = 1 / np.hypot(*np.concatenate(drawn)[:, 1:3].T)
    assert periods.shape == (300 * WAVES,)
    assert 150 / np.sqrt(2) <= periods.min() and periods.max() <= 150 * np.sqrt(2)


@given(st.integers(64, 1300), st.integers(64, 1300), st.floats(0, 30), st.integers(1, 3))
def test_frame_encloses_the_field(height: int, width: int, blur_um: float, fine: int) -> None:
    frame = frame_for((height, width), blur_um, 0.345, fine)
    for edge, kept, whole, margins in zip(
        (height, width), (frame.rows, frame.columns), frame.grid.shape_px, frame.fine_margins, strict=True
    ):
        assert kept.stop - kept.start == edge
        assert whole % 2 == 0 and scipy.fft.next_fast_len(whole) == whole
        assert min(margins) >= fine * max(32, blur_um / 0.345)
        assert sum(margins) + fine * edge == fine * whole


@given(st.integers(1, 3))
def test_both_samplings_speak_of_the_same_places(fine: int) -> None:
    """The middle of a pixel is the mean of its samples, on both axes and with the origin in the field's middle."""
    frame = frame_for((70, 65), 0.0, 0.345, fine)
    for coarse_um, fine_um, kept in zip(
        frame.places_um(), frame.fine_places_um(), (frame.rows, frame.columns), strict=True
    ):
        means = fine_um.reshape(-1, fine).mean(axis=1)[kept]
        assert means == pytest.approx(coarse_um, abs=1e-9)
        assert coarse_um.mean() == pytest.approx(0, abs=1e-12)


def test_paper_objective_is_sampled_twice_a_pixel() -> None:
    """λ / 4 NA = 0.18 µm in green, half of 0.345 is 0.1725."""
    assert samples_per_pixel(OpticsSettings()) == 2
    assert samples_per_pixel(OpticsSettings(na=0.3)) == 1
    assert samples_per_pixel(OpticsSettings(na=0.75, pixel_um=0.18)) == 1
