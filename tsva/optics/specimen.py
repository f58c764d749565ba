"""What lies under the objective: matter, the focal surface that it lies on, and its depth layers (eqs. 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np


@dataclass(frozen=True)
class Specimen:
    """Transmitted intensity of a section and where in depth its matter lies.

    Attributes
    ----------
    transmittance : (Y, X, 3) float32 array
        Transmitted over incident intensity, 0 to 1 (Beer-Lambert is already applied), red, green, blue.
    depth_um : (Y, X) float32 array
        Mean depth of what absorbs at this place, relative to the middle of the section; positive is
        nearer the objective.
    thickness_um : (Y, X) float32 array
        Full depth over which the matter at this place is spread, evenly.
    pixel_um : float
        Sampling of the three maps (finer than the camera's).
    """

    transmittance: np.ndarray
    depth_um: np.ndarray
    thickness_um: np.ndarray
    pixel_um: float


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


def apparent(specimen: Specimen, travel_per_depth: float) -> Specimen:
    """The specimen as the stage meets it: depths and thicknesses in stage travel (see `pupil.travel_per_depth`)."""
    if travel_per_depth == 1:
        return specimen
    ratio = np.float32(travel_per_depth)
    return replace(specimen, depth_um=specimen.depth_um * ratio, thickness_um=specimen.thickness_um * ratio)


def focal_heights(specimen: Specimen, surface_um: np.ndarray) -> np.ndarray:
    """Stage position, (Y, X), at which the middle of what absorbs at each place is in focus.

    Matter that lies nearer the objective (positive depth) comes into focus lower: surface less depth.
    """
    return surface_um - specimen.depth_um


def layer_heights(specimen: Specimen, surface_um: np.ndarray, spacing_um: float) -> np.ndarray:
    """Heights of the layers, (L,), multiples of the spacing that enclose all matter that absorbs anything."""
    matter = reduce(np.logical_or, (specimen.transmittance[..., channel] < 1 for channel in range(3)))
    if not matter.any():
        return np.zeros(0)
    heights = focal_heights(specimen, surface_um)[matter]
    half = specimen.thickness_um[matter] / 2
    first = np.floor((heights - half).min() / spacing_um)
    last = np.ceil((heights + half).max() / spacing_um)
    return np.arange(first, last + 1) * spacing_um


def layer_weights(
    heights_um: np.ndarray, thickness_um: np.ndarray, layers_um: np.ndarray, spacing_um: float
) -> Iterator[np.ndarray]:
    """How much of the matter at each place belongs to each layer.

    Parameters
    ----------
    heights_um, thickness_um : (Y, X) float arrays
        Middle of the matter as stage positions, and the depth over which it is evenly spread.
    layers_um : (L,) float array
        Heights of the layers, evenly spaced, enclosing all matter.
    spacing_um : float
        Their distance.

    Yields
    ------
    (Y, X) float32 array
        Overlap of the matter's even distribution with the layer's triangle (height 1 on its layer, 0 on the next).
        Triangles add up to one everywhere and so do the weights: no seams where the depth varies.
    """
    middle = (heights_um / spacing_um).astype(np.float32)
    # Below a thousandth of a spacing the difference quotient would lose its digits; the matter is as good as flat.
    half = np.maximum((thickness_um / (2 * spacing_um)).astype(np.float32), np.float32(5e-4))
    whole = 2 * half
    for layer in layers_um / spacing_um:
        lower = middle - np.float32(layer)
        weight = _triangle_integral(lower + half)
        lower -= half
        weight -= _triangle_integral(lower)
        weight /= whole
        yield weight


def _triangle_integral(position: np.ndarray) -> np.ndarray:
    """Integral of the triangle max(0, 1 - |t|) from -1 to `position`, less one half; in place, as memory takes time."""
    inside = np.clip(position, -1, 1, out=position)
    square = np.abs(inside)
    square *= inside
    square /= 2
    inside -= square
    return inside
