"""Fibres: textures stretched along a wavy direction field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.noise import fractal

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
