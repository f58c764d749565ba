"""White adipose tissue: large empty cells, thin walls, flat nuclei pressed to them, capillaries where walls meet."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import FAR, Territories, ridge, scatter, step, territories, uniform
from tsva.simulation.phantom.kinds.connective import vessel
from tsva.simulation.phantom.nuclei import FIBROBLAST, FLAT, Nuclei, paint

DIAMETER_UM = 62.0
NUCLEI_PER_MM2 = 350
CORNER_UM = 1.5
"""Walls thicker than this are interstitium, with capillaries and fibres."""


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng = canvas.rng
    area_um2 = (canvas.height_um + 140) * (canvas.width_um + 140)
    # Forty places for every cell that has room: cells stand as close as they can.
    places = uniform(rng, canvas.height_um, canvas.width_um, int(40 * area_um2 / DIAMETER_UM**2), 70.0)
    size_um = DIAMETER_UM * np.exp(rng.normal(0, 0.22, len(places)))
    picked = scatter(places, 0.8 * size_um, len(places))
    places, size_um = places[picked], size_um[picked]
    warp = tuple(2.5 * canvas.smooth(20.0) + 0.4 * wave for wave in canvas.waves)
    stretch, angle = np.exp(np.abs(rng.normal(0, 0.12, len(places)))), rng.uniform(0, np.pi, len(places))
    cells = territories(
        canvas,
        places[:, 0],
        places[:, 1],
        size_um / 2 * stretch,
        size_um / 2 / stretch,
        angle,
        reach=2.6,
        warp_um=(warp[0], warp[1]),
    )
    wall_um = _wall(cells)
    _walls(canvas, wall_um)
    _veils(canvas, cells, wall_um)
    _nuclei(canvas, wall_um)


def _wall(cells: Territories) -> np.ndarray:
    """Depth in micrometres within the wall; negative inside cells. Where three cells meet the wall is thick."""
    second = np.minimum(cells.second, FAR) - cells.nearest
    third = np.minimum(cells.third, FAR) - cells.nearest
    softness = 0.06
    near = np.exp(-second / softness) + np.exp(-third / softness)
    # Half the difference of distances to two centres is the distance from the border between them.
    return np.log(np.maximum(near, 1e-12)) * (softness * DIAMETER_UM / 4) + 0.55


def _walls(canvas: Canvas, wall_um: np.ndarray) -> None:
    rng = canvas.rng
    swell_um = 0.45 * np.maximum(canvas.smooth(9.0), -0.7) + 0.12 * canvas.grain
    deep_um = wall_um + swell_um
    wall = step(deep_um, 0.0, 0.5)
    # Two membranes with a slit between them, which opens here and there.
    slit = step(deep_um, 0.75, 0.4) * step(-wall_um, -CORNER_UM, 0.5) * step(canvas.smooth(12.0), 0.1, 0.8)
    corner = step(wall_um, CORNER_UM, 0.8)
    fibres = np.exp(0.5 * canvas.grain + 0.25 * canvas.speckle)
    canvas.eosin += wall * (1 - 0.85 * slit) * (0.2 - 0.06 * corner) * fibres
    canvas.haematoxylin += wall * (1 - slit) * (0.07 + 0.03 * corner) * np.exp(0.4 * canvas.other_grain)
    for row, column in _spots(
        canvas, (wall_um > CORNER_UM + 0.6), int(rng.poisson(2.5 * canvas.height_um * canvas.width_um / 190**2)), 40.0
    ):
        place = row * canvas.pixel_um, column * canvas.pixel_um
        vessel(
            canvas, *place, rng.uniform(2.6, 3.8), stretch=rng.uniform(1, 2.0), angle=rng.uniform(0, np.pi), filled=1.0
        )


def _veils(canvas: Canvas, cells: Territories, wall_um: np.ndarray) -> None:
    """Some cells are cut through their upper or lower wall, which shows as a faint, granular veil near their edge."""
    rng, number = canvas.rng, int(cells.owner.max()) + 1
    veil = np.where(rng.random(number) < 0.45, rng.uniform(0.01, 0.05, number), 0.004)
    amount = np.append(0.0, veil).astype(np.float32)[cells.owner + 1]
    reach_um = 12.0 + 8.0 * canvas.smooth(25.0)
    amount *= step(wall_um + reach_um, 0.0, 6.0)
    # Shreds of cytoplasm: ridges of noise.
    shreds = ridge(canvas.waves[0] + 0.3 * canvas.other_grain, 0.12) + ridge(canvas.waves[1] + 0.3 * canvas.grain, 0.12)
    canvas.eosin += amount * (np.exp(0.7 * canvas.grain) + 2.0 * shreds)


def _spots(canvas: Canvas, where: np.ndarray, count: int, apart_um: float) -> np.ndarray:
    """(N, 2) rows and columns drawn from a mask, at least so far apart."""
    rows, columns = np.nonzero(where[::2, ::2])
    if count == 0 or len(rows) == 0:
        return np.empty((0, 2), int)
    some = canvas.rng.integers(0, len(rows), 10 * count)
    spots = np.stack([rows[some], columns[some]], axis=1) * 2
    return spots[scatter(spots * canvas.pixel_um, np.full(len(spots), apart_um), count)]


def _nuclei(canvas: Canvas, wall_um: np.ndarray) -> None:
    """Nuclei of adipocytes and endothelium lie along the walls, which bulge around them."""
    rng, pixel_um = canvas.rng, canvas.pixel_um
    count = int(rng.poisson(NUCLEI_PER_MM2 * canvas.height_um * canvas.width_um * 1e-6))
    spots = _spots(canvas, wall_um > -0.1, count, 9.0)
    rows, columns = np.clip(spots.T, 2, np.array(canvas.shape)[:, None] - 3)
    down, right = (
        wall_um[rows + 2, columns] - wall_um[rows - 2, columns],
        wall_um[rows, columns + 2] - wall_um[rows, columns - 2],
    )
    number = len(spots)
    long_um, short_um, angle = rng.uniform(3.2, 6.0, number), rng.uniform(1.1, 2.1, number), np.arctan2(-right, down)
    flat = rng.random(number) < 0.7
    for some, look in ((flat, FLAT), (~flat, FIBROBLAST)):
        paint(
            canvas,
            Nuclei(rows[some] * pixel_um, columns[some] * pixel_um, long_um[some], short_um[some], angle[some]),
            look,
        )
