"""Errors that restoring and copying a cell are expected to have, against the noise-free in-focus image.

Both are products of powers of what is measured. `benchmarks/slide_errors.py` fits the exponents to simulated slides of
other tissue than those that results are reported for, of three microscopes (docs/trust.md).
"""

from __future__ import annotations

import numpy as np

from tsva.slides.reblur import Reblur

FEATURES = ("one", "own", "difference", "copy", "linear", "residual", "noise", "size_um", "from_shot_um")
WITH_ERROR = dict(zip(FEATURES, (-7.588, -0.13, 0.141, 0.069, 0.529, 0.911, -1.154, 0.049, -0.058), strict=True))
"""Exponents for networks that estimate their error."""
WITHOUT = dict(zip(FEATURES, (-6.848, 0.0, 0.108, 0.06, 0.515, 0.929, -1.071, 0.041, -0.067), strict=True))
"""And for those that don't."""
COPY_WITH_ERROR = dict(zip(FEATURES, (-5.308, -0.049, 0.157, 0.815, -0.264, 0.261, -0.663, 0.151, 0.093), strict=True))
COPY_WITHOUT = dict(zip(FEATURES, (-5.008, 0.0, 0.143, 0.813, -0.268, 0.264, -0.628, 0.148, 0.091), strict=True))
"""Of the copy, which the difference from the restoration tells, too: the better the restoration, the more."""


def features_of(
    own: np.ndarray | None,
    copy_rmse: np.ndarray,
    linear_rmse: np.ndarray,
    blurred: Reblur,
    noise_rms: np.ndarray,
    offset_um: np.ndarray,
    delta_um: float,
) -> dict[str, np.ndarray]:
    """What errors are expected by: natural logarithms, and distances in µm.

    Parameters
    ----------
    own : (R, K) float array or None
        The network's own estimate, where it has one.
    copy_rmse, linear_rmse : (R, K) float arrays
        Of the survey.
    blurred : Reblur
    noise_rms : (R, K) float array
        Standard deviation of a shot's noise.
    offset_um : (R, K) float array
        Focal offset.
    delta_um : float
        Half of the distance between the planes.

    Returns
    -------
    dict of str to (R, K) float array
        By the names of `FEATURES`.
    """
    size_um = np.minimum(np.abs(offset_um), MOST_UM)
    return {
        "one": np.ones_like(size_um),
        "own": np.zeros_like(size_um) if own is None else _log(own),
        "difference": _log(blurred.difference),
        "copy": _log(np.nan_to_num(copy_rmse, nan=1e-3)),
        "linear": _log(np.nan_to_num(linear_rmse, nan=1e-3)),
        "residual": _log(blurred.residual),
        "noise": _log(noise_rms),
        "size_um": size_um,
        "from_shot_um": np.minimum(np.abs(size_um - delta_um), 1.0),
    }


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


MOST_UM = 3.0
"""Offsets beyond count as this: the fit has seen none."""


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, 1e-5))
