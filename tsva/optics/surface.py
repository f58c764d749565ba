"""The focal surface: where, over a field, the stage has to stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WAVES = 6
"""Plane waves that make up the waviness."""


@dataclass(frozen=True)
class FocalSurface:
    """A tilted, slowly wavy surface; a smooth function of the place, so that it can be sampled on any grid.

    Attributes
    ----------
    height_um : float
        Mean stage position of focus over the field.
    slope : (2,) float array
        Rise along y and x (µm per µm).
    waves : (WAVES, 4) float array
        Amplitude (µm), frequency along y and x (cycles per µm), phase (radians).
    level_um : float
        Mean of tilt and waves over the field, which is taken off.
    """

    height_um: float
    slope: np.ndarray
    waves: np.ndarray
    level_um: float

    def heights(self, y_um: np.ndarray, x_um: np.ndarray) -> np.ndarray:
        """Heights on the grid of rows `y_um`, (Y,), and columns `x_um`, (X,), as (Y, X) float64."""
        y, x = np.asarray(y_um, float)[:, None], np.asarray(x_um, float)[None, :]
        surface = self.height_um - self.level_um + self.slope[0] * y + self.slope[1] * x
        for amplitude, along_y, along_x, phase in self.waves:
            # cos(a + b) by products of rows and columns: no transcendental function per pixel
            a, b = 2 * np.pi * along_y * y + phase, 2 * np.pi * along_x * x
            surface += amplitude * (np.cos(a) * np.cos(b) - np.sin(a) * np.sin(b))
        return surface


def draw_waves(rng: np.random.Generator, sd_um: float, period_um: float) -> np.ndarray:
    """Random plane waves, (WAVES, 4), whose sum has standard deviation `sd_um`; periods from 0.7 to 1.4 `period_um`."""
    direction = rng.uniform(0, 2 * np.pi, WAVES)
    frequency = 1 / (period_um * 2 ** rng.uniform(-0.5, 0.5, WAVES))
    amplitude = np.full(WAVES, sd_um * np.sqrt(2 / WAVES))
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    return np.stack((amplitude, frequency * np.sin(direction), frequency * np.cos(direction), phase), axis=1)
