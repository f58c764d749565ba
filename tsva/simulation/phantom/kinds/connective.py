"""Connective tissue: wavy fibres, woven bundles of collagen, spindle nuclei, clefts, capillaries and red cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.simulation.phantom.canvas import Canvas, fractal
from tsva.simulation.phantom.cells import ridge, scatter, step, uniform
from tsva.simulation.phantom.nuclei import FIBROBLAST, FLAT, LYMPHOCYTE, Nuclei, paint

BANK = 1024


@dataclass(frozen=True)
class Course:
    """Coordinates along (`u_um`) and across (`v_um`) fibres, (Y, X) float32 arrays."""

    u_um: np.ndarray
    v_um: np.ndarray

    def angle(self, row: int, column: int) -> float:
        """Direction of the fibres at a pixel, radians from +x towards +y."""
        row, column = min(max(row, 1), self.v_um.shape[0] - 2), min(max(column, 1), self.v_um.shape[1] - 2)
        down = self.v_um[row + 1, column] - self.v_um[row - 1, column]
        right = self.v_um[row, column + 1] - self.v_um[row, column - 1]
        return float(np.arctan2(-right, down))


def course(
    canvas: Canvas, angle: float, *, wander_um: float, wander_length_um: float, crimp_um: float, crimp_period_um: float
) -> Course:
    """Fibres in a direction, swept about by slow wandering and crimped in waves.

    Parameters
    ----------
    canvas : Canvas
        The field.
    angle : float
        Mean direction, radians from +x towards +y.
    wander_um, wander_length_um : float
        Standard deviation and correlation length of the sideways displacement.
    crimp_um, crimp_period_um : float
        Amplitude and period of the waves of collagen.
    """
    rng = canvas.rng
    u = canvas.x_um * np.cos(angle) + canvas.y_um * np.sin(angle)
    v = canvas.y_um * np.cos(angle) - canvas.x_um * np.sin(angle)
    v = (v + wander_um * canvas.smooth(wander_length_um)).astype(np.float32)
    u = (u + wander_um * canvas.smooth(wander_length_um)).astype(np.float32)
    phase = 1.5 * canvas.smooth(1.5 * crimp_period_um) + rng.uniform(0, 2 * np.pi)
    strength = 0.6 + 0.5 * canvas.smooth(3 * crimp_period_um)
    v += np.float32(crimp_um) * strength * np.sin(u * (2 * np.pi / crimp_period_um) + phase)
    return Course(u, v)


class Bank:
    """A periodic fibre texture in fibre coordinates, looked up along a course."""

    def __init__(
        self, rng: np.random.Generator, *, step_um: tuple[float, float], long_um: tuple[float, float], slope: float
    ):
        """`step_um` and `long_um`: across, along."""
        self.step_um = step_um
        self.textures = fractal((BANK, BANK), step_um, rng, long_um=long_um, slope=slope)

    def look(self, course: Course, which: int, shift: tuple[int, int]) -> np.ndarray:
        """(Y, X) float32 texture, unit variance. The nearest sample: the bank is finer than the pixels."""
        # Casting rounds towards zero; adding whole periods keeps the coordinates positive.
        rows = (course.v_um * np.float32(1 / self.step_um[0]) + np.float32(16 * BANK + shift[0])).astype(np.int32)
        columns = (course.u_um * np.float32(1 / self.step_um[1]) + np.float32(16 * BANK + shift[1])).astype(np.int32)
        rows &= BANK - 1
        columns &= BANK - 1
        rows *= BANK
        rows += columns
        return self.textures[which].ravel()[rows]


RED_CELL_UM = 3.2
"""Radius of a red cell: 7.5 µm in diameter in blood, 6 to 7 µm after embedding."""


def vessel(
    canvas: Canvas, y_um: float, x_um: float, radius_um: float, *, stretch: float, angle: float, filled: float
) -> None:
    """An open capillary or venule: lumen, thin wall with flat nuclei, and a share of the lumen full of red cells."""
    rng = canvas.rng
    long_um, short_um = radius_um * stretch, radius_um
    window = canvas.window(y_um, x_um, long_um + 4)
    if window is None:
        return
    along, across = canvas.turned(window, y_um, x_um, angle)
    depth_um = (1 - np.hypot(along / long_um, across / short_um)) * short_um
    depth_um += 0.35 * canvas.waves[0][window] + 0.1 * canvas.grain[window]
    inside = step(depth_um, 0.0, 0.4)
    for amounts, wall in ((canvas.haematoxylin, 0.12), (canvas.eosin, 0.26)):
        amounts[window] *= 1 - inside
        amounts[window] += wall * ridge(depth_um, 0.5) * np.exp(0.4 * canvas.other_grain[window])

    def place(side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """y and x of (N, 2) places along and across."""
        cos, sin = np.cos(angle), np.sin(angle)
        return y_um + side[:, 0] * sin + side[:, 1] * cos, x_um + side[:, 0] * cos - side[:, 1] * sin

    count = int(rng.poisson(0.08 * (long_um + short_um)))
    turn = rng.uniform(0, 2 * np.pi, count)
    ring = np.stack([(long_um + 0.8) * np.cos(turn), (short_um + 0.8) * np.sin(turn)], axis=1)
    slope = np.arctan2(short_um * np.cos(turn), -long_um * np.sin(turn)) + angle
    paint(canvas, Nuclei(*place(ring), rng.uniform(3.0, 5.0, count), rng.uniform(0.9, 1.4, count), slope), FLAT)

    wanted = int(filled * 0.75 * long_um * short_um / RED_CELL_UM**2)
    places = rng.uniform(-1, 1, (200, 2)) * np.maximum((long_um - 2.6, short_um - 2.6), 0.1)
    for y, x in zip(*place(places[scatter(places, np.full(len(places), 5.6), wanted)]), strict=True):
        _red_cell(canvas, y, x)


def _red_cell(canvas: Canvas, y_um: float, x_um: float) -> None:
    """A biconcave disc seen from any side."""
    rng = canvas.rng
    window = canvas.window(y_um, x_um, 4.5)
    if window is None:
        return
    radius_um, squeeze = rng.normal(RED_CELL_UM, 0.15), rng.uniform(0.55, 1.0)
    along, across = canvas.turned(window, y_um, x_um, rng.uniform(0, np.pi))
    radius = np.hypot(along, across / squeeze) / radius_um
    disc = step((1 - radius) * radius_um + 0.25 * canvas.waves[1][window], 0.0, 0.35)
    dip = 1 - 0.45 * squeeze * np.exp(-((radius / 0.45) ** 2))
    amount = rng.uniform(0.5, 0.75) * disc * dip * np.exp(0.1 * canvas.grain[window])
    np.maximum(canvas.eosin[window], amount, out=canvas.eosin[window])


FIBROBLASTS_PER_MM2 = 900
LYMPHOCYTES_PER_MM2 = 120
VESSELS_PER_MM2 = 50


def stromal(canvas: Canvas) -> None:
    """Dense irregular connective tissue."""
    rng = canvas.rng
    courses, tops = collagen(canvas, rng.uniform(0, np.pi), layers=4, density=0.27, spread=0.45)
    for y_um, x_um in uniform(
        rng, canvas.height_um, canvas.width_um, rng.poisson(VESSELS_PER_MM2 * canvas.height_um * canvas.width_um * 1e-6)
    ):
        vessel(
            canvas,
            y_um,
            x_um,
            rng.uniform(3.5, 8),
            stretch=rng.uniform(1, 2.5),
            angle=rng.uniform(0, np.pi),
            filled=rng.uniform(0, 1),
        )
    spindles(canvas, courses, tops, FIBROBLASTS_PER_MM2)
    wanderers(canvas, LYMPHOCYTES_PER_MM2)


def collagen(
    canvas: Canvas, angle: float, *, layers: int, density: float, spread: float, cleft: float = 1.5
) -> tuple[list[Course], np.ndarray]:
    """Weave bundles; return the layers' courses and the index of the uppermost layer at each place."""
    rng = canvas.rng
    fine = Bank(rng, step_um=(0.08, 0.5), long_um=(4.0, 45), slope=1.25)
    broad = Bank(rng, step_um=(0.4, 2.0), long_um=(9, 60), slope=2.2)
    tops = np.zeros(canvas.shape, np.int8)
    courses = []
    for layer in range(layers):
        way = course(
            canvas,
            angle + rng.normal(0, spread) * (layer > 0),
            wander_um=11.0,
            wander_length_um=45.0,
            crimp_um=rng.uniform(0.5, 1.7),
            crimp_period_um=rng.uniform(16, 36),
        )
        courses.append(way)
        shift = (int(rng.integers(BANK)), int(rng.integers(BANK)))
        fibres, bundles = fine.look(way, layer % 2, shift), broad.look(way, layer % 2, shift)
        # Shrinkage opens slits between fibres: the texture's low end falls off to nothing.
        slits = step(fibres + 0.4 * bundles, -1.7, 0.9)
        amount = density * np.exp(np.minimum(0.42 * fibres + 0.3 * bundles, 0.7)) * slits
        gap = step(bundles, -cleft, 0.5)
        if layer == 0:
            canvas.eosin += amount * gap
            continue
        cover = step(bundles + 0.1 * fibres, 0.3, 0.35)
        rest = 1 - cover
        canvas.eosin *= rest
        canvas.eosin += amount * cover
        tops[cover > 0.5] = layer
    canvas.eosin *= np.exp(0.2 * canvas.grain + 0.1 * canvas.speckle)
    # Mature collagen takes up hardly any haematoxylin; the ground substance between bundles is faintly blue.
    canvas.haematoxylin += (0.10 * canvas.eosin + 0.02 * step(canvas.eosin, 0.05, 0.1)) * np.exp(
        0.35 * canvas.other_grain
    )
    canvas.eosin *= np.exp(0.15 * canvas.smooth(40.0))
    return courses, tops


