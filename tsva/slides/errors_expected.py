"""Errors that restoring and copying a cell are expected to have, against the noise-free in-focus image.

Both are products of powers of what is measured. `benchmarks/slide_errors.py` fits the exponents to simulated slides of
other tissue than those that results are reported for, of three microscopes (docs/trust.md).
"""

from __future__ import annotations

import numpy as np

from tsva.slides.reblur import Reblur

FEATURES = ("one", "own", "difference", "copy", "linear", "residual", "size_um", "from_shot_um")
OF_ERRORS = ("own", "difference", "copy", "linear")
"""Those that are errors themselves: their exponents add up to one."""
WITH_ERROR = dict(zip(FEATURES, (0.187, 0.089, 0.242, 0.282, 0.386, 0.469, 0.028, 0.064), strict=True))
"""Exponents for networks that estimate their error."""
WITHOUT = dict(zip(FEATURES, (0.261, 0.0, 0.274, 0.308, 0.418, 0.404, 0.028, 0.054), strict=True))
"""And for those that don't."""
COPY_WITH_ERROR = dict(zip(FEATURES, (-0.118, 0.104, 0.224, 0.761, -0.089, -0.079, 0.1, 0.187), strict=True))
COPY_WITHOUT = dict(zip(FEATURES, (-0.029, 0.0, 0.264, 0.79, -0.054, -0.146, 0.101, 0.171), strict=True))
"""Of the copy, which the difference from the restoration tells, too: the better the restoration, the more."""


def features_of(
    own: np.ndarray | None,
    copy_rmse: np.ndarray,
    linear_rmse: np.ndarray,
    blurred: Reblur,
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
        "one": np.ones_like(blurred.residual),
        "own": np.zeros_like(blurred.residual) if own is None else _log(own),
        "difference": _log(blurred.difference),
        "copy": _log(np.nan_to_num(copy_rmse, nan=1e-3)),
        "linear": _log(np.nan_to_num(linear_rmse, nan=1e-3)),
        "residual": _log(blurred.residual),
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
