"""Capillaries and red cells."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import ridge, step
from tsva.simulation.phantom.looks import FLAT
from tsva.simulation.phantom.nuclei import Nuclei, paint
from tsva.simulation.phantom.scatter import scatter

RED_CELL_UM = 3.2
"""Radius of a red cell: 7.5 µm in diameter in blood, 6 to 7 µm after embedding."""


def vessel(
    canvas: Canvas, y_um: float, x_um: float, radius_um: float, *, stretch: float, angle: float, filled: float
) -> None:
    """An open capillary or venule: lumen, thin wall with flat nuclei, and a share of the lumen full of red cells."""
    rng = canvas.rng
    long_um, short_um = radius_um * stretch, radius_um
    window = canvas.window(y_um, x_um, long_um + 4)
    if window is None:
        return
    along, across = canvas.turned(window, y_um, x_um, angle)
    depth_um = (1 - np.hypot(along / long_um, across / short_um)) * short_um
    depth_um += 0.35 * canvas.waves[0][window] + 0.1 * canvas.grain[window]
    inside = step(depth_um, 0.0, 0.4)
    for amounts, wall in ((canvas.haematoxylin, 0.12), (canvas.eosin, 0.26)):
        amounts[window] *= 1 - inside
        amounts[window] += wall * ridge(depth_um, 0.5) * np.exp(0.4 * canvas.other_grain[window])

    def place(side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """y and x of (N, 2) places along and across."""
        cos, sin = np.cos(angle), np.sin(angle)
        return y_um + side[:, 0] * sin + side[:, 1] * cos, x_um + side[:, 0] * cos - side[:, 1] * sin

    count = int(rng.poisson(0.08 * (long_um + short_um)))
    turn = rng.uniform(0, 2 * np.pi, count)
    ring = np.stack([(long_um + 0.8) * np.cos(turn), (short_um + 0.8) * np.sin(turn)], axis=1)
    slope = np.arctan2(short_um * np.cos(turn), -long_um * np.sin(turn)) + angle
    paint(canvas, Nuclei(*place(ring), rng.uniform(3.0, 5.0, count), rng.uniform(0.9, 1.4, count), slope), FLAT)

    wanted = int(filled * 0.75 * long_um * short_um / RED_CELL_UM**2)
    places = rng.uniform(-1, 1, (200, 2)) * np.maximum((long_um - 2.6, short_um - 2.6), 0.1)
    for y, x in zip(*place(places[scatter(places, np.full(len(places), 5.6), wanted)]), strict=True):
        _red_cell(canvas, y, x)


def _red_cell(canvas: Canvas, y_um: float, x_um: float) -> None:
    """A biconcave disc seen from any side."""
    rng = canvas.rng
    window = canvas.window(y_um, x_um, 4.5)
    if window is None:
        return
    radius_um, squeeze = rng.normal(RED_CELL_UM, 0.15), rng.uniform(0.55, 1.0)
    along, across = canvas.turned(window, y_um, x_um, rng.uniform(0, np.pi))
    radius = np.hypot(along, across / squeeze) / radius_um
    disc = step((1 - radius) * radius_um + 0.25 * canvas.waves[1][window], 0.0, 0.35)
    dip = 1 - 0.45 * squeeze * np.exp(-((radius / 0.45) ** 2))
    amount = rng.uniform(0.5, 0.75) * disc * dip * np.exp(0.1 * canvas.grain[window])
    np.maximum(canvas.eosin[window], amount, out=canvas.eosin[window])
