"""Transfer functions against closed forms, and against the PSF by another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline
from scipy.special import j0

from tsva.optics.otf import OtfTable, camera_otf, knots_to_share, radial_otf, share_to_knots
from tsva.optics.psf import pixel_psf, radial_psf
from tsva.optics.pupil import Pupil, pupil_of, spectrum
from tsva.settings.acquisition import OpticsSettings

LAMBDA = 0.54
PUPILS = [
    Pupil(0.75, 1.0),
    Pupil(0.75, 1.0, "debye"),
    Pupil(0.75, 1.0, "debye", 0.022),
    Pupil(1.3, 1.515, "born_wolf", 0.05),
]


def test_in_focus_is_the_overlap_of_two_circles() -> None:
    s = np.linspace(0, 1, 101)
    closed_form = 2 / np.pi * (np.arccos(s) - s * np.sqrt(1 - s**2))
    assert radial_otf(PUPILS[0], LAMBDA, s, np.zeros(1))[:, 0] == pytest.approx(closed_form, abs=1e-13)


@pytest.mark.parametrize("pupil", PUPILS)
def test_no_power_beyond_the_cutoff_and_all_of_it_at_zero(pupil: Pupil) -> None:
    z_um = np.array([-4.0, 0.0, 1.0, 9.0])
    otf = radial_otf(pupil, LAMBDA, np.array([0, 1, 1.0001, 3]), z_um)
    assert otf[0] == pytest.approx(np.ones(4), abs=1e-12)
    assert not otf[1:].any()


@pytest.mark.parametrize("pupil", PUPILS)
def test_psf_and_otf_are_each_others_transform(pupil: Pupil) -> None:
    """The OTF ends at the cut-off, so the transform back to the PSF is an integral over a finite range: exact."""
    r_um, z_um = np.linspace(0, 4, 60), np.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u, weights = (nodes + 1) / 2, weights / 2
    f = knots_to_share(u) * pupil.cutoff(LAMBDA)
    kernel = 2 * np.pi * j0(2 * np.pi * np.outer(r_um, f)) * f * weights * 2 * (1 - u) * pupil.cutoff(LAMBDA)
    through_otf = kernel @ radial_otf(pupil, LAMBDA, knots_to_share(u), z_um)
    psf = radial_psf(pupil, LAMBDA, r_um, z_um).T
    assert through_otf == pytest.approx(psf, abs=1e-10 * psf.max())


@pytest.mark.parametrize("optics", [OpticsSettings(), OpticsSettings(model="debye")])
def test_table_is_the_direct_integral(optics: OpticsSettings) -> None:
    """Chebyshev in z: to rounding. Cubic spline in u: at most 5/384 h⁴ times the fourth derivative. Over u, twelve
    micrometres out of focus, the phase turns by up to 4 · 55 radians per unit: 5/384 · (220/1024)⁴ = 2.8e-5."""
    spherical_um, channel, z_um = 0.02, 2, np.array([-11.9, -3.3, 0.0, 0.77, 8.0])
    table = OtfTable(optics, 12.0, spherical_um)
    u = np.sort(np.random.default_rng(0).uniform(0, 1, 60))
    pupil, (wavelengths, weights) = pupil_of(optics, spherical_um), spectrum(optics, channel)
    for places, tabulated, tolerance in (
        (table.knots()[::50], table.at_knots(channel, z_um)[::50], 1e-12),
        (u, CubicSpline(table.knots(), table.at_knots(channel, z_um))(u), 2.8e-5),
    ):
        f = knots_to_share(places) * table.cutoffs[channel]
        direct = np.zeros_like(tabulated)
        for line, weight in zip(wavelengths, weights, strict=True):
            direct += weight * radial_otf(pupil, line, f / pupil.cutoff(line), z_um)
        assert np.abs(tabulated - direct).max() < tolerance


def test_table_says_where_it_ends() -> None:
    table = OtfTable(OpticsSettings(bandwidth_um=0), 1.0)
    with pytest.raises(ValueError, match=r"beyond the table's reach of 1\.0"):
        table.at_knots(0, np.array([1.1]))


@given(st.floats(0, 1))
def test_knots_and_shares_are_inverse(u: float) -> None:
    """Near 1 the square root halves the digits."""
    assert share_to_knots(knots_to_share(np.array(u))) == pytest.approx(u, abs=2e-8)


@given(st.floats(-3, 3))
@settings(max_examples=10, deadline=None)
def test_camera_otf_makes_the_pixel_psf(z_um: float) -> None:
    """Pixels of 0.115 µm carry all frequencies of light, so the two agree but for the light of the periodic copies:
    p² λ / (2 π³ NA R³) from each, 1.4e-6 for red at 44 pixels, the nearest; the lattice's sum is about six of them."""
    optics, size = OpticsSettings(pixel_um=0.115, bandwidth_um=0), 64
    image = np.fft.irfft2(camera_otf(optics, np.array([z_um]), (size, size))[0], (size, size))
    expected = pixel_psf(optics, np.array([z_um]), 41)[0]
    assert np.fft.fftshift(image, (1, 2))[:, 12:53, 12:53] == pytest.approx(expected, abs=1.2e-5)


@pytest.mark.parametrize("condenser", [None, 0.7])
@pytest.mark.parametrize("spherical_um", [0.0, -0.03])
def test_several_wavelengths_at_once_are_those_one_by_one(condenser: float | None, spherical_um: float) -> None:
    pupil, share, z_um = Pupil(0.75, 1.0, "debye", spherical_um), np.linspace(0, 1, 7), np.array([-3.0, 0.2, 1.5])
    lines = np.array([0.46, 0.54, 0.62])
    one_by_one = [radial_otf(pupil, float(line), share, z_um, condenser) for line in lines]
    assert radial_otf(pupil, lines, share, z_um, condenser) == pytest.approx(np.array(one_by_one), abs=1e-11)
