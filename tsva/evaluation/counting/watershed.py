"""ImageJ's watershed of binary images: particles parted at their necks.

The Euclidean distance map's maxima grow downhill, level by level, and stop one pixel short of each other. A maximum
counts if the way to a higher one dips by more than half a pixel, measured on heights that are corrected for ridges that
run between pixels. The steps and their order are those of ImageJ 1.53 (Find Maxima, "Segmented Particles", on the
distance map), so that the lines fall on the same pixels.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

TOLERANCE_PX = np.float32(0.5)
"""A maximum protrudes by more than this from the ridge to a higher one."""
SQRT2 = np.float32(1.4142135624)
SORTING_ERROR_PX = np.float32(1.1) * (SQRT2 / np.float32(2))
"""Heights sorted by distance alone may be out of order by as much."""
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
    # Padding by one pixel spares every step a test for the image's border; it is marked where it matters.
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


def ridge_heights(distance: np.ndarray) -> np.ndarray:
    """Distance at the true crest near each pixel, which may run between pixels.

    Parameters
    ----------
    distance : (Y + 2, X + 2) float32 array
        Distance map.

    Returns
    -------
    (Y + 2, X + 2) float32 array
        Raised by at most half a diagonal on ridges and maxima; the image's outermost pixels keep their distance.
    """
    height = distance + np.float32(0.5) * SQRT2
    ridge = np.zeros(distance.shape, bool)
    for (dy, dx), step in (((1, 0), 1), ((1, -1), SQRT2), ((0, 1), 1), ((1, 1), SQRT2)):
        one, other = np.roll(distance, (dy, dx), (0, 1)), np.roll(distance, (-dy, -dx), (0, 1))
        crest = (distance >= one) & (distance >= other)
        ridge |= crest
        base = np.where(crest, (one + other) / np.float32(2), np.minimum(one, other))
        height = np.minimum(height, base + np.float32(step))
    out = np.where(ridge & (distance > 0), height, distance)
    for border in (np.s_[:2], np.s_[-2:], np.s_[:, :2], np.s_[:, -2:]):
        out[border] = distance[border]
    return out


def find_maxima(distance: np.ndarray, heights: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maxima that protrude, with the pixels about them that lie within the tolerance.

    Parameters
    ----------
    distance, heights : (Y + 2, X + 2) float32 arrays
        Distance map, and its heights by :func:`ridge_heights`.
    inside : (Y + 2, X + 2) bool array
        The image proper.

    Returns
    -------
    candidates : (N,) int array
        All local maxima as flat indices, highest first.
    areas : (Y + 2, X + 2) bool array
        The areas about those that protrude.
    """
    candidates = _local_maxima(distance, heights, inside)
    width = distance.shape[1]
    around = _around(width)
    height = heights.ravel().tolist()
    tolerance, error = float(TOLERANCE_PX), float(SORTING_ERROR_PX)
    # 0: free, 1: listed in the search that is running, 2: processed; outside counts as listed
    state = np.where(inside, 0, 1).astype(np.uint8).ravel()
    area = np.zeros(state.shape, bool)
    for start in candidates.tolist():
        if state[start] == 2:
            continue
        while True:
            found, possible, higher = _explore(start, height, state, around, tolerance, error)
            if higher is None:
                break
            state[found] = 0
            start = higher  # a higher maximum was met: it goes first
        state[found] = 2
        area[found] |= possible
    return candidates, area.reshape(distance.shape)


def _explore(
    start: int, height: list[float], state: np.ndarray, around: tuple[int, ...], tolerance: float, error: float
) -> tuple[list[int], bool, int | None]:
    """List the pixels about a maximum that lie within the tolerance of it.

    Returns
    -------
    found : list of int
        The pixels, in the order of the search.
    possible : bool
        Whether this is a maximum: no higher and no processed pixel was met.
    higher : int or None
        A somewhat higher pixel among those found, from which the search has to start anew.
    """
    top, possible, higher = height[start], True, None
    found = [start]
    state[start] = 1
    for pixel in found:
        for step in around:
            near = pixel + step
            if state[near] == 1:
                continue
            if state[near] == 2:
                possible = False
                break
            value = height[near]
            if value > top + error:
                possible = False
                break
            if value >= top - tolerance:
                if value > top:
                    higher, top = near, value
                found.append(near)
                state[near] = 1
    return found, possible, higher


def flatten_small_maxima(levels: np.ndarray, candidates: np.ndarray, areas: np.ndarray, inside: np.ndarray) -> None:
    """Lower each maximum that doesn't protrude to the saddle that leads to one that does, in place.

    Parameters
    ----------
    levels : (Y + 2, X + 2) int array
        Distances as whole numbers, 0 background.
    candidates : (N,) int array
        Local maxima as flat indices, highest first.
    areas : (Y + 2, X + 2) bool array
        Areas about the maxima that protrude.
    inside : (Y + 2, X + 2) bool array
        The image proper.
    """
    flat = levels.ravel()
    around = _around(levels.shape[1])
    outside, area = ~inside.ravel(), areas.ravel()
    eliminated = np.zeros(flat.shape, bool)
    for start in candidates.tolist():
        if area[start] or eliminated[start]:
            continue
        points, level = _down_to_saddle(start, flat, area, eliminated, outside, around)
        flat[points] = level
        eliminated[points] = True


def _down_to_saddle(
    start: int,
    flat: np.ndarray,
    area: np.ndarray,
    eliminated: np.ndarray,
    outside: np.ndarray,
    around: tuple[int, ...],
) -> tuple[list[int], int]:
    """Pixels above the saddle between a small maximum and a true one, and the saddle's level."""
    found, listed = [start], {start}
    for level in range(int(flat[start]), -1, -1):
        above = len(found)
        for pixel in found:
            for step in around:
                near = pixel + step
                if near in listed or outside[near]:
                    continue
                if area[near] or (eliminated[near] and flat[near] >= level):
                    return found[:above], level
                if flat[near] >= level and not eliminated[near]:
                    found.append(near)
                    listed.add(near)
    return found[:above], 0


def _local_maxima(distance: np.ndarray, heights: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Pixels without a neighbour that is higher in both maps, highest first; of equals the last in the image first."""
    is_maximum = inside & (distance > 0)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near, near_height = np.roll(distance, (dy, dx), (0, 1)), np.roll(heights, (dy, dx), (0, 1))
            is_maximum &= ~((near > distance) & (near_height > heights))
    index = np.flatnonzero(is_maximum)
    # ImageJ sorts by 32-bit whole numbers: height over the largest distance, times 2e9, cut off at 2^31 - 1.
    scaled = heights.ravel()[index] * np.float32(2e9 / distance.max())
    value = np.minimum(scaled.astype(np.float64), 2**31 - 1).astype(np.int64)
    return index[np.lexsort((index, value))][::-1]


def _around(width: int) -> tuple[int, ...]:
    """Flat steps to the eight neighbours: above, and on clockwise."""
    return (-width, -width + 1, 1, width + 1, width, width - 1, -1, -width - 1)
