"""Lymph node: sheets of small round lymphocytes, some larger pale cells, venules."""

from __future__ import annotations

import numpy as np

from tsva.phantom.canvas import Canvas
from tsva.phantom.cells import step, territories
from tsva.phantom.looks import LYMPHOCYTE, VESICULAR
from tsva.phantom.noise import smooth
from tsva.phantom.nuclei import Nuclei, paint
from tsva.phantom.scatter import scatter, uniform
from tsva.phantom.vessels import vessel

CELLS_PER_MM2 = 11000
LARGE_SHARE = 0.08


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng, grid, margin_um = canvas.rng, (canvas.shape, canvas.pixel_um, canvas.rng), 8.0
    ground = np.exp(np.float32(0.5) * canvas.grain + np.float32(0.5) * smooth(*grid, 5.0))
    canvas.eosin += np.float32(0.11) * ground
    canvas.haematoxylin += np.float32(0.08) * np.exp(np.float32(0.4) * canvas.other_grain)

    area_mm2 = (canvas.height_um + 2 * margin_um) * (canvas.width_um + 2 * margin_um) * 1e-6
    count = int(rng.poisson(CELLS_PER_MM2 * area_mm2))
    places = uniform(rng, canvas.height_um, canvas.width_um, 12 * count, margin_um)
    large = rng.random(len(places)) < LARGE_SHARE
    radius_um = np.where(large, rng.normal(4.6, 0.5, len(places)), rng.normal(3.1, 0.28, len(places)))
    picked = scatter(places, 2 * radius_um * 1.02, count)
    places, large, radius_um = places[picked], large[picked], radius_um[picked]
    stretch = np.exp(np.abs(rng.normal(0, 0.1, len(picked))))
    angle = rng.uniform(0, np.pi, len(picked))

    reach_um = radius_um * np.where(large, 1.6, 1.22)
    cells = territories(canvas, places[:, 0], places[:, 1], reach_um * stretch, reach_um, angle, reach=1.5)
    body = step(1 - cells.nearest, -0.05, 0.15) * step(cells.second - cells.nearest, 0.06, 0.08)
    light = np.concatenate([[0], np.where(large, 0.7, 1.0)]).astype(np.float32)[cells.owner + 1]
    gap = 1 - step(cells.nearest, 1.05, 0.35) * np.float32(0.75)
    canvas.eosin *= gap * (np.float32(0.75) + np.float32(0.6) * body * light)
    canvas.haematoxylin *= gap * (np.float32(0.6) + np.float32(0.9) * body * light)
    for kind, look in ((~large, LYMPHOCYTE), (large, VESICULAR)):
        paint(canvas, Nuclei(places[kind, 0], places[kind, 1], (radius_um * stretch)[kind], radius_um[kind], angle[kind]), look)
