"""Whether a restored image, blurred again, gives the shots back: by cell, from the cells' spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from tsva.restoration.fusion.bands import BANDS
from tsva.slides.cell_spectra import MODES, levels_of, real_product, window_and_rings
from tsva.slides.focal_offsets import Scene

USED = slice(1, BANDS)
"""Bands that count: below lies what window and lamp do."""
MODEL_SHARE = 0.01
"""Power that blurring a cell by one transfer function gets wrong: its offset varies, its edges see the neighbours."""


CELLS_AT_ONCE = 16
"""Arrays of so many cells stay in the cache."""
LEAST_NOISE = 1e-8


@dataclass(frozen=True)
class Reblur:
    """Of N cells.

    Attributes
    ----------
    residual : (N,) float64 array
        Root of the mean, over bands and shots, of what is left of a shot's power, over what noise and model explain:
        about 1 where the result explains both shots.
    near_residual : (N,) float64 array
        Root mean square of what is left of the nearer shot, images in [0, 1]: the noise's deviation where the result
        took away noise alone, more where it took away tissue, too.
    difference : (N,) float64 array
        Root mean square difference of result and nearer shot, images in [0, 1].
    noise : (N, C) float64 array
        Variance of a shot's noise at the cell's level.
    """

    residual: np.ndarray
    near_residual: np.ndarray
    difference: np.ndarray
    noise: np.ndarray


def reblurred(
    low: np.ndarray, high: np.ndarray, restored: np.ndarray, noise: np.ndarray, near_high: np.ndarray, scene: Scene
) -> Reblur:
    """Blur a result to both shots and compare.

    Parameters
    ----------
    low, high : (N, C, CELL_PX, CELL_PX) uint8 arrays
        Cells of the shots.
    restored : (N, C, CELL_PX, CELL_PX) float32 array
        In [0, 1].
    noise : (C, 2) float array
        Variance of a shot's noise at level 0, and its growth with the level.
    near_high : (N,) bool array
        Whether the high shot is the nearer one.
    scene : Scene
        At each cell's own offset: (N, C, BANDS) arrays.

    Notes
    -----
    With R the result's transform and g the regression of a shot on the in-focus image, Σ K H₀ Hᵢ / Σ K H₀ H₀, what is
    left of a shot Y is |Y|² - 2 g Re Y R* + g² |R|², summed over a band.
    """
    found, variance = np.zeros((3, len(low))), np.zeros((len(low), len(noise)))
    for first in range(0, len(low), CELLS_AT_ONCE):
        part = slice(first, first + CELLS_AT_ONCE)
        shots = [cells[part] / np.float32(255) for cells in (low, high)]
        regressions = scene.to_low[part], scene.to_high[part]
        level = sum(levels_of(shot) for shot in shots) / 2
        variance[part] = np.maximum(noise[:, 0] + noise[:, 1] * level, LEAST_NOISE)
        found[:, part] = _compared(shots, restored[part], variance[part], near_high[part], regressions)
    return Reblur(found[0], found[1], found[2], variance)


def _compared(
    shots: list[np.ndarray],
    restored: np.ndarray,
    noise: np.ndarray,
    near_high: np.ndarray,
    regressions: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residual, residual of the nearer shot, and difference, (n,) each."""
    window, rings = window_and_rings()
    one, two, back = (
        scipy.fft.rfft2((cells - levels_of(cells)[..., None, None]) * window) for cells in (*shots, restored)
    )

    def bands(product: np.ndarray) -> np.ndarray:
        return product.reshape(*product.shape[:2], -1) @ rings

    own = bands(real_product(back, back))
    modes = np.array(MODES, float)[USED]
    share = modes / (1 + modes / 40)
    whole = np.array(MODES, float)
    whole[0] = 0
    whole /= sum(MODES)
    total, of_near = np.zeros(len(own)), np.zeros(len(own))
    for shot, g, is_near in zip((one, two), regressions, (~near_high, near_high), strict=True):
        power = bands(real_product(shot, shot))
        left = power - 2 * g * bands(real_product(shot, back)) + g**2 * own
        explained = noise[..., None] + MODEL_SHARE * power
        total += ((np.maximum(left, 0) / explained)[..., USED] @ share).mean(axis=-1) / share.sum() / 2
        of_near += np.where(is_near, (left @ whole).mean(axis=-1), 0)
    away = (np.where(near_high[:, None, None, None], shots[1], shots[0]) - restored).reshape(len(own), -1)
    difference = np.sqrt(np.einsum("nk,nk->n", away, away) / away.shape[-1])
    return np.sqrt(total), np.sqrt(np.maximum(of_near, 0)), difference
