"""Eq. 1 against closed forms and against other people's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import j1

from tsva.optics.psf import pixel_psf, radial_psf, sampled_psf
from tsva.optics.pupil import Pupil, depth_of_field_um, pupil_of, spectrum
from tsva.settings.acquisition import OpticsSettings

AIR = Pupil(0.75, 1.0)
DEBYE = Pupil(0.75, 1.0, "debye")
LAMBDA = 0.55
ROUNDING = 1e-12
"""Sums of a few hundred terms of order one in float64, with room for the Bessel function's own error."""


def test_in_focus_is_airys_pattern() -> None:
    r_um = np.linspace(0.01, 20, 500)
    v = 2 * np.pi * AIR.na / LAMBDA * r_um
    peak = radial_psf(AIR, LAMBDA, np.zeros(1), np.zeros(1))
    assert radial_psf(AIR, LAMBDA, r_um, np.zeros(1)) / peak == pytest.approx(
        ((2 * j1(v) / v) ** 2)[None], abs=ROUNDING
    )


def test_peak_in_focus_is_pi_na2_over_lambda2() -> None:
    """A uniform pupil's peak density: its area in frequencies, π (NA/λ)², as the light has unit energy."""
    peak = radial_psf(AIR, LAMBDA, np.zeros(1), np.zeros(1))[0, 0]
    assert peak == pytest.approx(np.pi * (AIR.na / LAMBDA) ** 2, rel=ROUNDING)


@given(st.floats(0.2, 1.3), st.floats(1.33, 1.6), st.floats(-15, 15))
@settings(max_examples=40, deadline=None)
def test_on_the_axis_is_a_squared_sinc(na: float, index: float, z_um: float) -> None:
    pupil = Pupil(na, index)
    peak, there = radial_psf(pupil, LAMBDA, np.zeros(1), np.array([0, z_um]))[:, 0]
    assert there / peak == pytest.approx(np.sinc(na**2 * z_um / (2 * index * LAMBDA)) ** 2, abs=ROUNDING)


def test_eq1_is_the_reference_quadrature(shared: Path) -> None:
    ours, reference = _stack(AIR), np.load(shared / "reference/psf/eq1_quadrature_p0.1.npy")
    assert np.abs(ours - reference).max() <= 1e-8


def test_eq1_is_psfgenerator_within_its_interpolation(shared: Path) -> None:
    ours, reference = _stack(AIR), np.load(shared / "reference/psf/psfgenerator_bw_p0.1.npy")
    assert np.abs(ours - reference).max() <= 3e-4


def test_debye_is_psf_generator(shared: Path) -> None:
    """1e-3 is asked; both integrate the same smooth function, so a thousandth of that is a safe bound."""
    ours, reference = _stack(DEBYE), np.load(shared / "reference/psf/psfgeneratorpy_debye_p0.1.npy")
    assert np.abs(ours - reference).max() <= 1e-6


def test_paraxial_error_that_the_docs_print() -> None:
    z_um = np.array([0.0, 1.0])
    paraxial = radial_psf(AIR, LAMBDA, np.zeros(1), z_um)[:, 0]
    debye = radial_psf(DEBYE, LAMBDA, np.zeros(1), z_um)[:, 0]
    assert round(paraxial[1] / paraxial[0], 3) == 0.387
    assert round(debye[1] / debye[0], 3) == 0.234


def test_debye_becomes_paraxial_at_low_aperture() -> None:
    """The phases differ by k n z sin⁴/8: at NA 0.05 and 20 µm that is 2e-4 radians, the amplitudes by sin²/2 = 1e-3."""
    r_um, z_um = np.linspace(0, 20, 50), np.array([0.0, 20.0])
    paraxial, debye = (radial_psf(Pupil(0.05, 1.0, model), LAMBDA, r_um, z_um) for model in ("born_wolf", "debye"))
    assert debye == pytest.approx(paraxial, abs=2e-3 * paraxial.max())


@pytest.mark.parametrize("pupil", [AIR, DEBYE])
def test_even_in_z_without_aberration(pupil: Pupil) -> None:
    r_um = np.linspace(0, 3, 40)
    above, below = radial_psf(pupil, LAMBDA, r_um, np.array([1.3, -1.3]))
    assert above == pytest.approx(below, rel=1e-9, abs=ROUNDING)


@given(st.floats(0.01, 0.1), st.floats(0.2, 2))
@settings(max_examples=20, deadline=None)
def test_aberration_breaks_the_symmetry_and_turns_with_its_sign(spherical_um: float, z_um: float) -> None:
    r_um, z = np.linspace(0, 2, 30), np.array([z_um, -z_um])
    thick = radial_psf(Pupil(0.75, 1.0, "debye", spherical_um), LAMBDA, r_um, z)
    thin = radial_psf(Pupil(0.75, 1.0, "debye", -spherical_um), LAMBDA, r_um, z)
    assert thick == pytest.approx(thin[::-1], rel=1e-9, abs=1e-9)
    assert np.abs(thick[0] - thick[1]).max() > 0.01 * thick.max()


