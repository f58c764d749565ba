"""A blind deblurring method applied to a pair, its failures recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines.restored import Restored
from tsva.restoration.baselines.sharper import y1_of

Deblur = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""(Y, X, C) image in [0, 1] and edge of the kernel, in; kernel and restored image, out."""


def blind_run(deblur: Deblur, pair: Pair, kernel_px: int) -> Restored:
    """Deblur the sharper shot.

    Parameters
    ----------
    deblur : callable
        See `Deblur`.
    pair : Pair
    kernel_px : int
        Edge of the kernel, odd; at most a third of the patch.

    Returns
    -------
    Restored
        Y1 itself where the method gave no numbers; `failure` also where the kernel collapsed to a single pixel, so that
        nothing was deblurred.
    """
    y1 = y1_of(pair).astype(float)
    if 3 * kernel_px > min(y1.shape[:2]):
        return Restored(y1, failure="the patch is smaller than three kernels")
    kernel, restored = deblur(y1, kernel_px)
    if not (np.isfinite(kernel).all() and np.isfinite(restored).all()):
        return Restored(y1, failure="values that are no numbers")
    failure = "the kernel collapsed to one pixel" if np.count_nonzero(kernel) == 1 else ""
    return Restored(np.clip(restored, 0, 1), kernel=kernel, failure=failure)
