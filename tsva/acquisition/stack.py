"""A z-stack of one field: what everything upstream of the pairs speaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Z_TOLERANCE_UM = 0.02
"""Two steps that differ by less than this are called equal: a tenth of what a good stage repeats."""
JITTER_UM, JITTER_STEPS = 0.1, 0.2
"""How far positions may lie from even ones, in micrometres and in steps, as a piezo reports them (30 nm, three standard
deviations): far less than the depth of field of any objective here."""


@dataclass(frozen=True)
class Stack:
    """Planes of one field, in order of rising z.

    Attributes
    ----------
    planes : (Z, Y, X, C) uint8 array
        C is 1 (grey) or 3 (red, green, blue).
    z_um : (Z,) float array
        Stage position of each plane, strictly rising, in micrometres.
    pixel_um : float
        Size of a pixel in the specimen, in micrometres.

    Raises
    ------
    ValueError
        If shapes, types or order are other than stated.
    """

    planes: np.ndarray
    z_um: np.ndarray
    pixel_um: float

    def __post_init__(self) -> None:
        if self.planes.ndim != 4 or self.planes.shape[3] not in (1, 3):
            raise ValueError(f"planes have shape {self.planes.shape}, not (Z, Y, X, 1 or 3)")
        if self.planes.dtype != np.uint8:
            raise ValueError(f"planes are {self.planes.dtype}, not uint8")
        if self.z_um.shape != (len(self.planes),):
            raise ValueError(f"{len(self.planes)} planes, but z_um has shape {self.z_um.shape}")
        if np.any(np.diff(self.z_um) <= 0):
            raise ValueError(f"z_um does not rise: {self.z_um.tolist()}")
        if not self.pixel_um > 0:
            raise ValueError(f"pixel_um is {self.pixel_um}, not above 0")

    @property
    def z_step_um(self) -> float | None:
        """Distance between planes, or None where it isn't the same throughout (or there is one plane)."""
        return regular_step_um(self.z_um)


def is_even(z_um: np.ndarray) -> bool:
    """Whether rising positions are even ones but for the jitter of a stage."""
    steps = np.diff(z_um)
    if len(steps) < 2 or np.ptp(steps) <= Z_TOLERANCE_UM:
        return True
    index = np.arange(len(z_um))
    step = float(np.polyfit(index, z_um, 1)[0])
    most_um = min(JITTER_UM, JITTER_STEPS * abs(step))
    away = z_um - z_um.mean() - step * (index - index.mean())
    # a drift of the step has small residuals too
    return bool(np.abs(away).max() <= most_um and np.abs(steps - step).max() <= math.sqrt(2) * most_um)


def regular_step_um(z_um: np.ndarray) -> float | None:
    """Mean distance of planes at rising positions, or None where these aren't even (or there is one plane)."""
    steps = np.diff(z_um)
    if len(steps) == 0 or not is_even(z_um):
        return None
    return float(np.mean(steps))


def eight_bits(images: np.ndarray) -> np.ndarray:
    """Float images in [0, 1] as they are scored and written: clipped, rounded to uint8."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
