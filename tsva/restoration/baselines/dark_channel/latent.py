"""The latent image for a given kernel: sparse dark channel and sparse gradients."""

from __future__ import annotations

import numpy as np
from scipy import fft

from tsva.restoration.baselines.dark_channel.channel import dark_channel, darkened
from tsva.restoration.baselines.dark_channel.l0 import gradient_power, with_few_gradients
from tsva.restoration.baselines.kernels import otf_of

LARGEST_COUPLING = 8.0
"""Half-quadratic coupling m at which image and dark channel count as agreed."""


def otsu_level(image: np.ndarray) -> float:
    """Threshold in [0, 1] between the two classes of an image's 8-bit histogram that are farthest apart.

    Parameters
    ----------
    image : float array
        Clipped to [0, 1].

    Returns
    -------
    float
        The upper edge of the lower class; the mean of all thresholds that separate equally well.

    References
    ----------
    Otsu (1979), IEEE Trans. SMC 9, 62-66.
    """
    counts = np.bincount(np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(int).ravel(), minlength=256)
    share = counts / counts.sum()
    below = np.cumsum(share)[:-1]
    first = np.cumsum(share * np.arange(256))
    mean, first = first[-1], first[:-1]
    both = below * (1 - below)
    between = np.divide((mean * below - first) ** 2, both, out=np.zeros(255), where=both > 0)
    return float(np.flatnonzero(between == between.max()).mean() / 255)


def latent_image(blurred: np.ndarray, kernel: np.ndarray, dark_weight: float, gradient_weight: float) -> np.ndarray:
    """Minimise |B - I∗k|² + λ |D(I)|_0 + μ |∇I|_0 over I.

    Parameters
    ----------
    blurred : (Y, X) float array
        B, in [0, 1], taken as periodic.
    kernel : (KY, KX) float array
        k, of sum one.
    dark_weight, gradient_weight : float
        λ and μ.

    Returns
    -------
    (Y, X) float array
        Not clipped.

    References
    ----------
    Pan et al. (2016), eqs. 8 to 14.
    """
    shape = (blurred.shape[0], blurred.shape[1])
    otf, power = otf_of(kernel, shape), gradient_power(shape)
    data, data_power = otf.conj() * fft.rfft2(blurred), np.abs(otf) ** 2
    # an almost black image has no level of its own; one grey level starts the coupling where it can still act
    coupling = dark_weight / max(otsu_level(blurred**2), 1 / 255)
    image = blurred
    while coupling < LARGEST_COUPLING:
        goal = darkened(image, dark_channel(image), dark_weight / coupling)
        image = with_few_gradients(
            image, data + coupling * fft.rfft2(goal), data_power + coupling, power, gradient_weight
        )
        coupling *= 2
    return image
