"""Where a section looks sharpest: not at zero defocus, if the objective has spherical aberration."""

from __future__ import annotations

import numpy as np
from scipy.special import j0

from tsva.optics.otf import radial_otf
from tsva.optics.pupil import pupil_of, spectrum, travel_per_depth
from tsva.settings.acquisition import OpticsSettings

SLOPE = 2.6
"""Power of tissue falls as f^-SLOPE."""
LAYERS = 9
REACH_UM, STEP_UM = 2.0, 0.05
FREQUENCIES = np.linspace(0.01, 0.5, 99)
"""Cycles a pixel."""


def best_focus_um(optics: OpticsSettings, spherical_um: float, thickness_um: float) -> float:
    """Stage position at which a section's Brenner gradient is largest, less that of the section's middle.

    Aberration makes the planes above and below the focus unlike. A thick section adds both up, so that the sharpest
    plane moves towards the side where contrast falls more slowly.

    Parameters
    ----------
    optics : OpticsSettings
        With the condenser and the mountant.
    spherical_um : float
        Spherical aberration (see `Pupil`).
    thickness_um : float
        Of the section, in the mountant; its layers are taken as independent.

    Returns
    -------
    float
        Micrometres; 0 without aberration.
    """
    if not spherical_um:
        return 0.0
    pupil = pupil_of(optics, spherical_um)
    stage_um = np.arange(-round(REACH_UM / STEP_UM), round(REACH_UM / STEP_UM) + 1) * STEP_UM
    depth_um = np.linspace(-0.5, 0.5, LAYERS) * thickness_um * travel_per_depth(optics)
    defocus_um = (stage_um[:, None] + depth_um).ravel()
    # the gradient is that of the mean of the colours
    transfer = np.zeros((len(FREQUENCIES), len(defocus_um)))
    for channel in range(3):
        for wavelength, weight in zip(*spectrum(optics, channel), strict=True):
            share = FREQUENCIES / optics.pixel_um / pupil.cutoff(wavelength)
            transfer += weight / 3 * radial_otf(pupil, wavelength, share, defocus_um, optics.condenser)
    # rings of the spectrum; the mean over directions of |difference of two pixels' distance|²; the pixel's own blur
    seen = FREQUENCIES ** (1 - SLOPE) * 2 * (1 - j0(4 * np.pi * FREQUENCIES)) * np.sinc(FREQUENCIES) ** 2
    gradient = seen @ (transfer.reshape(len(FREQUENCIES), len(stage_um), LAYERS) ** 2).mean(axis=-1)
    best = int(np.clip(np.argmax(gradient), 1, len(stage_um) - 2))
    left, middle, right = gradient[best - 1 : best + 2]
    return float(stage_um[best] + STEP_UM * 0.5 * (left - right) / (left - 2 * middle + right))
