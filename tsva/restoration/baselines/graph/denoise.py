"""Anisotropic total variation: the noise goes before the kernel is looked for."""

from __future__ import annotations

import numpy as np
from scipy import fft

PAD_PX = 16
"""Border repeated on each side, so that the periodic solution has forgotten the opposite border when it reaches the
image (its Green's function falls by six a pixel)."""


def soft(values: np.ndarray, threshold: float) -> np.ndarray:
    """Values drawn towards zero by a threshold."""
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0)


def denoised(image: np.ndarray, weight: float, penalty: float, iterations: int) -> np.ndarray:
    """Minimise |u - y|² / 2 + weight |∇u|₁ by split Bregman iterations.

    Parameters
    ----------
    image : (Y, X) float array
    weight : float
        Of the total variation, for grey levels in [0, 1].
    penalty : float
        Of the splitting |d - ∇u + b|² / 2.
    iterations : int
        Few; they are part of the method.

    Returns
    -------
    (Y, X) float array

    References
    ----------
    Goldstein & Osher (2009), SIAM J. Imaging Sci. 2, 323-343, section 4.
    """
    y = np.pad(image, PAD_PX, mode="edge")
    rows, columns = (2 - 2 * np.cos(2 * np.pi * np.arange(size) / size) for size in y.shape)
    denominator = 1 + penalty * np.add.outer(rows, columns[: y.shape[1] // 2 + 1])
    split = [np.zeros_like(y), np.zeros_like(y)]
    bregman = [np.zeros_like(y), np.zeros_like(y)]
    u = y
    for _ in range(iterations):
        right = y.copy()
        for axis in (0, 1):
            flow = split[axis] - bregman[axis]
            right += penalty * (np.roll(flow, 1, axis) - flow)
        u = fft.irfft2(fft.rfft2(right) / denominator, y.shape)
        for axis in (0, 1):
            total = np.roll(u, -1, axis) - u + bregman[axis]
            split[axis] = soft(total, weight / penalty)
            bregman[axis] = total - split[axis]
    return u[PAD_PX:-PAD_PX, PAD_PX:-PAD_PX]
