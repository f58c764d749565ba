"""Amplitude and phase over the exit pupil: where the optical models differ, and the one place that fixes signs.

Defocus ΔD (`z_um`) is the stage position less the one at which the point is in focus. The stage rises towards the
objective, so a positive ΔD means that the point lies nearer the objective than the focal plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.settings.acquisition import OpticsSettings

FWHM_PER_SD = 2 * np.sqrt(2 * np.log(2))
SPECTRAL_LINES = 3
"""Gauss-Hermite lines that stand for a colour's spectral response; exact for whatever is a quintic in wavelength."""


@dataclass(frozen=True)
class Pupil:
    """A rotationally symmetric pupil.

    Attributes
    ----------
    na, refractive_index : float
        Aperture of the objective and the medium before it.
    model : str
        `born_wolf` (eq. 1: defocus phase quadratic in the pupil radius) or `debye` (scalar, exact sphere, uniform in
        angle).
    spherical_um : float
        Primary spherical aberration as a path difference (Zernike, root mean square), balanced by defocus, so that
        best focus stays at z = 0. Positive: a thicker cover glass than the objective is corrected for; the rim's rays
        then meet at negative z, those near the axis at positive z.
    """

    na: float
    refractive_index: float
    model: str = "born_wolf"
    spherical_um: float = 0.0

    def amplitude(self, rho: np.ndarray) -> np.ndarray:
        """Amplitude at normalised pupil radius `rho` (0 to 1), to be integrated with rho d(rho)."""
        if self.model == "born_wolf":
            return np.ones_like(rho)
        # d(cos θ) = sin θ d(sin θ) / cos θ: Debye's integral is uniform over the angle, not over the pupil's plane.
        return self.refractive_index / self._axial(rho)

    def defocus_rate(self, rho: np.ndarray, wavelength_um: float) -> np.ndarray:
        """Phase at `rho`, less that on the axis, for each micrometre of defocus (radians per µm, never positive)."""
        if self.model == "born_wolf":
            return -np.pi * self.na**2 / (self.refractive_index * wavelength_um) * rho**2
        return 2 * np.pi / wavelength_um * (self._axial(rho) - self.refractive_index)

    def aberration(self, rho: np.ndarray, wavelength_um: float) -> np.ndarray:
        """Phase at `rho` in focus (radians).

        In eq. 1 a point that comes nearer, whose path to the rim grows against that along the axis, turns the phase
        at the rim negative: phase is minus path there, so it is here.
        """
        zernike = np.sqrt(5) * (6 * rho**4 - 6 * rho**2 + 1)
        return -2 * np.pi / wavelength_um * self.spherical_um * zernike

    def cutoff(self, wavelength_um: float) -> float:
        """Highest spatial frequency that incoherent light carries, 2 NA / λ, in cycles per micrometre."""
        return 2 * self.na / wavelength_um

    def _axial(self, rho: np.ndarray) -> np.ndarray:
        """Direction cosine along the axis, times the refractive index."""
        return np.sqrt(self.refractive_index**2 - (self.na * rho) ** 2)


def pupil_of(optics: OpticsSettings, spherical_um: float = 0.0) -> Pupil:
    """The pupil that the settings describe."""
    model = "debye" if optics.model == "debye" else "born_wolf"
    return Pupil(optics.na, optics.refractive_index, model, spherical_um)


def travel_per_depth(optics: OpticsSettings) -> float:
    """Stage travel that brings matter into focus, over its depth in the mountant: the apparent depth.

    Parameters
    ----------
    optics : OpticsSettings
        With `mountant_index` n₂; without it, or with model `paper`, depth counts as stage travel.

    Returns
    -------
    float
        Paraxially n₁/n₂, for eq. 1 exactly. For Debye's pupil the stage travel of best focus: that which leaves the
        least variance over the pupil of the path difference d √(n₂² - s²) - z √(n₁² - s²), s = NA ρ.

    Notes
    -----
    With n₁ = 1, n₂ = 1.52 the ratio is 0.658 for rays near the axis, 0.500 for those at the rim of NA 0.75. What best
    focus leaves is spherical aberration of 0.002 µm (root mean square) for each micrometre of depth, 1/270 of a
    wavelength: left out.

    References
    ----------
    Hell, Reiner, Cremer & Stelzer (1993), J. Microsc. 169, 391, eqs. 8 to 16; paraxially Snell's law.
    """
    n1, n2 = optics.refractive_index, optics.mountant_index
    if n2 is None or optics.model == "paper":
        return 1.0
    if optics.model == "born_wolf":
        return n1 / n2
    pupil = pupil_of(optics)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    rho = (nodes + 1) / 2
    weights = weights * rho * pupil.amplitude(rho)
    weights /= weights.sum()
    s2 = (optics.na * rho) ** 2
    matter, stage = (path - weights @ path for path in (np.sqrt(n2**2 - s2), np.sqrt(n1**2 - s2)))
    return float(weights @ (matter * stage) / (weights @ stage**2))


def spectrum(optics: OpticsSettings, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Wavelengths that stand for a colour, and their weights, which add up to one.

    Parameters
    ----------
    optics : OpticsSettings
        Middle wavelengths and bandwidth.
    channel : int
        0 red, 1 green, 2 blue.

    Returns
    -------
    wavelengths_um, weights : (lines,) float arrays
    """
    middle = optics.wavelengths_um[channel]
    if optics.bandwidth_um == 0:
        return np.array([middle]), np.ones(1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(SPECTRAL_LINES)
    return middle + nodes * optics.bandwidth_um / FWHM_PER_SD, weights / weights.sum()


def depth_of_field_um(optics: OpticsSettings, channel: int = 1) -> float:
    """Depth of field: diffraction n λ / NA² plus the camera's share n e / NA (e: pixel in the specimen).

    References
    ----------
    Inoué & Spring (1997), Video Microscopy, section 2.4.
    """
    n, wavelength = optics.refractive_index, optics.wavelengths_um[channel]
    return n * wavelength / optics.na**2 + n * optics.pixel_um / optics.na
