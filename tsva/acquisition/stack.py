"""A z-stack of one field: what everything upstream of the pairs speaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Z_TOLERANCE_UM = 0.02
"""Two steps that differ by less than this are called equal: a tenth of what a good stage repeats."""


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


def regular_step_um(z_um: np.ndarray) -> float | None:
    """Distance between planes at rising positions, or None where it isn't the same throughout (or there is one)."""
    steps = np.diff(z_um)
    if len(steps) == 0 or np.ptp(steps) > Z_TOLERANCE_UM:
        return None
    return float(np.mean(steps))


def eight_bits(images: np.ndarray) -> np.ndarray:
    """Float images in [0, 1] as they are scored and written: clipped, rounded to uint8."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
