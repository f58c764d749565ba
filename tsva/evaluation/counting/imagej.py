"""ImageJ's four steps on one image: grey values, contrast, threshold, particles."""

from __future__ import annotations

import numpy as np

from tsva.evaluation.counting.particles import Particles, fill_holes, particles
from tsva.evaluation.counting.threshold import threshold
from tsva.evaluation.counting.watershed import watershed
from tsva.settings.evaluation import CountSettings


def segment(image: np.ndarray, settings: CountSettings) -> np.ndarray:
    """Steps one to three: grey, contrast, threshold; holes filled and touching nuclei parted where asked.

    Parameters
    ----------
    image : (Y, X, C) uint8 array
        C is 1 or 3.
    settings : CountSettings
        The steps.

    Returns
    -------
    (Y, X) bool array
        What is darker than the background.
    """
    grey_image = grey(image)
    counts = histogram(grey_image)
    table = contrast_table(counts, settings)
    # The stretched image's histogram follows from the table: the image itself need not be made.
    stretched = np.bincount(table, counts, 256).astype(int)
    mask = (table <= threshold(stretched, settings.threshold))[grey_image]
    if settings.fill_holes:
        mask = fill_holes(mask)
    return watershed(mask) if settings.watershed else mask


def count(image: np.ndarray, settings: CountSettings, pixel_um: float) -> Particles:
    """All four steps: segment, then count particles.

    Parameters
    ----------
    image : (Y, X, C) uint8 array
        C is 1 or 3.
    settings : CountSettings
        The steps and the sizes counted.
    pixel_um : float
        Size of a pixel in the specimen, in micrometres.

    Returns
    -------
    Particles
        Nuclei as ImageJ counts them.
    """
    return particles(
        segment(image, settings),
        min_area_px=settings.min_area_um2 / pixel_um**2,
        max_area_px=settings.max_area_um2 / pixel_um**2,
        exclude_edges=settings.exclude_edges,
        include_holes=settings.include_holes,
    )


def grey(image: np.ndarray) -> np.ndarray:
    """ImageJ's "8-bit": the unweighted mean of red, green and blue, rounded.

    Parameters
    ----------
    image : (Y, X, C) uint8 array
        C is 1 or 3.

    Returns
    -------
    (Y, X) uint8 array
        floor(r/3 + g/3 + b/3 + 0.5).
    """
    if image.shape[-1] == 1:
        return image[..., 0]
    # A sum of 3k, 3k + 1 or 3k + 2 rounds to k, k or k + 1: whole numbers do.
    total = image[..., 0].astype(np.uint16)
    total += image[..., 1]
    total += image[..., 2]
    return ((total + 1) // 3).astype(np.uint8)


def histogram(grey_image: np.ndarray) -> np.ndarray:
    """Pixels at each of the 256 grey values."""
    return np.bincount(grey_image.ravel(), minlength=256)


def contrast_table(counts: np.ndarray, settings: CountSettings) -> np.ndarray:
    """What becomes of each grey value when contrast is stretched.

    Parameters
    ----------
    counts : (256,) int array
        The image's histogram.
    settings : CountSettings
        `contrast` and `saturated_percent`.

    Returns
    -------
    (256,) uint8 array
        Look-up table.
    """
    unchanged = np.arange(256, dtype=np.uint8)
    if settings.contrast == "none":
        return unchanged
    if settings.contrast == "minmax":
        low, high = _limits(counts, 0)
        return _stretched(low, high, 256)
    low, high = _limits(counts, int(counts.sum() * settings.saturated_percent / 200))
    if high <= low:
        return unchanged
    return _stretched(low, high, 255 if settings.contrast == "normalize" else 256)


def _limits(counts: np.ndarray, allowed: int) -> tuple[int, int]:
    """First value from either end with more than `allowed` pixels at or beyond it."""
    low = int(np.argmax(np.cumsum(counts) > allowed))
    high = 255 - int(np.argmax(np.cumsum(counts[::-1]) > allowed))
    return low, high


def _stretched(low: int, high: int, scale: int) -> np.ndarray:
    """0 up to `low`, 255 from `high`, between them int((i - low) / (high - low) · scale).

    The scale is 256 with "Apply", and 255 with "Normalize".
    """
    value = np.arange(256)
    between = ((value - low) / max(high - low, 1) * scale).astype(int)
    return np.where(value <= low, 0, np.where(value >= high, 255, between)).astype(np.uint8)
