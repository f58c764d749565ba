"""Where the shift jumps inside a tile: which of its neighbours' shifts each part of the tile has.

Scanners stitch each plane by itself, of fields whose borders are straight. A tile is therefore of one shift, or it is
parted by a vertical line, a horizontal one, or both. Every parting is weighed by how well the shots then agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from tsva.slides.plane_shift import TILE_PX

BLOCK_PX = 16
"""Lines lie between blocks of this edge."""
BLOCKS = TILE_PX // BLOCK_PX
MARGIN_PX = 48
"""Pixels that are read around a tile: the filters' reach, and shifts."""
FINE_PX, COARSE_PX = 2.5, 12.0
"""Standard deviations of the band of detail that counts, up to a tenth of a cycle a pixel: there both transfer
functions are positive up to 2.5 µm of defocus at NA 0.75."""
DEPENDENT_PX = 2 * 4 * np.pi * FINE_PX**2
"""Pixels that count as one: the filter smears them, and defocus makes errors of one sign side by side."""
LINE_COST, CROSS_COST = 6.0, 12.0
"""Natural logarithm of how much less likely a line, and two that cross, are held to be before anything is seen."""
SURE = 0.99
"""Probability from which on a block's shift is used."""


@dataclass(frozen=True)
class Parting:
    """Shifts of the blocks of a tile.

    Attributes
    ----------
    label : (BLOCKS, BLOCKS) int array
        Number of the shift among the candidates.
    sure : (BLOCKS, BLOCKS) bool array
        Whether the evidence decides on it.
    """

    label: np.ndarray
    sure: np.ndarray


def parted(low: np.ndarray, high: np.ndarray, candidates: np.ndarray, growth: float) -> Parting:
    """Which candidate each block of a tile has.

    Parameters
    ----------
    low, high : (TILE_PX + 2 MARGIN_PX,) * 2 float arrays
        Grey levels in [0, 1]; the tile lies in the middle.
    candidates : (K, 2) float array
        Shifts, y and x, at the tile's middle: what lies at p in `low` lies at p + shift in `high`.
    growth : float
        Shift that the scale adds along a tile, in pixels.
    """
    one, two = (gaussian_filter(shot, FINE_PX) - gaussian_filter(shot, COARSE_PX) for shot in (low, high))
    one = one[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    away = np.arange(TILE_PX) - (TILE_PX - 1) / 2
    places = np.arange(TILE_PX) + MARGIN_PX + growth * away / TILE_PX
    products, squares = np.empty((2, len(candidates), TILE_PX, TILE_PX))
    for number, (y, x) in enumerate(candidates):
        at = np.meshgrid(places + y, places + x, indexing="ij")
        moved = map_coordinates(two, np.stack(at), order=3, mode="mirror")
        products[number], squares[number] = one * moved, moved**2
    gain = products.sum(axis=(1, 2)).max() / squares.mean(axis=0).sum()
    left = _blocks(one**2 - 2 * gain * products + gain**2 * squares)  # (K, BLOCKS, BLOCKS)
    # what the blocks differ by where each has its best shift is no evidence: defocus and noise
    spread = max(float(left.min(axis=0).mean()) / BLOCK_PX**2, 1e-12)
    return _weighed(left / (2 * spread * DEPENDENT_PX))


def _blocks(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), BLOCKS, BLOCK_PX, BLOCKS, BLOCK_PX).sum(axis=(2, 4))


def _weighed(cost: np.ndarray) -> Parting:
    """The likeliest candidate of each block, over all partings; `cost` is a negative logarithm, (K, BLOCKS, BLOCKS)."""
    count = len(cost)
    sums = np.zeros((count, BLOCKS + 1, BLOCKS + 1))
    sums[:, 1:, 1:] = cost.cumsum(axis=1).cumsum(axis=2)
    lines = range(1, BLOCKS)
    partings: list[tuple[float, int, int, tuple[int, int, int, int]]] = []
    for k in range(count):
        partings.append((sums[k, -1, -1], BLOCKS, BLOCKS, (k, k, k, k)))
    for line, (a, b) in product(lines, product(range(count), repeat=2)):
        if a != b:
            across, along = sums[a, line, -1] - sums[b, line, -1], sums[a, -1, line] - sums[b, -1, line]
            partings.append((sums[b, -1, -1] + across + LINE_COST, line, BLOCKS, (a, a, b, b)))
            partings.append((sums[b, -1, -1] + along + LINE_COST, BLOCKS, line, (a, b, a, b)))
    for y, x in product(lines, lines):
        quarters = (
            sums[:, y, x],
            sums[:, y, -1] - sums[:, y, x],
            sums[:, -1, x] - sums[:, y, x],
            sums[:, -1, -1] - sums[:, y, -1] - sums[:, -1, x] + sums[:, y, x],
        )
        best = tuple(int(each.argmin()) for each in quarters)
        partings.append((float(sum(each.min() for each in quarters)) + CROSS_COST, y, x, best))  # type: ignore[arg-type]
    costs = np.array([each[0] for each in partings])
    chance = np.exp(costs.min() - costs)
    total = np.zeros((count, BLOCKS, BLOCKS))
    for share, (_, y, x, (a, b, c, d)) in zip(chance / chance.sum(), partings, strict=True):
        if share > 1e-6:
            total[a, :y, :x] += share
            total[b, :y, x:] += share
            total[c, y:, :x] += share
            total[d, y:, x:] += share
    return Parting(total.argmax(axis=0), total.max(axis=0) >= SURE)
