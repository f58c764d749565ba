"""Piecewise-linear framelets: a kernel is the sum of few."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

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
