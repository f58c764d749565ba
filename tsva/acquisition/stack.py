"""A z-stack of one field: its planes, the places of its patches, and images at another pixel size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

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
    """Whether rising positions, (Z,) in micrometres, are even ones but for the jitter of a stage."""
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


def grey_levels(images: Any) -> Any:
    """Float images in [0, 1], NumPy's or torch's, as whole grey levels of 8 bits: clipped and rounded, still floats."""
    return (images.clip(0, 1) * 255).round()


def eight_bits(images: np.ndarray) -> np.ndarray:
    """Float images in [0, 1] of any shape as they are scored and written: clipped, rounded to uint8."""
    return np.asarray(grey_levels(images)).astype(np.uint8)


@dataclass(frozen=True)
class Place:
    """One whole patch of a field: grid row and column, and the pixel of its upper left corner."""

    row: int
    column: int
    y_px: int
    x_px: int


def places(height_px: int, width_px: int, patch_px: int) -> Iterator[Place]:
    """Whole patches side by side, centred in the field; a 1024×1224 field holds 4 rows of 5 at 224 pixels.

    Parameters
    ----------
    height_px, width_px : int
        Size of the field.
    patch_px : int
        Edge of a square patch.

    Yields
    ------
    Place
        Row by row. Nothing, if the field is smaller than one patch.
    """
    rows, columns = height_px // patch_px, width_px // patch_px
    top, left = (height_px - rows * patch_px) // 2, (width_px - columns * patch_px) // 2
    for row in range(rows):
        for column in range(columns):
            yield Place(row, column, top + row * patch_px, left + column * patch_px)


SAME_PIXEL = 0.01
"""Share by which pixel sizes may differ and still be called the same: two pixels across a 224-pixel patch."""
MARGIN_PX = 4
"""Pixels beyond a region that its resampled edge depends on, per unit of reduction (bicubic reaches two)."""


def resample(
    image: np.ndarray, shape: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Resample an image, or a part of it.

    Whole-number reductions are area averages (each new pixel is the mean of those it covers); others are bicubic with
    the kernel widened by the reduction, so that what the new sampling can't hold is filtered out.

    Parameters
    ----------
    image : (Y, X, C) uint8 array
        C is 1 or 3.
    shape : (int, int)
        Height and width of the result.
    box : (left, top, right, bottom), optional
        Part to take, in pixels of `image`, fractions allowed; pixels around it are used for its edges.

    Returns
    -------
    (height, width, C) uint8 array
    """
    left, top, right, bottom = box or (0, 0, image.shape[1], image.shape[0])
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    # quotients of pixel sizes miss whole numbers in their last digits
    x, y, scale_x, scale_y = (
        round(number, 6) for number in (left, top, (right - left) / shape[1], (bottom - top) / shape[0])
    )
    if x == int(x) and y == int(y) and scale_x == int(scale_x) and scale_y == int(scale_y):
        # one rounding; resize's box filter would round rows and columns one after the other, upwards on the average
        whole = (int(x), int(y), int(x) + int(scale_x) * shape[1], int(y) + int(scale_y) * shape[0])
        small = picture.reduce((int(scale_x), int(scale_y)), whole)
    else:
        small = picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, (left, top, right, bottom))
    return np.asarray(small).reshape(*shape, image.shape[2])


def resampled_shape(shape: tuple[int, int], factor: float) -> tuple[int, int]:
    """Height and width of an image after its pixel size has grown by `factor`; what doesn't fill a pixel is lost."""
    height, width = (int(np.floor(size / factor + 1e-6)) for size in shape)
    return height, width
