"""The grid of cells that a slide is measured and judged on, and how it is cut for its way through the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

CELL_PX = 64
"""Edge of a cell: 22 µm at 0.345 µm a pixel, two or three nuclei."""


@dataclass(frozen=True)
class CellGrid:
    """Cells of `CELL_PX` pixels from the slide's upper left corner on; those at the far edges may be smaller.

    Attributes
    ----------
    height, width : int
        Of the slide, in pixels.
    """

    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return -(-self.height // CELL_PX), -(-self.width // CELL_PX)

    def pixels(self, row: int, column: int) -> tuple[slice, slice]:
        """Pixels of a cell."""
        y, x = row * CELL_PX, column * CELL_PX
        return slice(y, min(y + CELL_PX, self.height)), slice(x, min(x + CELL_PX, self.width))

    def within(self, y: int, x: int, height: int, width: int) -> tuple[slice, slice]:
        """Cells that lie wholly in a region of the slide; a cell that the slide's edge cuts counts as what is there."""
        return _within(y, height, self.height), _within(x, width, self.width)

    def touched(self, y: int, x: int, height: int, width: int) -> tuple[slice, slice]:
        """Cells that a region of the slide has a pixel of."""
        return (
            slice(y // CELL_PX, -(-(y + height) // CELL_PX)),
            slice(x // CELL_PX, -(-(x + width) // CELL_PX)),
        )


def _within(start: int, length: int, whole: int) -> slice:
    first = -(-start // CELL_PX)
    stop = start + length
    last = -(-whole // CELL_PX) if stop >= whole else stop // CELL_PX
    return slice(first, max(first, last))


def filled(values: np.ndarray, known: np.ndarray, otherwise: float) -> np.ndarray:
    """Cells without a value are given the weighted mean of those around them.

    Parameters
    ----------
    values : (R, K) float array
    known : (R, K) bool array
    otherwise : float
        Where there is none at all.

    Returns
    -------
    (R, K) float32 array
    """
    found = np.where(known, values, 0).astype(np.float64)
    missing, sigma = ~known, 1.0
    while missing.any():
        if sigma > 2 * max(values.shape):
            found[missing] = np.mean(values[known]) if known.any() else otherwise
            break
        total = gaussian_filter(np.where(known, values, 0).astype(np.float64), sigma, mode="constant")
        weight = gaussian_filter(known.astype(np.float64), sigma, mode="constant")
        near = missing & (weight > 1e-3)
        found[near] = total[near] / weight[near]
        missing &= ~near
        sigma *= 2
    return found.astype(np.float32)


def smoothed(values: np.ndarray, weights: np.ndarray, sigma_cells: float) -> np.ndarray:
    """Weighted Gaussian means; (R, K) arrays. Cells far from any weight keep their value."""
    total = gaussian_filter((values * weights).astype(np.float64), sigma_cells, mode="nearest")
    weight = gaussian_filter(weights.astype(np.float64), sigma_cells, mode="nearest")
    return np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), values).astype(np.float32)


def per_pixel(cells: np.ndarray, y: int, x: int, height: int, width: int) -> np.ndarray:
    """Values of a region's pixels, linear between the middles of cells and constant beyond.

    Parameters
    ----------
    cells : (R, K) float array
        Of the whole slide.
    y, x, height, width : int
        The region.

    Returns
    -------
    (height, width) float32 array
    """
    part = cells[_around(y, height, cells.shape[0])].astype(np.float32)
    # the other way round, the last step would be along the pixels of a row, in twice the time
    along = _between(part.T[_around(x, width, cells.shape[1])], x, width)
    return _between(along.T, y, height)


def _around(first: int, count: int, cells: int) -> np.ndarray:
    """Cells along an axis between whose middles pixels lie; those at the ends stand for the ones beyond."""
    half = CELL_PX // 2
    return np.clip(np.arange((first - half) // CELL_PX, (first + count - 1 - half) // CELL_PX + 2), 0, cells - 1)


def _between(around: np.ndarray, first: int, count: int) -> np.ndarray:
    """(count, N) float32: rows of pixels between the middles of rows of cells, those of `_around`, (R, N)."""
    share = ((np.arange(CELL_PX) + 0.5) / CELL_PX).astype(np.float32)
    # rows that lie together, and one large array in place of two: a fifth of the time
    around = np.ascontiguousarray(around)
    found = (around[1:] - around[:-1])[:, None] * share[:, None]
    found += around[:-1, None]
    return np.asarray(found.reshape(-1, around.shape[1])[(first - CELL_PX // 2) % CELL_PX :][:count])


JUDGED_PX = 64
"""Around a core, results are judged so far: one cell, as the blend in a cell depends on its neighbours' verdicts."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the slide's pixels."""

    y: int
    x: int
    height: int
    width: int

    def grown(self, margin: int, shape: tuple[int, int]) -> Box:
        """With so many pixels more on each side, within a slide of this shape."""
        y, x = max(self.y - margin, 0), max(self.x - margin, 0)
        bottom, right = min(self.y + self.height + margin, shape[0]), min(self.x + self.width + margin, shape[1])
        return Box(y, x, bottom - y, right - x)

    def within(self, other: Box) -> Box:
        """What both have in common."""
        y, x = max(self.y, other.y), max(self.x, other.x)
        bottom = min(self.y + self.height, other.y + other.height)
        right = min(self.x + self.width, other.x + other.width)
        return Box(y, x, max(bottom - y, 0), max(right - x, 0))

    def cut(self, pixels: np.ndarray, frame: Box) -> np.ndarray:
        """This part of pixels, (Y, X, …), that cover `frame`."""
        y, x = self.y - frame.y, self.x - frame.x
        return pixels[y : y + self.height, x : x + self.width]


def box_of(chosen: np.ndarray, first: tuple[int, int] = (0, 0)) -> Box:
    """The least box of pixels about chosen cells, (R, K) bool, of which the first lies at a row and column of cells."""
    (top, bottom), (left, right) = (
        (int(found[0]), int(found[-1]) + 1) if len(found := np.flatnonzero(chosen.any(axis=axis))) else (0, 0)
        for axis in (1, 0)
    )
    return Box(*(CELL_PX * n for n in (first[0] + top, first[1] + left, bottom - top, right - left)))


@dataclass(frozen=True)
class Unit:
    """What goes through the network at once.

    Attributes
    ----------
    row, column : int
        In the grid of units.
    core : Box
        What is kept.
    judged : Box
        What is judged: the core and `JUDGED_PX` around it, in whole cells of the network.
    restored : Box
        What the network gets: `judged` and its halo.
    read : Box
        What is read: `restored`, and what aligning the shots needs around it.
    """

    row: int
    column: int
    core: Box
    judged: Box
    restored: Box
    read: Box


def whole_cells(margin_px: int, multiple: int) -> int:
    """A margin, rounded up to whole cells of a network."""
    return -(-margin_px // multiple) * multiple


def units(
    shape: tuple[int, int],
    core_px: int,
    *,
    halo_px: int,
    multiple: int,
    align_px: int,
    origin: tuple[int, int] = (0, 0),
) -> Iterator[Unit]:
    """All units of a slide, row by row.

    Parameters
    ----------
    shape : (int, int)
        Of the slide.
    core_px : int
        Edge of the cores: whole cells of trust and of the network.
    halo_px, multiple : int
        Of the network.
    align_px : int
        Margin that aligning needs.
    origin : (int, int)
        Where the grid of cores begins, in (-core_px, 0]: whole cells of trust. The result does not depend on it.
    """
    judged_px, halo = (whole_cells(margin, multiple) for margin in (JUDGED_PX, halo_px))
    for row, top in enumerate(range(origin[0], shape[0], core_px)):
        for column, left in enumerate(range(origin[1], shape[1], core_px)):
            y, x = max(top, 0), max(left, 0)
            core = Box(y, x, min(top + core_px, shape[0]) - y, min(left + core_px, shape[1]) - x)
            judged = core.grown(judged_px, shape)
            restored = judged.grown(halo, shape)
            yield Unit(row, column, core, judged, restored, restored.grown(align_px, shape))
