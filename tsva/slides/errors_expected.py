"""How much better a restored cell is expected to be than its copy, and the errors that both are expected to have.

Errors are those against the noise-free in-focus image: products of powers of what is measured. The gain is a sum of
levels in decibels. `benchmarks/slide_errors.py` fits both to simulated slides of other tissue than those that results
are reported for, of three microscopes (docs/trust.md). The gain is not taken from the two errors: fitted to itself, it
shows better which cells restoring makes worse.

What is measured: whether the restored image, blurred again, gives the shots back, by cell, from the cells' spectra.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tsva.restoration.fusion.bands import BANDS
from tsva.slides.cell_spectra import CELLS_AT_ONCE, MODES, WHITE, in_bands, levels_of, transforms
from tsva.slides.focal_offsets import Scene
from tsva.slides.grid import CELL_PX

USED = slice(1, BANDS)
"""Bands that count: below lies what window and lamp do."""
MODEL_SHARE = 0.01
"""Power that blurring a cell by one transfer function gets wrong: its offset varies, its edges see the neighbours."""


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
    count, channels = low.shape[:2]
    pairs = (0, 0), (1, 1), (0, 2), (1, 2), (2, 2)
    powers = np.empty((len(pairs), count, channels, BANDS), np.float32)
    level, difference = np.empty((count, channels), np.float32), np.empty(count, np.float32)
    for first in range(0, count, CELLS_AT_ONCE):
        part = slice(first, first + CELLS_AT_ONCE)
        shots = [torch.from_numpy(cells[part]).float() for cells in (low, high)]
        back = torch.from_numpy(restored[part]) * WHITE
        level[part] = (levels_of(shots[0]) + levels_of(shots[1])).numpy()
        found = [transforms(image) for image in (*shots, back)]
        for number, (one, two) in enumerate(pairs):
            powers[number, part] = in_bands(found[one], found[two])
        apart = [shot.sub_(back).flatten(1).norm(dim=1).numpy() for shot in shots]
        difference[part] = np.where(near_high[part], apart[1], apart[0])
    powers /= WHITE**2
    difference /= WHITE * np.sqrt(channels * CELL_PX**2)
    variance = np.maximum(noise[:, 0] + noise[:, 1] * (level / (2 * WHITE)), LEAST_NOISE)
    residual, near_residual = _left(powers, variance, near_high, (scene.to_low, scene.to_high))
    return Reblur(residual, near_residual, difference.astype(float), variance)


def _left(
    powers: np.ndarray, noise: np.ndarray, near_high: np.ndarray, regressions: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Residual, and residual of the nearer shot, (N,) each, of the powers of both shots, of the result's product with
    either, and of the result, (5, N, C, BANDS)."""
    *of_shots, with_low, with_high, own = powers
    modes = np.array(MODES, float)[USED]
    share = modes / (1 + modes / 40)
    whole = np.array(MODES, float)
    whole[0] = 0
    whole /= sum(MODES)
    total, of_near = np.zeros(len(own)), np.zeros(len(own))
    for power, with_back, g, is_near in zip(
        of_shots, (with_low, with_high), regressions, (~near_high, near_high), strict=True
    ):
        left = power - 2 * g * with_back + g**2 * own
        explained = noise[..., None] + MODEL_SHARE * power
        total += ((np.maximum(left, 0) / explained)[..., USED] @ share).mean(axis=-1) / share.sum() / 2
        of_near += np.where(is_near, (left @ whole).mean(axis=-1), 0)
    return np.sqrt(total), np.sqrt(np.maximum(of_near, 0))


FEATURES = ("one", "own", "difference", "copy", "linear", "residual", "size_um", "from_shot_um")
OF_ERRORS = ("own", "difference", "copy", "linear")
"""Those that are errors themselves: their exponents add up to one."""
WITH_ERROR = dict(zip(FEATURES, (0.218, 0.199, 0.055, 0.322, 0.424, 0.895, -0.064, -0.044), strict=True))
"""Exponents for networks that estimate their error."""
WITHOUT = dict(zip(FEATURES, (0.374, 0.0, 0.052, 0.423, 0.525, 0.765, -0.067, -0.075), strict=True))
"""And for those that don't."""
COPY_WITH_ERROR = dict(zip(FEATURES, (-0.093, 0.171, 0.1, 0.789, -0.06, 0.22, 0.03, 0.155), strict=True))
COPY_WITHOUT = dict(zip(FEATURES, (0.033, 0.0, 0.1, 0.883, 0.017, 0.111, 0.03, 0.129), strict=True))
"""Of the copy, which the difference from the restoration shows, too: the better the restoration, the more."""

GAIN_DB = 1.3457
GAIN: dict[str, tuple[float, float, float]] = {
    "copy": (5.8185, 5.8542, 3.1284),
    "linear": (0.3108, 4.8714, -2.5096),
    "difference": (-2.1213, 4.4486, 0.3693),
    "near_residual": (1.2802, 4.7498, -1.1702),
    "residual": (0.7212, 2.4396, -0.7384),
    "from_shot_um": (0.5978, 0.3596, 0.7854),
    "size_um": (1.1551, 0.733, 0.2909),
    "sd_um": (0.2238, 0.0443, 0.6412),
}
"""The expected gain, and of each level of `gain_levels` its middle and deviation over the fit's cells, and the decibels
that one such deviation adds."""


