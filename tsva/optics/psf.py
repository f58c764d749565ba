"""Point spread functions: eq. 1 and its scalar Debye form, as radial profiles and as images."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline
from scipy.special import j0

from tsva.optics.pupil import Pupil, pupil_of, spectrum
from tsva.settings.acquisition import OpticsSettings

PIXEL_NODES = 6
"""Gauss-Legendre nodes across a pixel; a pixel holds about one period of the finest detail that light carries."""
PROFILE_SAMPLES_PER_CUTOFF = 24
"""Radial samples per shortest period; with a quintic spline the interpolation stays below 1e-8 of the peak."""


def radial_psf(pupil: Pupil, wavelength_um: float, r_um: np.ndarray, z_um: np.ndarray) -> np.ndarray:
    """Intensity of a point's image over radius and defocus, eq. 1.

    Parameters
    ----------
    pupil : Pupil
        Aperture, model and aberration.
    wavelength_um : float
        In vacuum.
    r_um : (R,) float array
        Distance from the axis, in the specimen.
    z_um : (Z,) float array
        Defocus ΔD.

    Returns
    -------
    (Z, R) float array
        Per square micrometre, such that the integral over the plane is one at every z.

    Notes
    -----
    Gauss-Legendre quadrature over the pupil; a node count of half the phase range plus a margin brings the error
    below rounding, because the integrand is entire (Born & Wolf) or analytic well beyond the pupil (Debye, NA < n).
    """
    r_um, z_um = np.atleast_1d(r_um).astype(float), np.atleast_1d(z_um).astype(float)
    rim = np.ones(1)
    phase_range = (
        2 * np.pi * pupil.na / wavelength_um * r_um.max(initial=0)
        + np.abs(pupil.defocus_rate(rim, wavelength_um)[0]) * np.abs(z_um).max(initial=0)
        + 4 * np.abs(pupil.aberration(rim, wavelength_um)[0])
    )
    nodes, weights = np.polynomial.legendre.leggauss(40 + int(0.6 * phase_range))
    rho, weights = (nodes + 1) / 2, weights / 2
    amplitude = pupil.amplitude(rho)
    phase = np.multiply.outer(z_um, pupil.defocus_rate(rho, wavelength_um)) + pupil.aberration(rho, wavelength_um)
    wave = weights * rho * amplitude * np.exp(1j * phase)
    bessel = j0(np.multiply.outer(2 * np.pi * pupil.na / wavelength_um * rho, r_um))
    field = np.stack((wave.real, wave.imag)) @ bessel
    # Parseval: the plane's energy is the pupil's.
    energy = np.sum(weights * rho * amplitude**2)
    return 2 * np.pi * (pupil.na / wavelength_um) ** 2 / energy * (field**2).sum(axis=0)


def sampled_psf(pupil: Pupil, wavelength_um: float, z_um: np.ndarray, size: int, step_um: float) -> np.ndarray:
    """Point samples of the PSF on a square grid, the axis at the middle sample.

    Parameters
    ----------
    pupil, wavelength_um, z_um
        As in `radial_psf`.
    size : int
        Samples along an edge, odd.
    step_um : float
        Distance between samples.

    Returns
    -------
    (Z, size, size) float array
        Per square micrometre. Every sample is evaluated, none interpolated; equal radii are evaluated once.

    Raises
    ------
    ValueError
        If `size` is even.
    """
    if size % 2 == 0:
        raise ValueError(f"size is {size}, not odd")
    offsets = np.arange(size) - size // 2
    squares = np.add.outer(offsets**2, offsets**2)
    radii, where = np.unique(squares, return_inverse=True)
    profile = radial_psf(pupil, wavelength_um, step_um * np.sqrt(radii), z_um)
    return profile[:, where.reshape(size, size)]


def pixel_psf(optics: OpticsSettings, z_um: np.ndarray, size_px: int, *, spherical_um: float = 0.0) -> np.ndarray:
    """What a camera pixel collects of a point that lies at the middle of the middle pixel, for each colour.

    Parameters
    ----------
    optics : OpticsSettings
        Aperture, spectra, pixel size.
    z_um : (Z,) float array
        Defocus ΔD.
    size_px : int
        Pixels along an edge, odd.
    spherical_um : float
        Spherical aberration (see `Pupil`).

    Returns
    -------
    (Z, 3, size_px, size_px) float array
        Share of the point's light; over an endless camera it adds up to one at every z. A finite one misses
        about λ / (π² NA R) beyond radius R.

    Raises
    ------
    ValueError
        If `size_px` is even.
    """
    if size_px % 2 == 0:
        raise ValueError(f"size_px is {size_px}, not odd")
    z_um = np.atleast_1d(z_um).astype(float)
    half, pixel, pupil = size_px // 2, optics.pixel_um, pupil_of(optics, spherical_um)
    nodes, weights = np.polynomial.legendre.leggauss(PIXEL_NODES)
    along = (np.arange(half + 1)[:, None] + nodes / 2) * pixel  # one quadrant: (pixel, node)
    radius = np.hypot(along[:, None, :, None], along[None, :, None, :])
    image = np.empty((len(z_um), 3, size_px, size_px))
    mirrored = np.abs(np.arange(size_px) - half)
    for channel in range(3):
        for index, spline in enumerate(_radial_splines(optics, pupil, channel, z_um, radius.max())):
            quadrant = np.einsum("yxij,i,j->yx", spline(radius), weights / 2, weights / 2) * pixel**2
            image[index, channel] = quadrant[np.ix_(mirrored, mirrored)]
    return image


def _radial_splines(
    optics: OpticsSettings, pupil: Pupil, channel: int, z_um: np.ndarray, r_max_um: float
) -> list[BSpline]:
    """A colour's PSF over radius, one spline for each z."""
    wavelengths, weights = spectrum(optics, channel)
    step = 1 / (PROFILE_SAMPLES_PER_CUTOFF * pupil.cutoff(wavelengths.min()))
    # The profile is even in r: samples left of the axis keep the spline even, too.
    r_um = np.arange(-8, int(r_max_um / step) + 9) * step
    profile = np.zeros((len(z_um), len(r_um)))
    for wavelength, weight in zip(wavelengths, weights, strict=True):
        profile += weight * radial_psf(pupil, wavelength, np.abs(r_um), z_um)
    return [make_interp_spline(r_um, row, k=5) for row in profile]
