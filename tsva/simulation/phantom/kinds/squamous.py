"""Stratified squamous epithelium of oesophagus and skin: cells that grow, flatten and lose their blue upwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import bodies, ridge, scatter, step, territories, uniform
from tsva.simulation.phantom.kinds.connective import collagen, spindles, wanderers
from tsva.simulation.phantom.nuclei import BASAL, PYKNOTIC, VESICULAR, Nuclei, paint

CANDIDATES_PER_UM2 = 0.36
"""Places dealt out: many more than cells, so that these stand as close as they can."""
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
        *canvas.nuclear_in,
        *canvas.occupied_in,
    ):
        amounts *= keep
    canvas.keep_nuclei(layers.height_um < 0)


@dataclass(frozen=True)
class _Cells:
    """Cells, struct of (N,) arrays: where they lie, how high and at what level; size, flattening and direction."""

    y_um: np.ndarray
    x_um: np.ndarray
    high_um: np.ndarray
    level: np.ndarray
    size_um: np.ndarray
    aspect: np.ndarray
    flat: np.ndarray


def draw_cells(canvas: Canvas, layers: Layers, *, top_um: float, glycogen: float) -> None:
    """Cells grow and flatten from the basement membrane to `top_um` below the surface; nuclei swell, then shrink."""
    cells = _place(canvas, layers, top_um)
    half_um, root = cells.size_um / 1.9, np.sqrt(cells.aspect)
    owned = territories(
        canvas,
        cells.y_um,
        cells.x_um,
        half_um * root,
        half_um / root,
        cells.flat,
        reach=2.3,
        warp_um=(0.5 * canvas.waves[0], 0.5 * canvas.waves[1]),
    )
    size_here_um = np.append(12.0, cells.size_um).astype(np.float32)[owned.owner + 1]
    # Half the difference of distances to two centres is the distance from the border between them.
    border_um = (owned.second - owned.nearest) * size_here_um * (0.5 / 1.9)
    _cytoplasm(canvas, layers, border_um, owned.nearest, top_um, glycogen)
    _nuclei(canvas, cells)


def _place(canvas: Canvas, layers: Layers, top_um: float) -> _Cells:
    rng, margin_um = canvas.rng, 10.0
    area_um2 = (canvas.height_um + 2 * margin_um) * (canvas.width_um + 2 * margin_um)
    places = uniform(rng, canvas.height_um, canvas.width_um, int(CANDIDATES_PER_UM2 * area_um2), margin_um)
    rows, columns = canvas.pixels(places)
    high_um, below_um = layers.height_um[rows, columns], layers.below_um[rows, columns]
    # Basal cells are dealt first, so that they form a palisade on the membrane.
    order = np.argsort(~((high_um > 2.8) & (high_um < 4.8)), kind="stable")
    order = order[(high_um[order] > 2.8) & (below_um[order] > top_um)]
    size_um = np.interp(high_um, [0, 8, 25, 60, 165], [5.6, 6.8, 9.0, 13.0, 17.0])
    kept = order[scatter(places[order], size_um[order], len(order))]
    rows, columns = np.clip(rows[kept], 1, canvas.shape[0] - 2), np.clip(columns[kept], 1, canvas.shape[1] - 2)
    height = layers.height_um
    down = height[rows + 1, columns] - height[rows - 1, columns]
    right = height[rows, columns + 1] - height[rows, columns - 1]
    level = layers.level[rows, columns]
    aspect = np.interp(level, [0, 0.1, 0.25, 0.5, 0.8, 1], [0.7, 0.85, 1.0, 1.25, 2.2, 4.0])
    y_um, x_um = places[kept].T
    return _Cells(y_um, x_um, high_um[kept], level, size_um[kept], aspect, np.arctan2(-right, down))


def _nuclei(canvas: Canvas, cells: _Cells) -> None:
    """Basal nuclei stand upright, intermediate ones are large and pale, superficial ones flat and pyknotic."""
    rng, count = canvas.rng, len(cells.y_um)
    basal, top = cells.high_um < 8.5, cells.level > 0.88
    radius_um = np.interp(cells.level, [0, 0.1, 0.4, 0.75, 1], [2.6, 3.0, 3.7, 3.0, 1.8])
    radius_um *= np.exp(rng.normal(0, 0.1, count))
    upright = np.exp(rng.normal(0.4, 0.12, count))
    lying = np.exp(np.abs(rng.normal(0.14, 0.1, count))) * np.clip(cells.aspect, 1, 2.4) ** 0.7
    root = np.sqrt(np.where(basal, upright, lying))
    turn = np.where(basal, cells.flat + np.pi / 2, cells.flat) + rng.normal(0, 0.2, count)

    halo = (rng.random(count) < HALO_SHARE) & ~basal
    aside, wide_um = rng.uniform(0, 2 * np.pi, halo.sum()), radius_um[halo] * rng.uniform(1.0, 1.25, halo.sum())
    bodies(
        canvas,
        cells.y_um[halo] + 1.2 * np.sin(aside),
        cells.x_um[halo] + 1.2 * np.cos(aside),
        1.15 * wide_um,
        wide_um,
        turn[halo],
        eosin=0.015,
        haematoxylin=0.01,
        granules=0.3,
    )
    nuclei = np.stack([cells.y_um, cells.x_um, radius_um * root, radius_um / root, turn])
    for some, look in ((basal, BASAL), (~basal & ~top, VESICULAR), (top, PYKNOTIC)):
        paint(canvas, Nuclei(*nuclei[:, some]), look)


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


def epithelial(canvas: Canvas) -> None:
    """Non-keratinised epithelium, as of the oesophagus, on its lamina propria."""
    layers = lay(canvas, thickness_um=165.0, papillae_um=16.0)
    courses, tops = collagen(canvas, layers.angle, layers=3, density=0.22, spread=0.7, cleft=0.8)
    spindles(canvas, courses, tops, 1100)
    wanderers(canvas, 700)
    clear(canvas, layers)
    draw_cells(canvas, layers, top_um=1.5, glycogen=0.5)


HORN_UM = 17.0
"""Thickness of the horny layer of skin."""


def skin(canvas: Canvas) -> None:
    """Epidermis with a granular and a horny layer, on a dense dermis."""
    layers = lay(canvas, thickness_um=95.0, papillae_um=14.0)
    courses, tops = collagen(canvas, layers.angle, layers=3, density=0.29, spread=0.45, cleft=0.5)
    spindles(canvas, courses, tops, 1000)
    wanderers(canvas, 400)
    clear(canvas, layers)
    draw_cells(canvas, layers, top_um=HORN_UM + 3, glycogen=0.1)
    _horn(canvas, layers)


def _horn(canvas: Canvas, layers: Layers) -> None:
    """Granular layer with keratohyalin; above it the horny layer in a basket weave of flakes."""
    below = layers.below_um
    granular = step(below, HORN_UM - 0.5, 1.0) * step(-below, -(HORN_UM + 8), 5.0) * step(layers.height_um, 10, 4)
    canvas.haematoxylin += (
        granular * 0.45 * step(canvas.smooth(0.5) + 0.5 * canvas.grain + 0.4 * canvas.waves[0], 0.6, 0.8)
    )
    canvas.eosin *= 1 - 0.35 * granular
    horn = step(below, 0.0, 0.6) * step(-below, -HORN_UM, 1.2) * step(layers.height_um, 2, 2)
    along = np.cos(layers.angle) * canvas.x_um + np.sin(layers.angle) * canvas.y_um
    flakes = below + 2.4 * canvas.smooth(7.0) + 1.2 * np.sin(along / 6.0 + 2 * canvas.smooth(15.0))
    spacing = np.pi / (2.6 + 0.5 * canvas.smooth(20.0))
    lamella = np.abs(np.sin(flakes * spacing))
    thick = 0.32 + 0.16 * canvas.smooth(9.0) + 0.35 * step(below, HORN_UM - 3.5, 3.0)
    canvas.eosin += (
        horn * 0.34 * step(thick - lamella, 0.0, 0.22) * np.exp(0.3 * canvas.grain + 0.25 * canvas.smooth(10.0))
    )
