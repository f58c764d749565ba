"""Colonic mucosa cut across its crypts: round glands of columnar and goblet cells, lamina propria between."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.bodies import bodies
from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.crypt import Crypt, draw_crypt
from tsva.simulation.phantom.kinds.stromal import collagen
from tsva.simulation.phantom.looks import FIBROBLAST, LYMPHOCYTE, PLASMA
from tsva.simulation.phantom.nuclei import Nuclei, paint
from tsva.simulation.phantom.scatter import scatter, uniform
from tsva.simulation.phantom.vessels import vessel

RADIUS_UM = 34.0
SPACING_UM = 86.0
PROPRIA_PER_MM2 = 6500
"""Nuclei in the lamina propria, per area of lamina propria."""


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng = canvas.rng
    collagen(canvas, rng.uniform(0, np.pi), layers=3, density=0.15, spread=1.0, cleft=0.45)
    canvas.haematoxylin += 0.04 * np.exp(0.5 * canvas.other_grain)
    inside = np.zeros(canvas.shape, bool)
    for y_um, x_um in _lattice(canvas):
        radius_um = RADIUS_UM * np.exp(rng.normal(0, 0.1))
        waves = np.stack([rng.normal(0, (0.06, 0.04, 0.02)), rng.uniform(0, 2 * np.pi, 3)], axis=1)
        stretch = np.exp(np.abs(rng.normal(0, 0.2)))
        crypt = Crypt(y_um, x_um, radius_um, radius_um * rng.uniform(0.12, 0.33), stretch, rng.uniform(0, np.pi), waves)
        draw_crypt(canvas, crypt, inside)
    _propria(canvas, inside)


def _lattice(canvas: Canvas) -> np.ndarray:
    """Crypts stand close to a hexagonal lattice, turned at random and disturbed; (N, 2) y and x."""
    rng = canvas.rng
    reach = int(np.hypot(canvas.height_um, canvas.width_um) / SPACING_UM) + 2
    row, column = (grid.ravel() for grid in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    y, x = SPACING_UM * np.sqrt(3) / 2 * row, SPACING_UM * (column + 0.5 * (row % 2))
    turn = rng.uniform(0, np.pi)
    places = np.stack([y * np.cos(turn) - x * np.sin(turn), y * np.sin(turn) + x * np.cos(turn)], axis=1)
    places += (canvas.height_um / 2, canvas.width_um / 2) + rng.uniform(-0.5, 0.5, 2) * SPACING_UM
    places += rng.normal(0, 0.06 * SPACING_UM, places.shape)
    near = np.all((places > -60) & (places < (canvas.height_um + 60, canvas.width_um + 60)), axis=1)
    return places[near]


def _propria(canvas: Canvas, inside: np.ndarray) -> None:
    """Lymphocytes, plasma cells, fibroblasts and capillaries between the crypts."""
    rng = canvas.rng
    area_mm2 = np.mean(~inside) * (canvas.height_um + 12) * (canvas.width_um + 12) * 1e-6
    count = int(rng.poisson(PROPRIA_PER_MM2 * area_mm2))
    places = uniform(rng, canvas.height_um, canvas.width_um, 40 * count + 40, 6.0)
    places = places[~inside[canvas.pixels(places)]]
    tubes = places[: rng.poisson(3)]
    for y_um, x_um in tubes:
        vessel(
            canvas,
            y_um,
            x_um,
            rng.uniform(2.6, 4.0),
            stretch=rng.uniform(1, 1.8),
            angle=rng.uniform(0, np.pi),
            filled=0.9,
        )
    taken = np.column_stack([tubes, np.full(len(tubes), 12.0)])
    places = places[scatter(places, np.full(len(places), 5.8), count, taken)]
    cell = rng.choice(3, len(places), p=(0.4, 0.35, 0.25))
    for kind, look in enumerate((LYMPHOCYTE, PLASMA, FIBROBLAST)):
        y_um, x_um = places[cell == kind].T
        number = len(y_um)
        angle = rng.uniform(0, np.pi, number)
        short_um = rng.uniform(1.2, 1.9, number) if look is FIBROBLAST else rng.normal(2.9, 0.25, number)
        long_um = short_um * (rng.uniform(2.4, 3.6, number) if look is FIBROBLAST else 1.08)
        if look is PLASMA:
            shift = rng.uniform(1.2, 2.2, number)
            bodies(
                canvas,
                y_um + shift * np.sin(angle),
                x_um + shift * np.cos(angle),
                np.full(number, 5.6),
                np.full(number, 4.3),
                angle,
                eosin=0.17,
                haematoxylin=0.2,
                granules=0.15,
            )
        paint(canvas, Nuclei(y_um, x_um, long_um, short_um, angle), look)