def spindles(canvas: Canvas, courses: list[Course], tops: np.ndarray, per_mm2: float) -> None:
    """Fibroblast nuclei along the fibres they lie on."""
    rng, margin_um = canvas.rng, 10.0
    area_mm2 = (canvas.height_um + 2 * margin_um) * (canvas.width_um + 2 * margin_um) * 1e-6
    count = int(rng.poisson(per_mm2 * area_mm2))
    places = uniform(rng, canvas.height_um, canvas.width_um, 8 * count + 10, margin_um)
    rows, columns = canvas.pixels(places)
    places = places[canvas.eosin[rows, columns] > 0.1]  # on fibres, not in clefts or lumens
    places = places[scatter(places, np.full(len(places), 7.0), count)]
    count = len(places)
    rows, columns = canvas.pixels(places)
    angle = np.array([courses[tops[row, column]].angle(row, column) for row, column in zip(rows, columns, strict=True)])
    paint(
        canvas,
        Nuclei(
            places[:, 0],
            places[:, 1],
            rng.uniform(4.0, 8.5, count),
            rng.uniform(1.1, 2.2, count),
            angle.reshape(count) + rng.normal(0, 0.12, count),
            rng.normal(0, 0.9, count),
        ),
        FIBROBLAST,
    )


def wanderers(canvas: Canvas, per_mm2: float) -> None:
    """Scattered lymphocytes."""
    rng = canvas.rng
    count = int(rng.poisson(per_mm2 * (canvas.height_um + 8) * (canvas.width_um + 8) * 1e-6))
    places = uniform(rng, canvas.height_um, canvas.width_um, count, 4.0)
    radius_um = rng.normal(3.2, 0.25, count)
    paint(
        canvas,
        Nuclei(places[:, 0], places[:, 1], radius_um * 1.05, radius_um, rng.uniform(0, np.pi, count)),
        LYMPHOCYTE,
    )
