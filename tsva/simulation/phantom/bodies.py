"""Cytoplasm of cells that lie free: plasma cells, macrophages, eosinophils."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import step


def bodies(
    canvas: Canvas,
    y_um: np.ndarray,
    x_um: np.ndarray,
    long_um: np.ndarray,
    short_um: np.ndarray,
    angle: np.ndarray,
    *,
    eosin: float,
    haematoxylin: float,
    granules: float,
) -> None:
    """Draw cell bodies over what is there.

    Parameters
    ----------
    canvas : Canvas
        The field.
    y_um, x_um, long_um, short_um, angle : (N,) float arrays
        Centres, half axes and direction of the long axis.
    eosin, haematoxylin : float
        Amounts.
    granules : float
        Standard deviation of log amount over lobes of about 1 µm.
    """
    for y, x, long, short, turn in zip(y_um, x_um, long_um, short_um, angle, strict=True):
        window = canvas.window(y, x, 1.3 * long)
        if window is None:
            continue
        along, across = canvas.turned(window, y, x, turn)
        radius = np.sqrt((along / float(long)) ** 2 + (across / float(short)) ** 2)
        cover = step((1 - radius) * float(short) + 0.3 * canvas.waves[0][window], 0.0, 0.6)
        texture = np.exp(granules * canvas.speckle[window] + 0.2 * canvas.grain[window])
        for amounts, amount in ((canvas.eosin, eosin), (canvas.haematoxylin, haematoxylin)):
            part = amounts[window]
            part += cover * (amount * texture - part)
