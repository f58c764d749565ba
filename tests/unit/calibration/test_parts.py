"""Noise, model and windows by themselves: closed forms and limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsva.optics.otf import camera_otf
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration.noise import measure_noise
from tsva.training.calibration.prepared import prepare
from tsva.training.calibration.spectra import Constants, measure_windows, modelled

OPTICS = OpticsSettings(na=0.5, pixel_um=0.5)


@given(well=st.floats(4000, 40000), read=st.floats(0.5, 3.0), seed=st.integers(0, 99))
@settings(max_examples=8)
def test_photon_and_read_noise_of_a_ramp(well: float, read: float, seed: int) -> None:
    """Variance v = read² + 1/12 + level · 255 / well, grey levels."""
    random = np.random.default_rng(seed)
    level = np.linspace(20, 230, 256)[None, None, :, None] + np.zeros((7, 160, 1, 1))
    stack = level + np.sqrt(read**2 + level * 255 / well) * random.standard_normal(level.shape)
    found = measure_noise([np.clip(np.rint(stack), 0, 255).astype(np.uint8)], seed)
    assert found.separable
    assert found.full_well_e[0] == pytest.approx(well, abs=5 * found.slope_se[0] * found.full_well_e[0] ** 2 / 255)
    wanted = np.sqrt(read**2 + 1 / 12 + 255 / well * found.level[0])
    assert found.sd[0] == pytest.approx(wanted, rel=0.03)


def test_noise_of_clipped_pixels_is_not_read() -> None:
    random = np.random.default_rng(1)
    half = np.concatenate([np.full((7, 64, 64, 1), 255.0), np.full((7, 64, 64, 1), 128.0)], axis=2)
    stack = np.clip(np.rint(half + random.normal(0, 2, half.shape)), 0, 255).astype(np.uint8)
    assert measure_noise([stack], 1).sd[0] == pytest.approx(np.sqrt(4 + 1 / 12), rel=0.05)


def test_a_flat_section_is_the_product_of_transfer_functions() -> None:
    z_um, size = np.array([-3.0, 0.0, 2.0]), 64
    frequency = np.array([4, 10, 20]) / size
    sharp = OPTICS.model_copy(update={"bandwidth_um": 0.0})
    found = modelled(Constants(sharp, thickness_um=1e-6, structure_um=1.0), z_um[:, None], frequency, 3)
    otf = camera_otf(sharp, z_um, (size, size))[:, :, 0, [4, 10, 20]] / np.sinc(frequency)  # (Z, 3, F)
    assert found == pytest.approx(np.einsum("icf,jcf->cfij", otf, otf), abs=1e-4)


def test_a_deep_section_shares_less_between_planes() -> None:
    z_um, frequency = np.array([-3.0, 3.0])[:, None], np.array([0.1, 0.2])
    shared = []
    for thickness_um in (0.1, 4.0, 8.0):
        one = Constants(OPTICS, thickness_um=thickness_um, structure_um=0.5)
        power = modelled(one, z_um, frequency, 1)[0]
        shared.append(power[:, 0, 1] / np.sqrt(power[:, 0, 0] * power[:, 1, 1]))
    assert shared[0] == pytest.approx(np.ones(2), abs=0.02)
    assert np.all(shared[0] > shared[1]) and np.all(shared[1] > shared[2])


def test_an_aberration_tells_above_from_below() -> None:
    z_um, frequency = np.array([-3.0, 3.0])[:, None], np.array([0.15])
    below, above = np.diagonal(modelled(Constants(OPTICS, spherical_um=0.03), z_um, frequency, 1)[0, 0])
    assert abs(below / above - 1) > 0.1
    mirrored = np.diagonal(modelled(Constants(OPTICS, spherical_um=-0.03), z_um, frequency, 1)[0, 0])
    assert mirrored == pytest.approx(np.array([above, below]))
    even = np.diagonal(modelled(Constants(OPTICS), z_um, frequency, 1)[0, 0])
    assert even[0] == pytest.approx(even[1])


def test_windows_of_a_tilted_field_are_sharp_where_its_surface_lies(simulate) -> None:
    slope = 0.02
    stack = simulate(OPTICS, np.arange(-9, 10) * 1.0, thickness_um=1.0, slabs=1, slope=slope, field_px=256)
    field = prepare(stack, "tilted", 2.0)
    found = measure_windows([field], np.array([1e-5]), 6.0, 1)
    x = np.array([window.x_px for window in found.windows])
    focus = np.array([window.focus_um for window in found.windows])
    assert np.polyfit(x * OPTICS.pixel_um, focus, 1)[0] == pytest.approx(slope, rel=0.15)
    assert max(abs(window.rest_um) for window in found.windows) <= 0.5 + 1e-6
    assert not field.moved
