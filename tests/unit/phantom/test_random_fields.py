"""Random fields and places against their statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsva.simulation.phantom.canvas import fractal, smooth, spectral
from tsva.simulation.phantom.cells import scatter, uniform


def test_smooth_field_has_unit_variance_and_its_length():
    length_um, pixel_um = 2.0, 0.5
    fields = np.stack([smooth((200, 200), pixel_um, np.random.default_rng(seed), length_um) for seed in range(20)])
    # One lobe covers about pi length²: 20 fields of 100 µm × 100 µm hold about 16 000, so variance is good to 1.1 %.
    assert fields.var() == pytest.approx(1, abs=4 * np.sqrt(2 / 16_000))
    lag = int(length_um / pixel_um)
    correlation = np.mean(fields[:, :, :-lag] * fields[:, :, lag:])
    # Gaussian kernels exp(-(x/L)²) correlate as exp(-(x/L)²/2).
    assert correlation == pytest.approx(np.exp(-0.5), abs=4 * np.sqrt(2 / 16_000))


def test_smooth_field_may_be_longer_one_way():
    field = smooth((300, 300), 0.5, np.random.default_rng(1), (10.0, 1.0))
    assert np.mean(np.diff(field, axis=0) ** 2) < 0.1 * np.mean(np.diff(field, axis=1) ** 2)


def test_fractal_spectrum_follows_its_power():
    slope, long_um = 1.6, 5.0
    one, two = fractal((480, 480), 0.2, np.random.default_rng(2), long_um=long_um, slope=slope)
    for field in (one, two):
        assert field.var() == pytest.approx(1, abs=0.1)
        power = np.abs(np.fft.fft2(field)) ** 2
        frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(480, 0.2)] * 2))
        for low, high in ((0.5, 0.6), (1.8, 2.0), (2.3, 2.5)):
            ring = (frequency >= low) & (frequency < high)
            expected = np.mean((1 + (frequency[ring] * long_um) ** 2) ** -slope)
            reference = (frequency >= 1.0) & (frequency < 1.1)
            ratio = power[ring].mean() / power[reference].mean()
            wanted = expected / np.mean((1 + (frequency[reference] * long_um) ** 2) ** -slope)
            # Powers are exponentially distributed; half of the frequencies are free.
            error = np.sqrt(2 / ring.sum() + 2 / reference.sum())
            assert ratio == pytest.approx(wanted, rel=4 * error)
    assert abs(np.mean(one * two)) < 4 / np.sqrt(100)  # some hundred independent lobes


def test_spectral_field_has_the_power_that_is_asked_for():
    """Rings of frequency: powers are exponentially distributed, and half of the frequencies are free."""

    def amplitude(frequency):
        return np.where(frequency < 1, 0.3, 0.1).astype(np.float32)

    for pixel_um in (0.2, 0.25):
        for field in spectral((400, 400), pixel_um, np.random.default_rng(3), amplitude):
            power = np.abs(np.fft.fft2(field)) ** 2 * pixel_um**2 / field.size
            frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(400, pixel_um)] * 2))
            for low, high, wanted in ((0.1, 0.9, 0.09), (1.1, 1.9, 0.01)):
                ring = (frequency >= low) & (frequency < high)
                assert power[ring].mean() == pytest.approx(wanted, rel=4 * np.sqrt(2 / ring.sum()))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.floats(0.5, 6))
def test_scattered_places_keep_their_distance(seed, count, mean_um):
    rng = np.random.default_rng(seed)
    places = uniform(rng, 30.0, 40.0, 200)
    distance = mean_um * rng.uniform(0.5, 1.5, len(places))
    taken = np.column_stack([uniform(rng, 30.0, 40.0, 3), np.full(3, mean_um)])
    picked = scatter(places, distance, count, taken)
    assert len(picked) <= count and len(set(picked)) == len(picked)
    every = np.vstack([np.column_stack([places[picked], distance[picked]]), taken])
    apart = np.hypot(*(every[:, None, :2] - every[None, :, :2]).transpose(2, 0, 1))
    wanted = (every[:, None, 2] + every[None, :, 2]) / 2
    pairs = np.triu_indices(len(every), 1)
    own = pairs[0] < len(picked)
    assert np.all(apart[pairs][own] >= wanted[pairs][own] * (1 - 1e-12))


def test_scatter_leaves_out_only_what_is_too_close():
    places = np.array([[0.0, 0.0], [0.0, 0.9], [0.0, 1.0], [0.0, 2.5]])
    assert scatter(places, np.ones(4), 4).tolist() == [0, 2, 3]
