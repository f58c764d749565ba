"""From shifts measured tile by tile to one shift for each cell: a scale, and a field that may jump between stitches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tsva.slides.grid import CELL_PX
from tsva.slides.plane_shift import BLOCKS, TILE_PX, Parting, parted

TRUSTED_PX = 0.1
"""Standard error up to which a tile's shift counts."""
FLOOR_PX = 0.015
"""No tile's shift is known better than this: sections have depth, and defocus moves their layers differently."""
STRAY_PX = 0.06
"""Tiles whose shifts differ by some of these belong to different stitches."""
SAME_PX = 0.12
"""Neighbouring tiles that differ by more lie on two sides of a jump."""
MOST_GROWTH_PX = 0.6
"""A scale of 1.0023: planes a micrometre apart are of no more; a jump inside a row of tiles may look like that."""
MOST_STEPS = 1500
"""Of a large slide so many differences, evenly spread, show where they crowd: all pairs of them are compared."""
LEAST_STEPS = 4
"""Differences between neighbouring tiles from which a scale is estimated."""
ROUNDS = 3
PER_TILE = TILE_PX // CELL_PX

Window = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
"""Row and column of a tile to grey levels of both shots, with `shift_jumps.MARGIN_PX` around the tile."""


@dataclass(frozen=True)
class ShiftField:
    """Shifts by cell.

    Attributes
    ----------
    shift_px : (R, K, 2) float array
        y and x; 0 where unknown.
    known : (R, K) bool array
    scale : float
        Magnification of the high shot over that of the low one.
    """

    shift_px: np.ndarray
    known: np.ndarray
    scale: float


def fit_field(
    tile_shift_px: np.ndarray, tile_error_px: np.ndarray, cells: tuple[int, int], window: Window
) -> ShiftField:
    """Robust piecewise field.

    Parameters
    ----------
    tile_shift_px : (T, U, 2) float array
        Of `plane_shift.tile_shift`, tiles side by side from the slide's corner on; NaN without evidence.
    tile_error_px : (T, U) float array
        Their standard errors.
    cells : (int, int)
        Rows and columns of cells.
    window : callable
        See `Window`; asked for tiles beside a jump alone.
    """
    good = np.isfinite(tile_shift_px).all(axis=-1) & (tile_error_px < TRUSTED_PX)
    if not good.any():
        return ShiftField(np.zeros((*cells, 2)), np.zeros(cells, bool), 1.0)
    growth = _growth(tile_shift_px, tile_error_px, good)
    middles = np.moveaxis(np.indices(good.shape), 0, -1) + 0.5  # in tiles
    rest = np.where(good[..., None], tile_shift_px - growth * middles, np.nan)
    smooth, own = _smoothed(rest, tile_error_px, good)
    shift, covered = _by_cell(smooth, own, cells, growth, window)
    return ShiftField(np.where(covered[..., None], shift, 0), covered, 1 + growth / TILE_PX)


def _growth(shift: np.ndarray, error: np.ndarray, good: np.ndarray) -> float:
    """Shift that each tile adds along its axis, in pixels: where the differences between neighbours crowd most.

    Jumps are few, and each is of another size; a straight line through all tiles would take a jump for a scale.
    """
    steps, weights = [], []
    for axis in (0, 1):
        before, after = (slice(None, -1), slice(1, None))
        one = (before, slice(None)) if axis == 0 else (slice(None), before)
        two = (after, slice(None)) if axis == 0 else (slice(None), after)
        both = good[one] & good[two]
        steps.append((shift[two] - shift[one])[both][:, axis])
        weights.append(1 / (error[one][both] ** 2 + error[two][both] ** 2 + 2 * FLOOR_PX**2))
    step, weight = np.concatenate(steps), np.concatenate(weights)
    step, weight = step[np.abs(step) < MOST_GROWTH_PX], weight[np.abs(step) < MOST_GROWTH_PX]
    if len(step) < LEAST_STEPS:
        return 0.0
    spread = np.sqrt(1 / weight + STRAY_PX**2 / 4)
    some = np.unique(np.linspace(0, len(step) - 1, min(len(step), MOST_STEPS)).round().astype(int))
    crowd = np.exp(-0.5 * ((step[some, None] - step[some]) / spread[some]) ** 2).sum(axis=1)
    middle = step[some[crowd.argmax()]]
    kept = np.abs(step - middle) < 3 * spread
    growth = float(np.average(step[kept], weights=weight[kept]))
    # no better known than zero: no scale
    return growth if abs(growth) > 3 * np.sqrt(1 / weight[kept].sum()) else 0.0