def test_with_too_thick_a_cover_the_rims_rays_meet_at_negative_z() -> None:
    """Snell: thicker glass moves the focus of steep rays farther from the objective; the stage has to stand lower."""
    pupil, rim = Pupil(0.75, 1.0, "born_wolf", 0.022), np.array([1 - 1e-6, 1.0])
    slope = np.diff(pupil.aberration(rim, LAMBDA)) / np.diff(pupil.defocus_rate(rim, LAMBDA))
    meets_at_um = -slope[0]
    # ΔD that cancels d(phase)/dρ at the rim; W040 = 6 √5 rms, and 2 W040 (2 - 1) ρ = ΔD NA²/n ρ
    assert meets_at_um == pytest.approx(-12 * np.sqrt(5) * 0.022 / 0.75**2, rel=1e-4)


def test_marechal_strehl_ratio() -> None:
    """Strehl = 1 - (2π rms / λ)² to second order; the next term is a fourth power, 0.004 here."""
    rms_um = 0.022
    peaks = [radial_psf(Pupil(0.75, 1.0, "born_wolf", s), LAMBDA, np.zeros(1), np.zeros(1))[0, 0] for s in (0, rms_um)]
    assert peaks[1] / peaks[0] == pytest.approx(
        1 - (2 * np.pi * rms_um / LAMBDA) ** 2, abs=(2 * np.pi * rms_um / LAMBDA) ** 4
    )


def test_pixels_collect_all_the_light_at_every_z() -> None:
    """Outside radius R lies λ / (π² NA R) on average (Airy's tail; 3 µm of defocus change it by about (3/R)²)."""
    optics, size = OpticsSettings(), 151
    missing = 1 - pixel_psf(optics, np.array([0, 0.5, -3.0]), size).sum(axis=(2, 3))
    inner_um, outer_um = size / 2 * optics.pixel_um, size / 2 * optics.pixel_um * np.sqrt(2)
    for channel in range(3):
        tail = optics.wavelengths_um[channel] / (np.pi**2 * optics.na)
        assert np.all(missing[:, channel] < 1.05 * tail / inner_um)
        assert np.all(missing[:, channel] > 0.95 * tail / outer_um)
    assert np.ptp(missing, axis=0).max() < 0.01 * missing.max()


def test_pixel_psf_of_tiny_pixels_is_the_psf() -> None:
    """Averaging over a pixel p changes a sample by p²/24 of its curvature, (2π · 3.26/µm)² at most: 1.8e-3 here."""
    optics = OpticsSettings(pixel_um=0.0101, bandwidth_um=0)
    z_um = np.array([0.0, 1.0])
    averaged = pixel_psf(optics, z_um, 41)[:, 1] / optics.pixel_um**2
    sampled = sampled_psf(pupil_of(optics), optics.wavelengths_um[1], z_um, 41, optics.pixel_um)
    assert averaged == pytest.approx(sampled, abs=2e-3 * sampled.max())


def test_spectrum_keeps_mean_and_width() -> None:
    optics = OpticsSettings(bandwidth_um=0.08)
    wavelengths, weights = spectrum(optics, 2)
    assert weights.sum() == pytest.approx(1)
    assert wavelengths @ weights == pytest.approx(0.46)
    variance = (wavelengths - 0.46) ** 2 @ weights
    assert 2 * np.sqrt(2 * np.log(2) * variance) == pytest.approx(0.08)


def test_depth_of_field_of_the_papers_objective() -> None:
    """0.54/0.5625 + 0.345/0.75 µm."""
    assert depth_of_field_um(OpticsSettings()) == pytest.approx(0.96 + 0.46)


@pytest.mark.parametrize(
    "call", [lambda: sampled_psf(AIR, LAMBDA, np.zeros(1), 4, 0.1), lambda: pixel_psf(OpticsSettings(), np.zeros(1), 4)]
)
def test_even_sizes_have_no_middle(call) -> None:
    with pytest.raises(ValueError, match="4, not odd"):
        call()


def _stack(pupil: Pupil) -> np.ndarray:
    """The reference's grid: 61×61 samples of 0.1 µm, z from -3 to 3 µm, peak in focus 1."""
    stack = sampled_psf(pupil, LAMBDA, np.arange(-3, 3.1, 0.5), 61, 0.1)
    return stack / stack[6].max()
