"""Whether a restored image, blurred again, gives the shots back: by cell, from the cells' spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from tsva.restoration.fusion.bands import BANDS
from tsva.slides.cell_spectra import MODES, cells_of, levels_of, real_product, window_and_rings
from tsva.slides.focal_offsets import Scene

USED = slice(1, BANDS)
"""Bands that count: below lies what window and lamp do."""
MODEL_SHARE = 0.01
"""Power that blurring a cell by one transfer function gets wrong: its offset varies, its edges see the neighbours."""


@dataclass(frozen=True)
class Reblur:
    """By cell.

    Attributes
    ----------
    residual : (R, K) float64 array
        Root of the mean, over bands and shots, of what is left of a shot's power, over what noise and model explain:
        about 1 where the result explains both shots.
    near_residual : (R, K) float64 array
        Root mean square of what is left of the nearer shot, images in [0, 1]: the noise's deviation where the result
        took away noise alone, more where it took away tissue, too.
    difference : (R, K) float64 array
        Root mean square difference of result and nearer shot, images in [0, 1].
    """

    residual: np.ndarray
    near_residual: np.ndarray
    difference: np.ndarray


def reblurred(
    low: np.ndarray, high: np.ndarray, restored: np.ndarray, noise: np.ndarray, near_high: np.ndarray, scene: Scene
) -> Reblur:
    """Blur a result to both shots and compare.

    Parameters
    ----------
    low, high, restored : (Y, X, C) float32 arrays
        Of whole cells, in [0, 1].
    noise : (R, K, C) float array
        Variance of a shot's noise.
    near_high : (R, K) bool array
        Whether the high shot is the nearer one.
    scene : Scene
        At each cell's own offset: (R * K, C, BANDS) arrays.

    Notes
    -----
    With R the result's transform and g the regression of a shot on the in-focus image, Σ K H₀ Hᵢ / Σ K H₀ H₀, what is
    left of a shot Y is |Y|² - 2 g Re Y R* + g² |R|², summed over a band.
    """
    window, rings = window_and_rings()
    shots = [cells_of(image) for image in (low, high, restored)]
    one, two, back = (scipy.fft.rfft2((cells - levels_of(cells)[..., None, None]) * window) for cells in shots)

    def bands(product: np.ndarray) -> np.ndarray:
        return product.reshape(*product.shape[:3], -1) @ rings

    own = bands(real_product(back, back))
    shape = own.shape
    modes = np.array(MODES, float)[USED]
    share = modes / (1 + modes / 40)
    total, of_near = np.zeros(shape[:2]), np.zeros(shape[:2])
    whole = np.array(MODES, float)
    whole[0] = 0
    whole /= sum(MODES)
    for shot, to_shot, is_near in ((one, scene.to_low, ~near_high), (two, scene.to_high, near_high)):
        g = to_shot.reshape(shape)
        power = bands(real_product(shot, shot))
        left = power - 2 * g * bands(real_product(shot, back)) + g**2 * own
        explained = noise[..., None] + MODEL_SHARE * power
        total += ((np.maximum(left, 0) / explained)[..., USED] @ share).mean(axis=-1) / share.sum() / 2
        of_near += np.where(is_near, (left @ whole).mean(axis=-1), 0)
    near = np.where(near_high[..., None, None, None], shots[1], shots[0])
    away = (near - shots[2]).reshape(*near_high.shape, -1)
    difference = np.sqrt(np.einsum("rkn,rkn->rk", away, away) / away.shape[-1]).astype(np.float64)
    return Reblur(np.sqrt(total), np.sqrt(np.maximum(of_near, 0)), difference)
