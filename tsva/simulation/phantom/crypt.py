"""One gland cut across: columnar and goblet cells around a lumen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import ridge, step
from tsva.simulation.phantom.looks import COLUMNAR
from tsva.simulation.phantom.nuclei import Nuclei, paint

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
