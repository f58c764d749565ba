"""Colonic mucosa cut across its crypts: round glands of columnar and goblet cells, lamina propria between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import bodies, ridge, scatter, step, uniform
from tsva.simulation.phantom.kinds.connective import collagen, vessel
from tsva.simulation.phantom.nuclei import COLUMNAR, FIBROBLAST, LYMPHOCYTE, PLASMA, Nuclei, paint

CELL_UM = 5.4
"""Width of a columnar cell at its base."""
GOBLET_CHANCE = 0.4
"""Of being a goblet cell, before neighbours of goblet cells are taken out: 0.4 (1 - 0.4) = 24 % are left."""


@dataclass(frozen=True)
class Crypt:
    """Shape of a crypt: an ellipse with waves on its outline.

    Attributes
    ----------
    y_um, x_um : float
        Centre.
    radius_um, lumen_um : float
        Mean radii of the basement membrane and of the lumen.
    stretch, angle : float
        Ratio of the axes (area is kept) and direction of the long one.
    waves : (3, 2) array
        Relative amplitude and phase of the outline's second to fourth harmonics.
    """

    y_um: float
    x_um: float
    radius_um: float
    lumen_um: float
    stretch: float
    angle: float
    waves: np.ndarray

    def outline_um(self, turn: np.ndarray) -> np.ndarray:
        """Radius of the basement membrane, before stretching, over the angle."""
        waves = [amount * np.cos((order + 2) * turn + phase) for order, (amount, phase) in enumerate(self.waves)]
        return self.radius_um * (1 + np.sum(waves, axis=0))

    def place(self, turn: np.ndarray, far_um: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """y, x and outward direction of places given by angle and radius."""
        root = np.sqrt(self.stretch)
        along, across = far_um * np.cos(turn) * root, far_um * np.sin(turn) / root
        y = self.y_um + along * np.sin(self.angle) + across * np.cos(self.angle)
        x = self.x_um + along * np.cos(self.angle) - across * np.sin(self.angle)
        return y, x, np.arctan2(np.sin(turn) / root, np.cos(turn) * root) + self.angle


def draw_crypt(canvas: Canvas, crypt: Crypt, inside: np.ndarray) -> None:
    """Draw a crypt over what is there, and add its area to `inside`, (Y, X) bool."""
    rng = canvas.rng
    window = canvas.window(crypt.y_um, crypt.x_um, crypt.radius_um * np.sqrt(crypt.stretch) * 1.3)
    if window is None:
        return
    waves = canvas.waves[0][window], canvas.waves[1][window]
    along, across = canvas.turned(window, crypt.y_um, crypt.x_um, crypt.angle)
    root = float(np.sqrt(crypt.stretch))
    turn, distance = np.arctan2(across * root, along / root), np.hypot(along / root, across * root)

    count = int(2 * np.pi * crypt.radius_um / CELL_UM)
    edges = (np.arange(count + 1) + np.append(rng.uniform(-0.2, 0.2, count), 0)) * 2 * np.pi / count - np.pi
    edges[-1] = edges[0] + 2 * np.pi
    cell = np.interp(turn + 0.5 * waves[0] / (distance + 6), edges, np.arange(count + 1)).astype(np.float32)
    outer = crypt.outline_um(turn).astype(np.float32) + 0.35 * waves[1] + 0.15 * canvas.grain[window]
    # Apical surfaces bulge a little, cell by cell, over a shape of their own.
    domes = 0.25 * np.sin(np.pi * (cell % 1)) + 1.3 * waves[1]
    inner = crypt.lumen_um / crypt.radius_um * outer - domes
    _wall(canvas, window, outer - distance, distance - inner, cell, distance * (2 * np.pi / count))
    inside[window] |= distance < outer + 0.5

    middles = (edges[1:] + edges[:-1]) / 2
    goblet = rng.random(count) < GOBLET_CHANCE
    goblet &= ~np.roll(goblet, 1)
    _thecae(canvas, crypt, middles[goblet])
    _nuclei(canvas, crypt, middles, goblet)


def _wall(
    canvas: Canvas,
    window: tuple[slice, slice],
    above_um: np.ndarray,
    below_um: np.ndarray,
    cell: np.ndarray,
    width_um: np.ndarray,
) -> None:
    """Cytoplasm between basement membrane (`above_um`) and lumen (`below_um`); `cell` counts the cells round."""
    rng, grain, other = canvas.rng, canvas.grain[window], canvas.other_grain[window]
    number = cell.astype(np.int32)
    count = int(number.max()) + 1

    def each(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, count).astype(np.float32)[number]

    up = above_um / np.maximum(above_um + below_um, 1)
    base, apex = step(above_um, 0.0, 0.6), step(below_um, 0.0, 0.7)
    side_um = np.minimum(cell % 1, 1 - cell % 1) * width_um
    border = ridge(side_um, 0.28) * np.clip(0.5 + 0.5 * canvas.waves[1][window], 0, 1)
    speckle = canvas.speckle[window]
    vacuoles = 1 - 0.7 * step(canvas.waves[0][window] * 0.5 - speckle, 1.5, 0.6)
    eosin = (each(0.10, 0.17) + 0.07 * up) * np.exp(0.32 * grain + 0.12 * speckle) * vacuoles + 0.09 * border
    eosin += 0.16 * ridge(below_um - 0.6, 0.5)
    haematoxylin = (each(0.14, 0.23) - 0.07 * up) * np.exp(0.3 * other + 0.2 * speckle) * vacuoles
    for amounts, amount in ((canvas.eosin, eosin), (canvas.haematoxylin, haematoxylin)):
        part = amounts[window]
        part *= 1 - base
        part += base * apex * amount
    mucus = base * (1 - apex) * step(other + canvas.waves[0][window], 0.9, 1.2) * step(-below_um, 0.0, 3.0)
    canvas.haematoxylin[window] += 0.05 * mucus * np.exp(0.5 * grain)
    canvas.eosin[window] += 0.16 * ridge(above_um + 0.2, 0.45) * np.exp(0.3 * grain)


def _thecae(canvas: Canvas, crypt: Crypt, turns: np.ndarray) -> None:
    """Goblet cells' mucin: pale egg-shaped drops that bulge between their neighbours and narrow towards the lumen."""
    rng = canvas.rng
    wall_um = crypt.outline_um(turns) * (1 - crypt.lumen_um / crypt.radius_um)
    far_um = crypt.outline_um(turns) - wall_um * rng.uniform(0.52, 0.66, len(turns))
    for y_um, x_um, heading, room_um in zip(*crypt.place(turns, far_um), wall_um, strict=True):
        long_um, wide_um = float(room_um) * rng.uniform(0.27, 0.37), rng.uniform(2.8, 4.6)
        window = canvas.window(y_um, x_um, long_um + 2)
        if window is None:
            continue
        out, aside = canvas.turned(window, y_um, x_um, heading)
        egg = np.hypot(out / long_um, aside / (wide_um * np.clip(1 + out * (0.4 / long_um), 0.4, 1.5)))
        deep_um = (1 - egg) * wide_um + 0.3 * canvas.waves[0][window]
        drop = step(deep_um, 0.0, 0.5)
        foam = np.exp(0.45 * canvas.speckle[window] + 0.4 * canvas.other_grain[window])
        for amounts, amount in ((canvas.eosin, 0.025), (canvas.haematoxylin, 0.06)):
            part = amounts[window]
            part += drop * (amount * foam - part) + 0.07 * ridge(deep_um, 0.4)


def _nuclei(canvas: Canvas, crypt: Crypt, middles: np.ndarray, goblet: np.ndarray) -> None:
    """Basal nuclei: tall in columnar cells, small and pressed down in goblet cells."""
    rng, count = canvas.rng, len(middles)
    wall = 1 - crypt.lumen_um / crypt.radius_um
    up = np.where(goblet, rng.uniform(0.10, 0.16, count), rng.uniform(0.15, 0.36, count))
    y_um, x_um, heading = crypt.place(
        middles + rng.normal(0, 0.015, count), crypt.outline_um(middles) * (1 - up * wall)
    )
    long_um = np.where(goblet, rng.uniform(2.2, 3.0, count), rng.uniform(3.5, 5.0, count))
    short_um = np.where(goblet, rng.uniform(1.7, 2.4, count), rng.uniform(2.0, 2.6, count))
    paint(canvas, Nuclei(y_um, x_um, long_um, short_um, heading + rng.normal(0, 0.13, count)), COLUMNAR)


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
