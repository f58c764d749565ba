"""White adipose tissue: large empty cells, thin membranes, flat nuclei pressed to the walls, capillaries in the corners."""

from __future__ import annotations

import numpy as np

from tsva.phantom.canvas import Canvas
from tsva.phantom.cells import FAR, Territories, ridge, step, territories
from tsva.phantom.looks import FLAT
from tsva.phantom.noise import smooth
from tsva.phantom.nuclei import Nuclei, paint
from tsva.phantom.scatter import scatter, uniform
from tsva.phantom.vessels import vessel

DIAMETER_UM = 62.0
WALL_NUCLEI_PER_MM2 = 330


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng, grid = canvas.rng, (canvas.shape, canvas.pixel_um, canvas.rng)
    places = uniform(rng, canvas.height_um, canvas.width_um, 900, 60.0)
    size_um = DIAMETER_UM * np.exp(rng.normal(0, 0.18, len(places)))
    picked = scatter(places, 0.88 * size_um, len(places))
    places, size_um = places[picked], size_um[picked]
    warp = (3.0 * smooth(*grid, 22.0), 3.0 * smooth(*grid, 22.0))
    cells = territories(
        canvas, places[:, 0], places[:, 1], size_um / 2, size_um / 2, np.zeros(len(places)), reach=2.6, warp_um=warp
    )
    wall_um = _wall(cells)
    thickness_um = 0.45 + 0.2 * np.maximum(smooth(*grid, 12.0), -1)
    wall = step(np.minimum(wall_um, thickness_um) - np.maximum(-wall_um, 0), 0.0, 0.3) * ridge(np.maximum(wall_um - thickness_um, 0), 0.25)
    corner = step(wall_um, 1.4, 1.2) * np.float32(0.0)
    stroma = np.maximum(wall, corner)
    canvas.eosin += stroma * np.float32(0.3) * np.exp(np.float32(0.35) * canvas.grain)
    canvas.haematoxylin += stroma * np.float32(0.07) * np.exp(np.float32(0.35) * canvas.other_grain)
    _ghosts(canvas, cells)
    _nuclei(canvas, cells, wall_um)


def _wall(cells: Territories) -> np.ndarray:
    """Micrometres into the wall (positive) between rounded cells; corners come out thick."""
    second = np.minimum(cells.second, FAR) - cells.nearest
    third = np.minimum(cells.third, FAR) - cells.nearest
    softness = np.float32(0.05)
    near = np.exp(-second / softness) + np.exp(-third / softness)
    return (np.log(np.maximum(near, 1e-12)) * softness + np.float32(0.02)) * np.float32(DIAMETER_UM / 4) 


def _ghosts(canvas: Canvas, cells: Territories) -> None:
    """Some cells are cut through their upper or lower membrane, which shows as a faint granular veil."""
    rng = canvas.rng
    veil = np.concatenate([[0.0], np.where(rng.random(cells.owner.max() + 1) < 0.25, rng.uniform(0.01, 0.05, cells.owner.max() + 1), 0)]).astype(np.float32)
    amount = veil[cells.owner + 1] * step(canvas.outline[0, 0] + smooth(canvas.shape, canvas.pixel_um, rng, 18.0), -0.2, 0.8)
    canvas.eosin += amount * np.exp(np.float32(0.6) * canvas.grain)


def _nuclei(canvas: Canvas, cells: Territories, wall_um: np.ndarray) -> None:
    rng, pixel_um = canvas.rng, canvas.pixel_um
    count = int(rng.poisson(WALL_NUCLEI_PER_MM2 * canvas.height_um * canvas.width_um * 1e-6))
    rows, columns = np.nonzero(wall_um[2:-2:3, 2:-2:3] > -0.2)
    if len(rows) == 0:
        return
    some = rng.integers(0, len(rows), 8 * count + 8)
    rows, columns = rows[some] * 3 + 2, columns[some] * 3 + 2
    places = np.stack([rows, columns], axis=1) * pixel_um
    picked = scatter(places, np.full(len(places), 9.0), count)
    rows, columns, places = rows[picked], columns[picked], places[picked]
    down = wall_um[np.minimum(rows + 2, wall_um.shape[0] - 1), columns] - wall_um[np.maximum(rows - 2, 0), columns]
    right = wall_um[rows, np.minimum(columns + 2, wall_um.shape[1] - 1)] - wall_um[rows, np.maximum(columns - 2, 0)]
    number = len(picked)
    paint(
        canvas,
        Nuclei(places[:, 0], places[:, 1], rng.uniform(3.2, 5.5, number), rng.uniform(1.1, 2.0, number), np.arctan2(-right, down)),
        FLAT,
    )
    for place in places[: rng.poisson(2)]:
        vessel(canvas, place[0], place[1], rng.uniform(2.8, 4.0), stretch=rng.uniform(1, 1.6), angle=rng.uniform(0, np.pi), filled=1.0)
