"""How noisy a shot is, read from its finest structures."""

from __future__ import annotations

import numpy as np

from tsva.restoration.baselines.spectra import colours, power_of

CORNER = 0.9
"""Share of the highest frequency there is (the spectrum's corners), beyond which hardly anything but noise is left."""
LEAST_VARIANCE = 1 / 12 / 255**2
"""Rounding to 8 bits."""


def noise_variance(spectrum: np.ndarray, radius_per_um: np.ndarray, samples: float) -> np.ndarray:
    """Variance of white noise in each colour of an image.

    Parameters
    ----------
    spectrum : (C, Y, X // 2 + 1) complex array
        Of an image in [0, 1].
    radius_per_um : (Y, X // 2 + 1) float array
    samples : float
        Pixels that the spectrum is of (under a window: the sum of its squares): |spectrum|² over this is power spectral
        density at unit spacing.

    Returns
    -------
    (C,) float array
        An upper bound: what tissue has in the corners counts as noise. The median of |spectrum|² is ln 2 of its mean.
    """
    corner = radius_per_um > CORNER * radius_per_um.max()
    power = np.median(power_of(spectrum[:, corner]), axis=1) / np.log(2) / samples
    return np.maximum(power, LEAST_VARIANCE)


def of_channels(by_colour: np.ndarray, channels: int) -> np.ndarray:
    """What belongs to an image's channels, of an array that has red, green and blue first."""
    return by_colour[list(colours(channels))]
