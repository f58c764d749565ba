"""From shifts measured tile by tile to one shift for each cell: a scale, and a field that may jump between stitches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft

from tsva.slides.cell_grid import CELL_PX
from tsva.slides.plane_shift import TILE_PX

TRUSTED_PX = 0.1
"""Standard error up to which a tile's shift counts."""
FLOOR_PX = 0.015
"""No tile's shift is known better than this: sections have depth, and defocus moves their layers differently."""
STRAY_PX = 0.06
"""Tiles whose shifts differ by some of these belong to different stitches."""
SAME_PX = 0.12
"""Neighbouring tiles that differ by more lie on two sides of a jump."""
ROUNDS = 3
WINDOW_PX = 2 * CELL_PX
"""Of the second look at cells beside a jump."""
LEAST_MARGIN = 3.0
"""By so many standard deviations one shift must fit such a cell better than the next."""
BAND_PER_PX = (0.02, 0.2)
PER_TILE = TILE_PX // CELL_PX

Window = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
"""Row and column of a cell to grey levels of both shots, (WINDOW_PX, WINDOW_PX), the cell in the middle."""


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
        See `Window`; asked for cells beside a jump alone.
    """
    good = np.isfinite(tile_shift_px).all(axis=-1) & (tile_error_px < TRUSTED_PX)
    if not good.any():
        return ShiftField(np.zeros((*cells, 2)), np.zeros(cells, bool), 1.0)
    growth = _growth(tile_shift_px, tile_error_px, good)
    middles = np.moveaxis(np.indices(good.shape), 0, -1) + 0.5  # in tiles
    rest = np.where(good[..., None], tile_shift_px - growth * middles, np.nan)
    smooth, known = _smoothed(rest, tile_error_px, good)
    shift, told = _by_cell(smooth, known, cells, growth, window)
    return ShiftField(np.where(told[..., None], shift, 0), told, 1 + growth / TILE_PX)


def _growth(shift: np.ndarray, error: np.ndarray, good: np.ndarray) -> float:
    """Shift that each tile adds along its axis, in pixels: weighted median of the differences between neighbours.

    Jumps are few; a straight line through all tiles would take a jump for a scale.
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
    if len(step) < 6:
        return 0.0
    order = np.argsort(step)
    along = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    middle = float(np.interp(0.5, along, step[order]))
    kept = np.abs(step - middle) < 3 * np.sqrt(1 / weight + STRAY_PX**2 / 4)
    growth = float(np.average(step[kept], weights=weight[kept]))
    # no better known than zero: no scale
    spread = float(np.sqrt(1 / weight[kept].sum()))
    return growth if abs(growth) > 3 * spread else 0.0


def _smoothed(rest: np.ndarray, error: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tiles' shifts, each averaged with those nearby that agree with it; tiles alone with theirs are dropped."""
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
    beside = np.any([_moved(known, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)], axis=0)
    return np.where(beside[..., None], found, np.nan), beside


def _moved(field: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """The neighbour's value at each place; 0 beyond the edge."""
    out = np.zeros_like(field)
    rows, columns = field.shape[:2]
    to_y, to_x = slice(max(-dy, 0), min(rows - dy, rows)), slice(max(-dx, 0), min(columns - dx, columns))
    of_y, of_x = slice(max(dy, 0), min(rows + dy, rows)), slice(max(dx, 0), min(columns + dx, columns))
    out[to_y, to_x] = field[of_y, of_x]
    return out


def _by_cell(
    smooth: np.ndarray, known: np.ndarray, cells: tuple[int, int], growth: float, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """(R, K, 2) shifts of cells, linear between the tiles' middles; beside jumps, the one that fits the cell best."""
    rows, columns = (_between(count, tiles) for count, tiles in zip(cells, known.shape, strict=True))
    filled = np.nan_to_num(smooth)
    total, summed = np.zeros(cells), np.zeros((*cells, 2))
    least, most = np.full((*cells, 2), np.inf), np.full((*cells, 2), -np.inf)
    for i, wy in rows:
        for j, wx in columns:
            share = wy[:, None] * wx[None, :] * known[np.ix_(i, j)]
            value = filled[np.ix_(i, j)]
            total += share
            summed += share[..., None] * value
            counts = (share > 0)[..., None]
            least = np.where(counts, np.minimum(least, value), least)
            most = np.where(counts, np.maximum(most, value), most)
    told = total > 0
    middle = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / PER_TILE for n in cells], indexing="ij"), axis=-1) * growth
    shift = summed / np.where(told, total, 1)[..., None] + middle
    for row, column in np.argwhere(told & ((most - least).max(axis=-1) > SAME_PX)):
        i, j = rows[0][0][row], columns[0][0][column]
        part = slice(max(i - 1, 0), i + 3), slice(max(j - 1, 0), j + 3)
        best = _best(_distinct(list(smooth[part][known[part]])), middle[row, column], *window(row, column))
        told[row, column] = best is not None
        if best is not None:
            shift[row, column] = best
    return shift, told


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


def _best(candidates: list[np.ndarray], middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """The candidate (plus `middle`) that a cell's common spectrum fits; None if another fits nearly as well."""
    hann = np.hanning(WINDOW_PX + 1)[:-1]
    taper = np.outer(hann, hann)
    one, two = (scipy.fft.rfft2((shot - shot.mean()) * taper) for shot in (low, high))
    fy, fx = np.fft.fftfreq(WINDOW_PX)[:, None], np.fft.rfftfreq(WINDOW_PX)[None, :]
    radius = np.hypot(fy, fx)
    used = (radius >= BAND_PER_PX[0]) & (radius <= BAND_PER_PX[1])
    cross = (one * np.conj(two))[used]
    y, x = (fy + 0 * fx)[used], (fx + 0 * fy)[used]
    size = np.abs(cross) / np.maximum(np.abs(one[used]) ** 2 + np.abs(two[used]) ** 2, 1e-30)
    fits = []
    for candidate in candidates:
        s = candidate + middle
        fits.append(size * np.cos(np.angle(cross * np.exp(-2j * np.pi * (y * s[0] + x * s[1])))))
    order = np.argsort([-fit.sum() for fit in fits])
    first = candidates[order[0]] + middle
    if len(order) > 1:
        difference = fits[order[0]] - fits[order[1]]
        if difference.sum() < LEAST_MARGIN * np.sqrt(2.6 * np.square(difference).sum()):
            return None
    return np.asarray(first)
