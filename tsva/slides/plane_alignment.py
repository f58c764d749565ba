"""Both shots of a region on one another: the one that is nearer to focus on most of the slide stays as it is."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates, spline_filter

from tsva.slides.grid import CELL_PX
from tsva.slides.survey import Survey

LEAST_MOVED_PX = 0.01
"""Shifts below cost less than interpolation."""
SPLINE: Final = 5
"""Order of the interpolation; a cubic one would take a tenth of a decibel off the finest detail."""
REACH_PX = 12
"""So far from a pixel its interpolated value depends on others, to a millionth."""
LEAST_GAIN = 0.002
"""Ratios of brightness nearer to 1 than a half level at white are left alone."""


def margin_px(survey: Survey) -> int:
    """Pixels to read around a region that is to be aligned."""
    if not moves(survey):
        return 0
    return REACH_PX + int(np.ceil(np.abs(survey.shift_px).max(initial=0)))


def moves(survey: Survey) -> bool:
    """Whether anything is resampled at all."""
    return bool(np.abs(survey.shift_px).max(initial=0) >= LEAST_MOVED_PX)


def high_is_moved(survey: Survey) -> bool:
    """Whether the high shot is resampled: it is the farther one on at least half of the tissue."""
    tissue = ~survey.glass & survey.offset_known
    return bool((survey.focal_offset_um[tissue] > 0).sum() * 2 >= tissue.sum())


def align(low: np.ndarray, high: np.ndarray, survey: Survey, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
    """Bring one shot onto the other, and to its brightness.

    Parameters
    ----------
    low, high : (Y, X, C) uint8 arrays
        A region of the slide with `margin_px` more on each side than is used (less at the slide's edges).
    survey : Survey
    y, x : int
        The region's upper left corner on the slide.

    Returns
    -------
    low, high : (Y, X, C) uint8 arrays
        One of them as it was.
    """
    gain = survey.brightness
    high_moves = high_is_moved(survey)
    moving = high if high_moves else low
    factor = 1 / gain if high_moves else gain
    if np.abs(factor - 1).max() < LEAST_GAIN:
        factor = np.ones_like(factor)
    if not moves(survey):
        if np.all(factor == 1):
            return low, high
        moved = moving.astype(np.float32)
    else:
        shift = pixel_shifts(survey, y, x, *moving.shape[:2])
        moved = _resampled(moving, shift if high_moves else -shift)
    levels = np.clip(np.rint(moved * factor.astype(np.float32)), 0, 255).astype(np.uint8)
    return (low, levels) if high_moves else (levels, high)


def pixel_shifts(survey: Survey, y: int, x: int, height: int, width: int) -> np.ndarray:
    """(height, width, 2) float32 shift of each pixel: linear between the cells' middles, without blurring jumps."""
    rows, row_share = _places(y, height, survey.shift_px.shape[0])
    columns, column_share = _places(x, width, survey.shift_px.shape[1])
    field = survey.shift_px.astype(np.float32)
    r1, c1 = np.minimum(rows + 1, field.shape[0] - 1), np.minimum(columns + 1, field.shape[1] - 1)
    corners = [field[np.ix_(r, c)] for r in (rows, r1) for c in (columns, c1)]
    v, h = row_share[:, None, None].astype(np.float32), column_share[None, :, None].astype(np.float32)
    mixed = (corners[0] * (1 - h) + corners[1] * h) * (1 - v) + (corners[2] * (1 - h) + corners[3] * h) * v
    nearest = _of_quarters(survey, rows, columns, (y, x), (height, width))
    apart = np.max(corners, axis=0) - np.min(corners, axis=0)
    jump = apart.max(axis=-1, keepdims=True) > JUMP_PX
    return np.asarray(np.where(jump, nearest, mixed))


def _of_quarters(
    survey: Survey, rows: np.ndarray, columns: np.ndarray, first: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """(height, width, 2) shift of each pixel's cell; of a misregistered cell, each quarter has that of the nearest cell
    that is none, within a cell: so much of what a network sees beside a jump lies in its place."""
    area = tuple(
        slice(max(int(cells[0]) - 1, 0), min(int(cells[-1]) + 3, count))
        for cells, count in zip((rows, columns), survey.misregistered.shape, strict=True)
    )
    unknown = np.repeat(np.repeat(survey.misregistered[area], 2, axis=0), 2, axis=1)
    field = np.repeat(np.repeat(survey.shift_px[area].astype(np.float32), 2, axis=0), 2, axis=1)
    if unknown.any() and not unknown.all():
        away, place = distance_transform_edt(unknown, return_indices=True)
        field = np.where((unknown & (away <= 2))[..., None], field[tuple(place)], field)
    half = CELL_PX // 2
    at = [
        np.clip(np.arange(start, start + count) // half - 2 * cells.start, 0, length - 1)
        for start, count, cells, length in zip(first, size, area, field.shape, strict=False)
    ]
    return np.asarray(field[np.ix_(*at)])


JUMP_PX = 0.1
"""Neighbouring cells that differ by more lie on two sides of a jump."""


def _places(start: int, count: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    place = np.clip((np.arange(start, start + count) + 0.5) / CELL_PX - 0.5, 0, cells - 1)
    below = np.minimum(place.astype(int), max(cells - 2, 0))
    return below, place - below


def _resampled(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(Y, X, C) float32: at each pixel what lies `shift` from it."""
    height, width, channels = image.shape
    y = np.arange(height, dtype=np.float32)[:, None] + shift[..., 0]
    x = np.arange(width, dtype=np.float32)[None, :] + shift[..., 1]
    out = np.empty(image.shape, np.float32)
    for channel in range(channels):
        series = np.empty((height, width), np.float32)
        spline_filter(image[..., channel].astype(np.float32), SPLINE, output=series, mode="mirror")
        map_coordinates(
            series, np.stack([y, x]), output=out[..., channel], order=SPLINE, mode="mirror", prefilter=False
        )
    return out
