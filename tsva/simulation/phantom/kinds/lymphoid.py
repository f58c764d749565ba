"""Lymph node: sheets of small round lymphocytes, some larger pale cells, a reticulum of fine fibres, venules."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import ridge, scatter, step, territories, uniform
from tsva.simulation.phantom.kinds.connective import vessel
from tsva.simulation.phantom.nuclei import FIBROBLAST, LYMPHOCYTE, VESICULAR, Nuclei, paint

CELLS_PER_MM2 = 14000
LARGE_SHARE = 0.06
RETICULAR_SHARE = 0.05
OVERLAP = 0.9
"""Centres may come this close, relative to touching: a section of 3 to 4 µm shows cells above one another."""


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng, margin_um = canvas.rng, 8.0
    area_mm2 = (canvas.height_um + 2 * margin_um) * (canvas.width_um + 2 * margin_um) * 1e-6
    count = int(rng.poisson(CELLS_PER_MM2 * area_mm2))
    places = uniform(rng, canvas.height_um, canvas.width_um, 14 * count, margin_um)
    kind = rng.choice(3, len(places), p=(1 - LARGE_SHARE - RETICULAR_SHARE, LARGE_SHARE, RETICULAR_SHARE))
    radius_um = np.choose(
        kind, [rng.normal(mean, spread, len(places)) for mean, spread in ((2.9, 0.28), (4.4, 0.5), (2.2, 0.3))]
    )
    tubes = places[: rng.poisson(1.2)]
    taken = np.column_stack([tubes, np.full(len(tubes), 22.0)])
    picked = scatter(places, 2 * radius_um * OVERLAP, count, taken)
    places, kind, radius_um = places[picked], kind[picked], radius_um[picked]
    stretch = np.where(kind == 2, rng.uniform(2.0, 3.0, len(picked)), np.exp(np.abs(rng.normal(0, 0.1, len(picked)))))
    angle = rng.uniform(0, np.pi, len(picked))

    _ground(canvas, canvas.smooth(14.0))
    reach_um = radius_um + np.choose(kind, (0.8, 2.6, 1.0))
    cells = territories(
        canvas,
        places[:, 0],
        places[:, 1],
        reach_um * stretch**0.5,
        reach_um,
        angle,
        reach=1.4,
        warp_um=(0.3 * canvas.waves[0], 0.3 * canvas.waves[1]),
    )
    body = step(1 - cells.nearest, 0.0, 0.2) * step(cells.second - cells.nearest, 0.05, 0.1)
    blue = np.concatenate([[0], np.choose(kind, (0.13, 0.12, 0.06))]).astype(np.float32)[cells.owner + 1]
    pink = np.concatenate([[0], np.choose(kind, (0.09, 0.12, 0.14))]).astype(np.float32)[cells.owner + 1]
    texture = np.exp(0.35 * canvas.other_grain + 0.25 * canvas.speckle)
    canvas.eosin += body * (pink * texture - canvas.eosin)
    canvas.haematoxylin += body * (blue * texture - canvas.haematoxylin)

    for y_um, x_um in tubes:
        vessel(
            canvas,
            y_um,
            x_um,
            rng.uniform(4, 7.5),
            stretch=rng.uniform(1, 1.8),
            angle=rng.uniform(0, np.pi),
            filled=rng.uniform(0.2, 0.9),
        )
    for index, look in enumerate((LYMPHOCYTE, VESICULAR, FIBROBLAST)):
        some = kind == index
        root = np.sqrt(stretch[some])
        paint(
            canvas,
            Nuclei(places[some, 0], places[some, 1], radius_um[some] * root, radius_um[some] / root, angle[some]),
            look,
        )


def _ground(canvas: Canvas, loose: np.ndarray) -> None:
    """Pale ground with fibres of the reticulum, looser in places."""
    web = ridge(canvas.waves[0] + 0.15 * canvas.grain, 0.14) + ridge(canvas.waves[1] + 0.15 * canvas.other_grain, 0.14)
    density = step(loose, -0.9, 1.6)
    canvas.eosin += (0.02 + 0.06 * density) * np.exp(0.4 * canvas.grain) + 0.06 * web
    canvas.haematoxylin += (0.015 + 0.05 * density) * np.exp(0.4 * canvas.other_grain) + 0.02 * web
