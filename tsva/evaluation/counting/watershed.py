"""ImageJ's watershed of binary images: particles parted at their necks.

The Euclidean distance map's maxima grow downhill, level by level, and stop one pixel short of each other. A maximum
counts if the way to a higher one dips by more than half a pixel, measured on heights that are corrected for ridges that
run between pixels. The steps and their order are those of ImageJ 1.53 (Find Maxima, "Segmented Particles", on the
distance map), so that the lines fall on the same pixels.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from tsva.evaluation.counting.maxima import find_maxima, flatten_small_maxima, ridge_heights

GROWN = 255
ORDER = (7, 3, 1, 5, 0, 4, 2, 6)
"""Directions of growth, diagonals first; 0 is up, and on clockwise."""
STEPS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
"""Neighbours (y, x): 0 is above, and on clockwise."""


def watershed(mask: np.ndarray) -> np.ndarray:
    """Part touching particles.

    Parameters
    ----------
    mask : (Y, X) bool array
        Foreground.

    Returns
    -------
    (Y, X) bool array
        Foreground without the lines between its parts. Unchanged, if there is no background to measure distances from.
    """
    if mask.all() or not mask.any():
        return mask.copy()
    # Padding by one pixel spares every step a test for the image's border; it is marked where it has to be told apart.
    distance = np.pad(ndimage.distance_transform_edt(mask).astype(np.float32), 1)
    inside = np.pad(np.ones(mask.shape, bool), 1)
    heights = ridge_heights(distance)
    candidates, areas = find_maxima(distance, heights, inside)
    levels = _levels(distance, areas)
    flatten_small_maxima(levels, candidates, areas, inside)
    _grow(levels, inside)
    return levels[1:-1, 1:-1] == GROWN


def _levels(distance: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Distances as whole numbers: 0 background, 1 … 254, 255 on the areas about maxima."""
    highest = float(distance.max())
    scale = min(1.0, 253 / (highest - 1)) if highest > 1 else 1.0
    base = 1 - (highest - 1) * (1 / 253 / 2 - 1e-6)
    rounded = 1 + np.floor((distance.astype(float) - base) * scale + 0.5).astype(int)
    levels = np.where(areas, GROWN, np.clip(rounded, 1, 254))
    return np.where(distance < 0.5, 0, levels)


def _growth_table() -> np.ndarray:
    """Directions of growth that may fill a pixel, for each of 256 neighbourhoods (bit d: neighbour d is grown).

    Growth in a direction fills a pixel whose neighbour behind it is grown, unless the grown neighbours form more than
    one group, which the pixel would join.
    """
    grown = (np.arange(256)[:, None] >> np.arange(8)) & 1 > 0
    joined = grown.copy()  # a side does for the corners next to it
    for side in range(0, 8, 2):
        joined[:, (side + 1) % 8] |= grown[:, side]
        joined[:, (side + 7) % 8] |= grown[:, side]
    single = (joined != np.roll(joined, -1, axis=1)).sum(axis=1) < 4
    return np.roll(grown, -4, axis=1) & single[:, None]


GROWTH = _growth_table()


def _grow(levels: np.ndarray, inside: np.ndarray) -> None:
    """Grow the maxima's areas down the levels, in place; lines keep their level."""
    width = levels.shape[1]
    flat = levels.ravel()
    around = np.array([y * width + x for y, x in STEPS])
    edge = inside & ~ndimage.binary_erosion(inside, np.ones((3, 3), bool))
    # Pixels that stay unreached are tried again on the next level, if they lie at the border or at the background.
    at_edge = (edge | (ndimage.binary_dilation(inside & (levels == 0), np.ones((3, 3), bool)))).ravel()
    order = np.flatnonzero((flat > 0) & (flat < GROWN))
    tasks = {int(level): order[flat[order] == level] for level in np.unique(flat[order])}
    left = np.array([], int)
    for level in sorted(tasks, reverse=True):
        left = _grow_level(flat, np.concatenate([tasks[level], left]), around)
        left = left[at_edge[left]]


def _grow_level(flat: np.ndarray, points: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Grow into the points of one level in all directions in turn, until a whole turn reaches none; return the rest."""
    bits = 1 << np.arange(8)
    turn, idle = 0, 0
    while len(points) and idle <= 8:
        neighbourhood = ((flat[points[:, None] + around] == GROWN) * bits).sum(axis=1)
        filled = GROWTH[neighbourhood, ORDER[turn % 8]]
        flat[points[filled]] = GROWN
        points = points[~filled]
        idle = 1 if filled.any() else idle + 1
        turn += 1
    return points
