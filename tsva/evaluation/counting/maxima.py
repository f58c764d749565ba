"""Maxima of a Euclidean distance map, as ImageJ finds them for its watershed.

All arrays here are padded by one pixel on each side.
"""

from __future__ import annotations

import numpy as np

TOLERANCE_PX = np.float32(0.5)
"""A maximum protrudes by more than this from the ridge to a higher one."""
SQRT2 = np.float32(1.4142135624)
SORTING_ERROR_PX = np.float32(1.1) * (SQRT2 / np.float32(2))
"""Heights sorted by distance alone may be out of order by as much."""


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
