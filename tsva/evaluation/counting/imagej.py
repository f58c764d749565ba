"""ImageJ's four steps on one image: grey values, contrast, threshold, and particles with their holes filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tsva.evaluation.counting.threshold import threshold
from tsva.evaluation.counting.watershed import watershed
from tsva.settings.evaluation import CountSettings

EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Particles:
    """What was counted in one image.

    Attributes
    ----------
    labels : (Y, X) int32 array
        1 … N on the particles counted, 0 elsewhere.
    area_px : (N,) int array
        Pixels of each.
    y_px, x_px : (N,) float arrays
        Centroids; the middle of the upper left pixel is (0.5, 0.5), as in ImageJ.
    """

    labels: np.ndarray
    area_px: np.ndarray
    y_px: np.ndarray
    x_px: np.ndarray

    @property
    def count(self) -> int:
        """How many."""
        return len(self.area_px)

    @property
    def centres_px(self) -> np.ndarray:
        """Centroids (y, x), (N, 2)."""
        return np.column_stack([self.y_px, self.x_px])

    @property
    def radius_px(self) -> np.ndarray:
        """Radius of a disk of each one's area, (N,)."""
        radius: np.ndarray = np.sqrt(self.area_px / np.pi)
        return radius

    def outlines(self) -> np.ndarray:
        """Pixels of particles with a neighbour (of four) that isn't of the same particle, (Y, X) bool."""
        padded = np.pad(self.labels, 1)
        inner = padded[1:-1, 1:-1]
        same = np.ones(inner.shape, bool)
        for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
            same &= np.roll(padded, shift, axis)[1:-1, 1:-1] == inner
        return (inner > 0) & ~same


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill background that isn't connected to the image's border through sides of pixels.

    Parameters
    ----------
    mask : (Y, X) bool array
        Foreground.

    Returns
    -------
    (Y, X) bool array
        Foreground and its holes.
    """
    background, regions = ndimage.label(~mask)
    outer = np.zeros(regions + 1, bool)
    outer[_on_border(background)] = True
    outer[0] = False
    return ~outer[background]


def particles(
    mask: np.ndarray,
    *,
    min_area_px: float = 0,
    max_area_px: float = np.inf,
    exclude_edges: bool = False,
    include_holes: bool = False,
) -> Particles:
    """Count the connected regions of a mask; pixels that touch at corners are connected.

    Parameters
    ----------
    mask : (Y, X) bool array
        Foreground.
    min_area_px, max_area_px : float
        Sizes counted, both included.
    exclude_edges : bool
        Leave out what touches the image's border.
    include_holes : bool
        Count holes as area of the particle around them, with whatever lies in them.

    Returns
    -------
    Particles
        In order of their first pixel.
    """
    # Particles are 8-connected and holes 4-connected, so each hole is closed by one particle: one fill does for all.
    labels, found = ndimage.label(fill_holes(mask) if include_holes else mask, EIGHT)
    area = np.bincount(labels.ravel(), minlength=found + 1)
    keep = (area >= min_area_px) & (area <= max_area_px)
    keep[0] = False
    if exclude_edges:
        keep[_on_border(labels)] = False
    number = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return measured(number[labels])


def measured(labels: np.ndarray) -> Particles:
    """Areas and centroids of labelled pixels.

    Parameters
    ----------
    labels : (Y, X) int array
        1 … N on particles, each number in use; 0 elsewhere.

    Returns
    -------
    Particles
        In order of their labels.
    """
    y, x = np.nonzero(labels)
    of = labels[y, x]
    area_px = np.bincount(of)[1:]
    centre_y, centre_x = (np.bincount(of, axis)[1:] / area_px + 0.5 for axis in (y, x))
    return Particles(labels, area_px, centre_y, centre_x)


def _on_border(labels: np.ndarray) -> np.ndarray:
    return np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])


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
    """(256,) int: pixels of a (Y, X) uint8 image at each grey value."""
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
