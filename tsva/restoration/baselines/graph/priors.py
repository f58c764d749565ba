"""What is known of images and kernels beforehand: little variation, wide strong edges, few framelets."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

PAD_PX = 16
"""Border repeated on each side, so that the periodic solution has forgotten the opposite border when it reaches the
image (its Green's function falls by six a pixel)."""


def soft(values: np.ndarray, threshold: float) -> np.ndarray:
    """Values (of any shape) drawn towards zero by a threshold."""
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


BOX_PX = 5
FLAT = 0.5
"""Gradient sum of a box that counts as nothing."""
SHARE_TOLERANCE = 0.1


def gradients(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forward differences down and right, (Y, X) each; zero in the last row (column)."""
    down, right = np.zeros_like(image), np.zeros_like(image)
    np.subtract(image[1:], image[:-1], out=down[:-1])
    np.subtract(image[:, 1:], image[:, :-1], out=right[:, :-1])
    return down, right


def top(values: np.ndarray, share: float) -> np.ndarray:
    """Where values are among the largest, by a threshold that is bisected until the share is met to ±10 %.

    Parameters
    ----------
    values : float array
        Not negative.
    share : float

    Returns
    -------
    bool array
        Nothing, where all values are equal.
    """
    low, high = 0.0, float(values.max())
    chosen = values > (low + high) / 2
    for _ in range(60):  # more would bisect beyond the precision of doubles
        middle = (low + high) / 2
        chosen = values > middle
        got = chosen.mean()
        if got > (1 + SHARE_TOLERANCE) * share:
            low = middle
        elif got < (1 - SHARE_TOLERANCE) * share:
            high = middle
        else:
            break
    return chosen


def salient_edges(down: np.ndarray, right: np.ndarray, strong_share: float, useful_share: float) -> np.ndarray:
    """Pixels whose gradient says something of the kernel.

    Parameters
    ----------
    down, right : (Y, X) float arrays
        Gradients of the skeleton image.
    strong_share : float
        Share of pixels whose gradient is strong.
    useful_share : float
        Share of pixels around which gradients point the same way: |Σ∇| / (Σ|∇| + 0.5) over 5×5 pixels is large; spikes
        and texture narrower than the kernel cancel (Xu & Jia 2010, eq. 2).

    Returns
    -------
    (Y, X) bool array
        Both at once.
    """
    strength = np.hypot(down, right)
    summed_down, summed_right, summed = (
        ndimage.uniform_filter(v, BOX_PX, mode="nearest") * BOX_PX**2 for v in (down, right, strength)
    )
    usefulness = np.hypot(summed_down, summed_right) / (summed + FLAT)
    return top(strength, strong_share) & top(usefulness, useful_share)


FILTERS = np.array([[1, 2, 1], [np.sqrt(2), 0, -np.sqrt(2)], [-1, 2, -1]]) / 4
"""Low pass and two high passes; their squared spectra add up to one (Ron & Shen 1997): synthesis undoes analysis."""


def analysed(image: np.ndarray) -> np.ndarray:
    """(9, Y, X) coefficients of a periodic (Y, X) image, one level, not decimated."""
    return np.stack(
        [
            ndimage.correlate1d(ndimage.correlate1d(image, rows, 0, mode="wrap"), columns, 1, mode="wrap")
            for rows in FILTERS
            for columns in FILTERS
        ]
    )


def synthesised(coefficients: np.ndarray) -> np.ndarray:
    """(Y, X) image of (9, Y, X) coefficients."""
    parts = [
        ndimage.convolve1d(
            ndimage.convolve1d(part, FILTERS[index // 3], 0, mode="wrap"), FILTERS[index % 3], 1, mode="wrap"
        )
        for index, part in enumerate(coefficients)
    ]
    return np.sum(parts, axis=0)


def sparse(image: np.ndarray, share: float) -> np.ndarray:
    """Image made of its largest coefficients alone.

    Parameters
    ----------
    image : (Y, X) float array
    share : float
        Of the 9 Y X coefficients; the number is rounded up.

    Returns
    -------
    (Y, X) float array
        May be slightly negative.
    """
    coefficients = analysed(image)
    size = np.abs(coefficients)
    count = int(np.ceil(share * size.size))
    least = np.partition(size, size.size - count, axis=None)[size.size - count]
    return synthesised(np.where(size >= least, coefficients, 0))