def _smoothed(rest: np.ndarray, error: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tiles' shifts, each averaged with those nearby that agree with it, and which tiles have one of their own.

    Tiles that are alone with theirs have none; a tile without gets the mean of those nearby.
    """
    weight = np.where(good, 1 / (np.where(good, error, 1) ** 2 + FLOOR_PX**2), 0)
    values = np.where(good[..., None], rest, 0.0)
    found, known = values.copy(), good.copy()
    for turn in range(ROUNDS):
        total, summed = np.zeros(good.shape), np.zeros_like(values)
        support = np.zeros(good.shape, int)
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                there, w = _moved(found if turn else values, dy, dx), _moved(weight, dy, dx)
                away = np.square(there - found).sum(axis=-1)
                # a tile without a shift of its own takes its neighbours'
                share = np.where(known, np.exp(-0.5 * away / (STRAY_PX**2 + 2 / np.maximum(weight, 1e-9))), 1.0)
                share = share * w * np.exp(-0.5 * (dy * dy + dx * dx))
                total += share
                summed += share[..., None] * there
                near = max(abs(dy), abs(dx)) == 1
                support += near & (w > 0) & (away < SAME_PX**2)
        mean = summed / np.maximum(total, 1e-12)[..., None]
        if turn == 0:
            lonely = good & (support == 0) & (np.maximum(good.sum(), 1) > 3)
            known, weight = known & ~lonely, np.where(lonely, 0, weight)
            mean[lonely] = 0
        found = np.where((total > 0)[..., None], mean, found)
    return found, known


def _moved(field: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """The neighbour's value at each place; 0 beyond the edge."""
    out = np.zeros_like(field)
    rows, columns = field.shape[:2]
    to_y, to_x = slice(max(-dy, 0), min(rows - dy, rows)), slice(max(-dx, 0), min(columns - dx, columns))
    of_y, of_x = slice(max(dy, 0), min(rows + dy, rows)), slice(max(dx, 0), min(columns + dx, columns))
    out[to_y, to_x] = field[of_y, of_x]
    return out


def _by_cell(
    smooth: np.ndarray, own: np.ndarray, cells: tuple[int, int], growth: float, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """(R, K, 2) shifts of cells, linear between the tiles' middles; in tiles beside a jump, of the part they lie in."""
    rows, columns = (_between(count, tiles) for count, tiles in zip(cells, own.shape, strict=True))
    near = {
        (row, column): _distinct(list(smooth[_around(row), _around(column)][own[_around(row), _around(column)]]))
        for row, column in np.ndindex(own.shape)
    }
    # a tile without a shift of its own has its neighbours' if these agree
    agreed = np.array([len(shifts) == 1 for shifts in near.values()]).reshape(own.shape)
    known = own | agreed
    smooth = smooth.copy()
    for place in zip(*np.nonzero(agreed & ~own), strict=True):
        smooth[place] = near[place][0]
    total, summed = np.zeros(cells), np.zeros((*cells, 2))
    for i, wy in rows:
        for j, wx in columns:
            share = wy[:, None] * wx[None, :] * known[np.ix_(i, j)]
            total += share
            summed += share[..., None] * smooth[np.ix_(i, j)]
    covered = total > 0
    middle = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / PER_TILE for n in cells], indexing="ij"), axis=-1) * growth
    shift = summed / np.where(covered, total, 1)[..., None] + middle
    for (row, column), candidates in near.items():
        tile = slice(row * PER_TILE, (row + 1) * PER_TILE), slice(column * PER_TILE, (column + 1) * PER_TILE)
        inside = shift[tile].shape[:2]
        if not candidates:
            covered[tile] = False
        if len(candidates) > 1:
            at = np.array(candidates) + growth * (np.array([row, column]) + 0.5)
            label, sure = _cells_of(parted(*window(row, column), at, growth))
            covered[tile] = sure[: inside[0], : inside[1]]
            shift[tile] = np.array(candidates)[label][: inside[0], : inside[1]] + middle[tile]
    return shift, covered


def _around(place: int) -> slice:
    return slice(max(place - 1, 0), place + 2)


def _cells_of(parting: Parting) -> tuple[np.ndarray, np.ndarray]:
    """(PER_TILE, PER_TILE) label of a tile's cells, and whether all of a cell is surely of that label."""
    along = BLOCKS // PER_TILE
    label, sure = (
        each.reshape(PER_TILE, along, PER_TILE, along).transpose(0, 2, 1, 3).reshape(PER_TILE, PER_TILE, -1)
        for each in (parting.label, parting.sure)
    )
    return label[..., 0], sure.all(axis=-1) & (label == label[..., :1]).all(axis=-1)


def _between(count: int, tiles: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two tiles that each of `count` cells lies between, each with its share."""
    place = np.clip((np.arange(count) + 0.5) / PER_TILE - 0.5, 0, tiles - 1)
    below = np.minimum(place.astype(int), max(tiles - 2, 0))
    return [(below, 1 - (place - below)), (np.minimum(below + 1, tiles - 1), place - below)]


def _distinct(values: list[np.ndarray]) -> list[np.ndarray]:
    """Values farther apart than `SAME_PX` / 2, each the mean of those near it."""
    groups: list[list[np.ndarray]] = []
    for value in sorted(values, key=tuple):
        for group in groups:
            if np.abs(np.mean(group, axis=0) - value).max() < SAME_PX / 2:
                group.append(value)
                break
        else:
            groups.append([value])
    return [np.mean(group, axis=0) for group in groups]
