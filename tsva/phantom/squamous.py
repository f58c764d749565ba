"""Stratified squamous epithelium: cells that grow, flatten and lose their blue towards the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.phantom.bodies import bodies
from tsva.phantom.canvas import Canvas
from tsva.phantom.cells import ridge, step, territories
from tsva.phantom.looks import BASAL, PYKNOTIC, VESICULAR
from tsva.phantom.nuclei import Nuclei, paint
from tsva.phantom.scatter import scatter, uniform


HALO_SHARE = 0.1
"""Cells whose nucleus has shrunk away from the cytoplasm: a clear crescent beside it."""


@dataclass(frozen=True)
class Layers:
    """Places within the epithelium, (Y, X) float32 arrays.

    Attributes
    ----------
    height_um : array
        Above the basement membrane; negative in the connective tissue.
    below_um : array
        Below the free surface; negative beyond it.
    level : array
        0 at the basement membrane, 1 at the surface.
    angle : float
        Direction of the surface, radians from +x towards +y.
    """

    height_um: np.ndarray
    below_um: np.ndarray
    level: np.ndarray
    angle: float


def lay(canvas: Canvas, *, thickness_um: float, papillae_um: float) -> Layers:
    """Lay out an epithelium of a mean thickness across the field, its base in papillae of an amplitude."""
    rng = canvas.rng
    angle = rng.uniform(0, 2 * np.pi)
    y, x = canvas.y_um - canvas.height_um / 2, canvas.x_um - canvas.width_um / 2
    up, side = y * np.cos(angle) - x * np.sin(angle), x * np.cos(angle) + y * np.sin(angle)
    base_um = rng.uniform(-0.3, -0.15) * min(canvas.height_um, canvas.width_um)
    wave = np.cos(2 * np.pi * side / rng.uniform(70, 110) + rng.uniform(0, 2 * np.pi) + 1.3 * canvas.smooth(60.0))
    uneven = 4.0 * canvas.smooth(22.0) + 0.5 * canvas.waves[0] + 0.2 * canvas.grain
    height = (up - base_um - papillae_um * wave + uneven).astype(np.float32)
    below = (thickness_um + base_um - up + 3 * canvas.smooth(50.0) + 0.4 * canvas.waves[1]).astype(np.float32)
    return Layers(height, below, np.clip(height / np.maximum(height + below, 1), 0, 1), angle)


def clear(canvas: Canvas, layers: Layers) -> None:
    """Take away what was drawn where the epithelium, or nothing, lies."""
    keep = step(-layers.height_um, 0.0, 0.6)
    for amounts in (
        canvas.eosin,
        canvas.haematoxylin,
        canvas.nuclear,
        canvas.occupied,
        canvas.nuclear_depth,
        canvas.nuclear_thickness,
    ):
        amounts *= keep
    canvas.keep_nuclei(layers.height_um < 0)


def draw_cells(canvas: Canvas, layers: Layers, *, top_um: float, glycogen: float) -> None:
    """Cells grow and flatten from the basement membrane to the surface; their nuclei swell, then shrink."""
    rng, pixel_um = canvas.rng, canvas.pixel_um
    places = uniform(rng, canvas.height_um, canvas.width_um, 16000, 10.0)
    rows, columns = (np.clip((places[:, axis] / pixel_um).astype(int), 1, canvas.shape[axis] - 2) for axis in (0, 1))
    high_um, level = layers.height_um[rows, columns], layers.level[rows, columns]
    # Basal cells want their place at the membrane: they are dealt first, so that they form a palisade.
    order = np.argsort(np.where((high_um > 2.8) & (high_um < 4.8), 0, 1), kind="stable")
    order = order[(high_um[order] > 2.8) & (layers.below_um[rows, columns][order] > top_um)]
    size_um = np.interp(high_um, [0, 8, 25, 60, 165], [5.6, 6.8, 9.0, 13.0, 17.0])
    kept = order[scatter(places[order], size_um[order], len(order))]
    places, high_um, level, size_um, rows, columns = (
        values[kept] for values in (places, high_um, level, size_um, rows, columns)
    )

    height = layers.height_um
    down, right = (
        height[rows + 1, columns] - height[rows - 1, columns],
        height[rows, columns + 1] - height[rows, columns - 1],
    )
    flat = np.arctan2(-right, down)
    aspect = np.interp(level, [0, 0.1, 0.25, 0.5, 0.8, 1], [0.7, 0.85, 1.0, 1.25, 2.2, 4.0])
    half_um = size_um / 1.9
    cells = territories(
        canvas, places[:, 0], places[:, 1], half_um * np.sqrt(aspect), half_um / np.sqrt(aspect), flat,
        reach=2.3, warp_um=(0.5 * canvas.waves[0], 0.5 * canvas.waves[1]),
    )  # fmt: skip
    size_here = np.append(12.0, size_um).astype(np.float32)[cells.owner + 1] if len(size_um) else 12.0
    _cytoplasm(canvas, layers, (cells.second - cells.nearest) * size_here * 0.26, cells.nearest, top_um, glycogen)

    count = len(kept)
    basal, top = high_um < 8.5, level > 0.88
    big_um = np.interp(level, [0, 0.1, 0.4, 0.75, 1], [2.6, 3.0, 3.7, 3.0, 1.8]) * np.exp(rng.normal(0, 0.1, count))
    long = np.where(
        basal,
        np.exp(rng.normal(0.4, 0.12, count)),
        np.exp(np.abs(rng.normal(0.14, 0.1, count))) * np.clip(aspect, 1, 2.4) ** 0.7,
    )
    turn = np.where(basal, flat + np.pi / 2, flat) + rng.normal(0, 0.2, count)
    halo = rng.random(count) < HALO_SHARE
    aside = rng.uniform(0, 2 * np.pi, count)[halo]
    wide = big_um[halo] * rng.uniform(1.0, 1.25, halo.sum())
    bodies(
        canvas, places[halo, 0] + 1.2 * np.sin(aside), places[halo, 1] + 1.2 * np.cos(aside), wide * 1.15, wide, turn[halo],
        eosin=0.015, haematoxylin=0.01, granules=0.3,
    )  # fmt: skip
    for some, look in ((basal, BASAL), (~basal & ~top, VESICULAR), (top, PYKNOTIC)):
        root = np.sqrt(long[some])
        paint(
            canvas, Nuclei(places[some, 0], places[some, 1], big_um[some] * root, big_um[some] / root, turn[some]), look
        )


def _cytoplasm(
    canvas: Canvas, layers: Layers, border_um: np.ndarray, inward: np.ndarray, top_um: float, glycogen: float
) -> None:
    """Basal cells are blue, upper ones pink and, with glycogen, clear; borders show bridges between the cells."""
    inside = step(layers.height_um, 0.0, 0.5) * step(layers.below_um, top_um - 1.5, 0.8)
    rise = step(layers.height_um, 22.0, 30.0)
    # Borders stand oblique in the section: some are sharp lines, others washed out.
    oblique = np.clip(0.5 + 0.5 * canvas.smooth(7.0), 0, 1)
    bridges = 1 + 0.5 * np.clip(canvas.speckle, -1.5, 1.5)
    border = (1.0 - 0.6 * oblique) * np.exp(-np.square(border_um / (0.4 + 0.6 * oblique))) * bridges
    clear = (
        glycogen * rise * step(inward, 0.35, 0.35) * step(border_um, 1.0, 0.8) * step(canvas.smooth(16.0), -0.6, 1.2)
    )
    # Where matter is dense it takes up both stains.
    dense = 0.2 * canvas.grain + 0.08 * canvas.speckle
    eosin = (0.15 + 0.08 * rise) * (1 - clear) * np.exp(dense + 0.08 * canvas.other_grain)
    blue = 0.09 + 0.17 * np.exp(np.maximum(layers.height_um, 0) * (-1 / 30))
    blue = blue * (1 - 0.6 * clear) * np.exp(dense + 0.15 * canvas.other_grain)
    # Cells full of glycogen meet in dense borders, others in pale gaps that bridges cross.
    canvas.eosin += (eosin * (1 - (0.6 - glycogen) * border) + 0.16 * glycogen * border) * inside
    canvas.haematoxylin += blue * (1 - 0.5 * border) * inside
    canvas.eosin += 0.09 * np.exp(0.5 * canvas.grain) * ridge(layers.height_um, 0.45) * step(layers.below_um, 0.0, 0.6)
