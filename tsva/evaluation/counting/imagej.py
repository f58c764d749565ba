"""ImageJ's four steps on one image."""

from __future__ import annotations

import numpy as np

from tsva.evaluation.counting.grey import contrast_table, grey, histogram
from tsva.evaluation.counting.particles import Particles, fill_holes, particles
from tsva.evaluation.counting.threshold import threshold
from tsva.evaluation.counting.watershed import watershed
from tsva.settings.count import CountSettings


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
