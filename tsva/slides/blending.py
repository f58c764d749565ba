"""A unit's pixels, of what was restored and of both shots, and small pictures of them."""

from __future__ import annotations

import numpy as np

from tsva.slides.stored_tiles import halved

ROWS_AT_ONCE = 32
"""Rows of pixels whose intermediate values stay in the cache."""
THUMBNAIL_PX = 1200
"""Pictures of a whole slide are no larger."""


def blended(
    low: np.ndarray, high: np.ndarray, restored: np.ndarray, share_of_high: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The result, and the copy of the nearer shot.

    Parameters
    ----------
    low, high : (Y, X, C) uint8 arrays
    restored : (Y, X, C) float32 array
        In [0, 1].
    share_of_high, weight : (Y, X) float32 arrays
        Of the high shot in the copy, and of what is restored in the result.

    Returns
    -------
    blended, copied : (Y, X, C) uint8 arrays
    """
    pixels, before = (np.empty(low.shape, np.uint8) for _ in range(2))
    for first in range(0, len(low), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        share, of_restored = share_of_high[rows], weight[rows]
        for channel in range(low.shape[2]):
            copied = low[rows, :, channel].astype(np.float32)
            if share.any():
                other = high[rows, :, channel].astype(np.float32)
                other -= copied
                other *= share
                copied += other
            before[rows, :, channel] = np.rint(copied)
            if of_restored.any():
                mixed = restored[rows, :, channel] * np.float32(255)
                mixed -= copied
                mixed *= of_restored
                copied += mixed
            pixels[rows, :, channel] = np.rint(copied, out=copied)
    return pixels, before


def thumbnail_level(shape: tuple[int, int]) -> int:
    """The finest level of a slide's pyramid that is small enough for a page, and that cores are whole pixels of."""
    return next((level for level in range(9) if max(shape) >> level <= THUMBNAIL_PX), 9)


def shape_at(shape: tuple[int, int], level: int) -> tuple[int, int]:
    """Height and width of a slide that was halved so many times, rounded up."""
    return -(-shape[0] // (1 << level)), -(-shape[1] // (1 << level))


def reduced(pixels: np.ndarray, level: int) -> np.ndarray:
    """Halved so many times."""
    for _ in range(level):
        pixels = halved(pixels)
    return pixels
