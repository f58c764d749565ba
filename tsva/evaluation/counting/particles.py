"""ImageJ's "Fill Holes" and "Analyze Particles"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

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
