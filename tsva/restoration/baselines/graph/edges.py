"""Edges worth learning a kernel from: strong, and wider than what a kernel would smear."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

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


def worthy(down: np.ndarray, right: np.ndarray, strong_share: float, useful_share: float) -> np.ndarray:
    """Pixels whose gradient tells of the kernel.

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
