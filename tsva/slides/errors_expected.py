"""How much better a restored cell is expected to be than its copy, and the errors that both are expected to have.

Errors are those against the noise-free in-focus image: products of powers of what is measured. The gain is a sum of
levels in decibels. `benchmarks/slide_errors.py` fits both to simulated slides of other tissue than those that results
are reported for, of three microscopes (docs/trust.md). The gain is not taken from the two errors: fitted to itself, it
tells better which cells restoring makes worse.
"""

from __future__ import annotations

import numpy as np

from tsva.slides.reblur import Reblur

FEATURES = ("one", "own", "difference", "copy", "linear", "residual", "size_um", "from_shot_um")
OF_ERRORS = ("own", "difference", "copy", "linear")
"""Those that are errors themselves: their exponents add up to one."""
WITH_ERROR = dict(zip(FEATURES, (0.129, 0.189, 0.165, 0.336, 0.31, 0.616, 0.016, 0.085), strict=True))
"""Exponents for networks that estimate their error."""
WITHOUT = dict(zip(FEATURES, (0.273, 0.0, 0.203, 0.39, 0.407, 0.521, 0.028, 0.054), strict=True))
"""And for those that don't."""
COPY_WITH_ERROR = dict(zip(FEATURES, (-0.161, 0.181, 0.149, 0.833, -0.163, -0.011, 0.07, 0.226), strict=True))
COPY_WITHOUT = dict(zip(FEATURES, (-0.021, 0.0, 0.189, 0.885, -0.074, -0.096, 0.083, 0.193), strict=True))
"""Of the copy, which the difference from the restoration tells, too: the better the restoration, the more."""

GAIN_DB = 1.0202
GAIN: dict[str, tuple[float, float, float]] = {
    "copy": (6.1861, 5.8949, 3.4773),
    "linear": (0.8874, 4.7538, -2.5022),
    "difference": (-1.7749, 4.0002, 0.3162),
    "near_residual": (1.4682, 4.6607, -1.1851),
    "residual": (0.9654, 2.4771, -0.8907),
    "from_shot_um": (0.5924, 0.3614, 0.6993),
    "size_um": (1.1578, 0.7535, 0.2766),
    "sd_um": (0.2123, 0.016, 0.0301),
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
    noise: np.ndarray,
) -> dict[str, np.ndarray]:
    """What errors are expected by: natural logarithms, and distances in µm.

    Parameters
    ----------
    own : (R, K) float array or None
        The network's own estimate, where it has one.
    copy_rmse, linear_rmse : (R, K) float arrays
        Of the survey.
    blurred : Reblur
    offset_um, sd_um : (R, K) float array
        Focal offset and its standard deviation.
    delta_um : float
        Half of the distance between the planes.
    noise : (R, K, C) float array
        Variance of a shot's noise.

    Returns
    -------
    dict of str to (R, K) float array
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
        "noise": 0.5 * np.log(noise.mean(axis=-1)),
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
    features : dict of str to (R, K) float array
        Of `features_of`.

    Returns
    -------
    (R, K) float array
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
    features : dict of str to (R, K) float array
        Of `features_of`.
    difference : (R, K) float array
        Of result and nearer shot, `Reblur.difference`.
    estimated : bool
        Whether the network estimates its errors.

    Returns
    -------
    restoring, copying : (R, K) float arrays
    """

    def product(exponents: dict[str, float]) -> np.ndarray:
        return np.asarray(np.exp(sum(exponents[name] * features[name] for name in FEATURES)))

    exponents = (WITH_ERROR, COPY_WITH_ERROR) if estimated else (WITHOUT, COPY_WITHOUT)
    restoring, copying = map(product, exponents)
    # the copy is no farther from the truth than by way of the restoration
    return restoring, np.minimum(copying, restoring + difference)


FARTHEST_LEVEL = 3.0
"""Levels count as no farther from the middle of the fit's slides than so many standard deviations."""
MOST_UM = 3.0
"""Offsets beyond count as this: the fit has seen none."""


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, 1e-5))
