"""Capillaries and red cells."""

from __future__ import annotations

import numpy as np

from tsva.phantom.canvas import Canvas
from tsva.phantom.cells import ridge, step
from tsva.phantom.looks import FLAT
from tsva.phantom.nuclei import Nuclei, paint
from tsva.phantom.scatter import scatter


def vessel(canvas: Canvas, y_um: float, x_um: float, radius_um: float, *, stretch: float, angle: float, filled: float) -> None:
    """An open capillary or venule: lumen, thin wall with flat nuclei, and a share of the lumen full of red cells."""
    rng = canvas.rng
    long_um, short_um = radius_um * stretch, radius_um
    window = canvas.window(y_um, x_um, long_um + 4)
    if window is None:
        return
    dy, dx = canvas.y_um[window[0]] - y_um, canvas.x_um[:, window[1]] - x_um
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    radius = np.sqrt((along / long_um) ** 2 + (across / short_um) ** 2).astype(np.float32)
    depth_um = (1 - radius) * np.float32(short_um) + np.float32(0.35) * canvas.waves[0][window] + np.float32(0.1) * canvas.grain[window]
    inside = step(depth_um, 0.0, 0.4)
    for amounts, wall in ((canvas.haematoxylin, 0.12), (canvas.eosin, 0.26)):
        amounts[window] *= 1 - inside
        amounts[window] += np.float32(wall) * ridge(depth_um, 0.5) * np.exp(np.float32(0.4) * canvas.other_grain[window])

    count = int(rng.poisson(0.08 * (long_um + short_um)))
    turn = rng.uniform(0, 2 * np.pi, count)
    out = 1 + 0.8 / short_um
    side_along, side_across = long_um * out * np.cos(turn), short_um * out * np.sin(turn)
    slope = np.arctan2(short_um * np.cos(turn), -long_um * np.sin(turn))
    paint(
        canvas,
        Nuclei(
            y_um + side_along * np.sin(angle) + side_across * np.cos(angle),
            x_um + side_along * np.cos(angle) - side_across * np.sin(angle),
            rng.uniform(3.0, 5.0, count),
            rng.uniform(0.9, 1.4, count),
            slope + angle,
        ),
        FLAT,
    )  # fmt: skip
    wanted = int(filled * 0.75 * long_um * short_um / 3.3**2)
    places = rng.uniform(-1, 1, (200, 2))
    places = places[np.hypot(places[:, 0] / max(1 - 2.6 / long_um, 0.1), places[:, 1] / max(1 - 2.6 / short_um, 0.1)) < 1]
    places *= (long_um, short_um)
    for row in scatter(places, np.full(len(places), 5.6), wanted):
        along_um, across_um = places[row]
        red_cell(
            canvas,
            y_um + along_um * np.sin(angle) + across_um * np.cos(angle),
            x_um + along_um * np.cos(angle) - across_um * np.sin(angle),
        )


def red_cell(canvas: Canvas, y_um: float, x_um: float) -> None:
    """A biconcave disc, 6 to 7 µm wide after shrinkage, seen from any side."""
    rng = canvas.rng
    window = canvas.window(y_um, x_um, 4.5)
    if window is None:
        return
    radius_um, squeeze, angle = rng.uniform(2.7, 3.3), rng.uniform(0.55, 1.0), rng.uniform(0, np.pi)
    dy, dx = canvas.y_um[window[0]] - y_um, canvas.x_um[:, window[1]] - x_um
    along, across = dx * np.cos(angle) + dy * np.sin(angle), (dy * np.cos(angle) - dx * np.sin(angle)) / squeeze
    radius = (np.sqrt(along**2 + across**2) / radius_um).astype(np.float32)
    disc = step((1 - radius) * np.float32(radius_um) + np.float32(0.25) * canvas.waves[1][window], 0.0, 0.35)
    dip = 1 - np.float32(0.45 * squeeze) * np.exp(-((radius / 0.45) ** 2))
    np.maximum(canvas.eosin[window], np.float32(rng.uniform(0.5, 0.75)) * disc * dip * np.exp(np.float32(0.1) * canvas.grain[window]), out=canvas.eosin[window])
