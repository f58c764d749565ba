"""Errors that restoring and copying a cell are expected to have, against the noise-free in-focus image."""

from __future__ import annotations

import numpy as np

from tsva.slides.reblur import Reblur


def restore_error(
    own: np.ndarray | None, copy_rmse: np.ndarray, blurred: Reblur, noise: np.ndarray, offset_um: np.ndarray
) -> np.ndarray:
    return own if own is not None else copy_rmse


def copy_error(copy_rmse: np.ndarray, blurred: Reblur, restoring: np.ndarray) -> np.ndarray:
    return copy_rmse