def features_of(
    own: np.ndarray | None,
    copy_rmse: np.ndarray,
    linear_rmse: np.ndarray,
    blurred: Reblur,
    offset_um: np.ndarray,
    sd_um: np.ndarray,
    delta_um: float,
) -> dict[str, np.ndarray]:
    """What errors are expected by: natural logarithms, and distances in µm.

    Parameters
    ----------
    own : (…) float array or None
        The network's own estimate, where it has one.
    copy_rmse, linear_rmse : (…) float arrays
        Of the survey.
    blurred : Reblur
    offset_um, sd_um : (…) float array
        Focal offset and its standard deviation.
    delta_um : float
        Half of the distance between the planes.

    Returns
    -------
    dict of str to (…) float array
        By the names of `FEATURES` and of `OF_GAIN`.
    """
    size_um = np.minimum(np.abs(offset_um), MOST_UM)
    return {
        "one": np.ones_like(blurred.residual),
        "own": np.zeros_like(blurred.residual) if own is None else _log(own),
        "difference": _log(blurred.difference),
        "copy": _log(np.nan_to_num(copy_rmse, nan=1e-3)),
        "linear": _log(np.nan_to_num(linear_rmse, nan=1e-3)),
        "residual": _log(blurred.residual),
        "size_um": size_um,
        "from_shot_um": np.minimum(np.abs(size_um - delta_um), 1.0),
        "near_residual": _log(blurred.near_residual),
        "noise": 0.5 * np.log(blurred.noise.mean(axis=-1)),
        "sd_um": sd_um,
    }


def gain_levels(features: dict[str, np.ndarray]) -> np.ndarray:
    """What the gain is expected by, (…, len(`GAIN`)) in its order: errors in decibels over the noise, and distances."""

    def level(name: str) -> np.ndarray:
        return np.asarray(20 / np.log(10) * (features[name] - features["noise"]))

    found = {name: level(name) for name in ("copy", "linear", "difference", "near_residual")}
    found["residual"] = 20 / np.log(10) * features["residual"]
    found |= {name: features[name] for name in ("from_shot_um", "size_um", "sd_um")}
    return np.stack([found[name] for name in GAIN], axis=-1)


def expected_gain_db(features: dict[str, np.ndarray]) -> np.ndarray:
    """By how much restoring is expected to be better than copying, in decibels.

    Parameters
    ----------
    features : dict of str to (…) float array
        Of `features_of`.

    Returns
    -------
    (…) float array
    """
    middle, scale, weight = np.array(list(GAIN.values())).T
    away = np.clip((gain_levels(features) - middle) / scale, -FARTHEST_LEVEL, FARTHEST_LEVEL)
    # a result that hardly differs from the copy is hardly better: errors differ by no more than the images do
    share = np.minimum(np.exp(features["difference"] - features["copy"]), 1 - 1e-6)
    return np.asarray(np.minimum(GAIN_DB + away @ weight, -20 * np.log10(1 - share)))


def expected_errors(
    features: dict[str, np.ndarray], difference: np.ndarray, *, estimated: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square errors of restoration and copy, images in [0, 1].

    Parameters
    ----------
    features : dict of str to (…) float array
        Of `features_of`.
    difference : (…) float array
        Of result and nearer shot, `Reblur.difference`.
    estimated : bool
        Whether the network estimates its errors.

    Returns
    -------
    restoring, copying : (…) float arrays
    """

    def product(exponents: dict[str, float]) -> np.ndarray:
        return np.asarray(np.exp(sum(exponents[name] * features[name] for name in FEATURES)))

    exponents = (WITH_ERROR, COPY_WITH_ERROR) if estimated else (WITHOUT, COPY_WITHOUT)
    restoring, copying = map(product, exponents)
    # the copy is no farther from the truth than by way of the restoration
    return restoring, np.minimum(copying, restoring + difference)


def share_of_restoration(gain_db: np.ndarray, copying: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """How much of the restoration, in a mixture with the copy, is expected to have the least error.

    The mean squared error of a mixture with the share w is (1 - w) C + w R - w (1 - w) D, with C and R those of copy
    and restoration and D the mean square of their difference, which is known. The minimum lies at (C - R + D) / 2 D.

    Parameters
    ----------
    gain_db : (…) float array
        Expected gain of restoring over copying.
    copying, difference : (…) float arrays
        Expected error of the copy, and difference of result and copy, root mean squares.

    Returns
    -------
    (…) float array
        In [0, 1].
    """
    copied, apart = np.square(copying), np.maximum(np.square(difference), LEAST_DIFFERENCE)
    restored = copied * 10 ** (-(gain_db - CAUTION_DB) / 10)
    return np.clip((copied - restored + apart) / (2 * apart), 0, 1)


def error_of_mixture(
    share: np.ndarray, restoring: np.ndarray, copying: np.ndarray, difference: np.ndarray
) -> np.ndarray:
    """Expected error of such a mixture, of the root mean squares of its parts; at least that of independent errors."""
    squares = [np.square(each) for each in (restoring, copying, difference)]
    mixed = share * squares[0] + (1 - share) * squares[1] - share * (1 - share) * squares[2]
    apart = share**2 * squares[0] + (1 - share) ** 2 * squares[1]
    return np.asarray(np.sqrt(np.maximum(mixed, apart)))


CAUTION_DB = 0.5
"""The gain is taken to be less by this, when the share of a restoration in a cell follows from it. On four development
slides (packaged network for slides) 0.4 % of the cells were then worse by more than 0.5 dB, and 0.95 of what the better
of both by cell gains was gained; with whole restorations from 0.75 dB on 1.6 % and 0.90."""
LEAST_DIFFERENCE = 1e-10
FARTHEST_LEVEL = 3.0
"""Levels count as no farther from the middle of the fit's slides than so many standard deviations."""
MOST_UM = 3.0
"""Offsets beyond count as this: the fit has seen none."""


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, 1e-5))
