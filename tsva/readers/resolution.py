"""Pixel size and positions that a file tells more than once: it has to agree with itself."""

from __future__ import annotations

import logging
import math

import numpy as np

from tsva.acquisition.resample import SAME_PIXEL

log = logging.getLogger(__name__)
SAME_STEP = 0.01
"""Shares by which two words on the same step may differ."""


def agreed_pixel_um(where: str, x_um: float | None, y_um: float | None) -> float | None:
    """Pixel size by width and height; None, with a warning, if pixels aren't square: the sheet is then asked.

    What is no length (zero, negative, infinite) counts as not said.

    Parameters
    ----------
    where : str
        The file, for messages.
    x_um, y_um : float or None
        Width and height of a pixel, as far as the file says them.
    """
    x_um, y_um = (um if um is not None and math.isfinite(um) and um > 0 else None for um in (x_um, y_um))
    if x_um and y_um and abs(x_um / y_um - 1) > SAME_PIXEL:
        log.warning("%s: pixels of %.4g by %.4g µm, which are not square: not believed", where, x_um, y_um)
        return None
    return x_um or y_um


def positions_um(
    where: str, planes: int, own_um: tuple[float, ...] | None, step_um: float | None
) -> tuple[float, ...] | None:
    """Where planes lie: by their own positions, else by the file's step, the first plane then being at 0.

    A stage that was not asked reports the same position for all planes; then the step counts. Regular positions that
    contradict the step give None, with a warning: the sheet is then asked.

    Parameters
    ----------
    where : str
        The file, for messages.
    planes : int
        How many there are.
    own_um : tuple of float, or None
        Position of each plane.
    step_um : float or None
        Distance between planes.
    """
    if own_um is not None and (np.ptp(own_um) > 0 or step_um is None):
        steps = np.abs(np.diff(own_um))
        if step_um and len(steps) and np.ptp(steps) < SAME_STEP * steps.mean():
            mean = float(steps.mean())
            if abs(mean / step_um - 1) > SAME_STEP:
                log.warning(
                    "%s: planes are %.4g µm apart by their positions, %.4g by the step: neither is believed",
                    where,
                    mean,
                    step_um,
                )
                return None
        return own_um
    return tuple(i * step_um for i in range(planes)) if step_um else None
