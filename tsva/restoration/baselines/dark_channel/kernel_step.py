"""The kernel for a given latent image, from strong gradients."""

from __future__ import annotations

import numpy as np
from scipy import fft

from tsva.restoration.baselines.conjugate_gradient import conjugate_gradient
from tsva.restoration.baselines.kernels import cut, kernel_of, otf_of

BIN = 6e-5
"""Step between the squared gradients that are tried as threshold; the largest is 2."""
PIXELS_PER_KERNEL_PIXEL = 20
LEAST_PIXELS = 10
"""Pixels that each orientation keeps: the first times the kernel's edge, but at least the second."""
KERNEL_WEIGHT = 2.0
"""γ of the kernel's energy."""
ITERATIONS = 20
TOLERANCE = 1e-5
LEAST_SHARE = 0.05
"""Kernel values below this share of the maximum are noise."""


def differences(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of each pixel but the first ones to its left and upper neighbour, each (Y - 1, X - 1)."""
    inner = image[1:, 1:]
    return inner - image[1:, :-1], inner - image[:-1, 1:]


def first_threshold(image: np.ndarray, kernel_px: int) -> float:
    """Largest squared gradient that leaves enough pixels of each orientation.

    Parameters
    ----------
    image : (Y, X) float array
        In [0, 1].
    kernel_px : int
        Edge of the kernel.

    Returns
    -------
    float
        A multiple of `BIN`; zero where some orientation has too few pixels whatever the threshold.

    References
    ----------
    Cho & Lee (2009), Fast motion deblurring, ACM TOG 28, section 4.2.
    """
    x, y = differences(image)
    strength = x**2 + y**2
    wanted = max(PIXELS_PER_KERNEL_PIXEL * kernel_px, LEAST_PIXELS)
    product, lead = x * y, np.abs(y) - np.abs(x)
    # [0°, 45°), [45°, 90°), [90°, 135°), [135°, 180°); a gradient and its opposite are one orientation
    octants = (
        (product >= 0) & (lead < 0),
        (product > 0) & (lead >= 0),
        (product <= 0) & (lead > 0),
        (product < 0) & (lead <= 0),
    )
    reached = 2.0
    for octant in octants:
        values = strength[octant]
        if values.size < wanted:
            return 0.0
        reached = min(reached, np.partition(values, -wanted)[-wanted])
    return BIN * np.floor(reached / BIN)


def strong_gradients(image: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Gradients with squares of at least a threshold, others zero; and the threshold that left any.

    A threshold that nothing reaches is lowered by factors of 0.81, nine tenths of the gradient.
    """
    x, y = differences(image)
    strength = x**2 + y**2
    while 0 < strength.max() < threshold:
        threshold *= 0.81
    weak = strength < threshold
    x[weak] = 0
    y[weak] = 0
    return x, y, threshold


def kernel_step(
    blurred: tuple[np.ndarray, np.ndarray], latent: tuple[np.ndarray, np.ndarray], kernel_px: int
) -> np.ndarray:
    """Minimise Σ |∇B - k∗∇I|² + γ |k|² over k, then cut what is weak.

    Parameters
    ----------
    blurred, latent : (float array, float array)
        Gradients along x and y of blurred and latent image, all of one shape, taken as periodic.
    kernel_px : int
        Edge of the kernel, odd.

    Returns
    -------
    (kernel_px, kernel_px) float array
        Not negative, sum one.

    References
    ----------
    Pan et al. (2016), eq. 16, for gradients.
    """
    shape, size = (blurred[0].shape[0], blurred[0].shape[1]), (kernel_px, kernel_px)
    spectra = [fft.rfft2(values) for values in latent]
    power = np.abs(spectra[0]) ** 2 + np.abs(spectra[1]) ** 2
    right = spectra[0].conj() * fft.rfft2(blurred[0]) + spectra[1].conj() * fft.rfft2(blurred[1])
    kernel = conjugate_gradient(
        lambda k: kernel_of(power * otf_of(k, shape), shape, size) + KERNEL_WEIGHT * k,
        kernel_of(right, shape, size),
        np.full(size, 1 / kernel_px**2),
        ITERATIONS,
        tolerance=TOLERANCE,
    )
    return cut(kernel, LEAST_SHARE)
