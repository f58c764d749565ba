"""From transmitted light to 8-bit numbers."""

from __future__ import annotations

import numpy as np

from tsva.settings.simulate import MicroscopeSettings

FULL_SCALE = 255


def illumination(microscope: MicroscopeSettings, height_px: int, width_px: int) -> np.ndarray:
    """What the camera shows of empty glass, (Y, X, 3) float32, as a share of full scale."""
    centre_y, centre_x = microscope.lamp_centre[0] * height_px, microscope.lamp_centre[1] * width_px
    y = np.arange(height_px)[:, None] + 0.5 - centre_y
    x = np.arange(width_px)[None, :] + 0.5 - centre_x
    farthest = max(centre_y, height_px - centre_y) ** 2 + max(centre_x, width_px - centre_x) ** 2
    lamp = 1 - microscope.falloff * (y**2 + x**2) / farthest
    return (lamp[:, :, None] * np.array(microscope.white_level)).astype(np.float32)


def expose(
    transmitted: np.ndarray, lamp: np.ndarray, microscope: MicroscopeSettings, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Take a picture, or one colour of it.

    Parameters
    ----------
    transmitted : float array
        Transmitted over incident intensity at the camera, (Y, X) or (Y, X, 3).
    lamp : float array of the same shape
        Of `illumination`.
    microscope : MicroscopeSettings
        Noise.
    rng : numpy Generator, optional
        Source of the noise; without it the picture is free of noise (still rounded to 8 bits).

    Returns
    -------
    uint8 array of the same shape
        Linear response. Photon noise is drawn from the normal distribution of the Poisson's mean and variance,
        which at hundreds of electrons and more is indistinguishable after rounding.
    """
    signal = np.maximum(transmitted * lamp, 0, dtype=np.float32)
    if rng is not None:
        variance = signal / np.float32(microscope.full_well_e)
        variance += np.float32((microscope.read_noise_e / microscope.full_well_e) ** 2)
        signal += np.sqrt(variance) * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.rint(np.clip(signal, 0, 1) * FULL_SCALE).astype(np.uint8)


def noise_sd(level: np.ndarray, microscope: MicroscopeSettings) -> np.ndarray:
    """Standard deviation of a pixel, as a share of full scale: photons, read-out and rounding to 8 bits.

    Parameters
    ----------
    level : float array
        Signal as a share of full scale.
    microscope : MicroscopeSettings
        Full well and read noise.
    """
    photons = np.asarray(level) / microscope.full_well_e
    return np.sqrt(photons + (microscope.read_noise_e / microscope.full_well_e) ** 2 + 1 / (12 * FULL_SCALE**2))
