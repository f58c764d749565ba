"""The field that the camera keeps, and the wider frame that is computed around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft

from tsva.settings.acquisition import OpticsSettings

LEAST_MARGIN_PX = 32
"""In focus, light from farther away than this adds less than 0.7 % of what it carries (tail λ / (π² NA R))."""


@dataclass(frozen=True)
class Grid:
    """Sampling of camera and specimen.

    Attributes
    ----------
    shape_px : (int, int)
        Camera pixels, height and width, margins included; even.
    pixel_um : float
        Camera pixel in the specimen.
    fine : int
        Samples of the specimen along a camera pixel.
    """

    shape_px: tuple[int, int]
    pixel_um: float
    fine: int


@dataclass(frozen=True)
class Frame:
    """A field within its frame. The origin of places in micrometres is the middle of the field."""

    grid: Grid
    rows: slice
    columns: slice

    @property
    def field_px(self) -> tuple[int, int]:
        """Height and width of the field in camera pixels."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def fine_um(self) -> float:
        """Distance between the specimen's samples."""
        return self.grid.pixel_um / self.grid.fine

    @property
    def fine_shape(self) -> tuple[int, int]:
        """Samples of the whole frame."""
        return self.grid.shape_px[0] * self.grid.fine, self.grid.shape_px[1] * self.grid.fine

    @property
    def fine_margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Samples before and after the field, along y and x."""
        fine = self.grid.fine
        return (
            (self.rows.start * fine, (self.grid.shape_px[0] - self.rows.stop) * fine),
            (self.columns.start * fine, (self.grid.shape_px[1] - self.columns.stop) * fine),
        )

    def places_um(self) -> tuple[np.ndarray, np.ndarray]:
        """Middles of the field's camera pixels, along y and x."""
        height, width = self.field_px
        pixel_um = self.grid.pixel_um
        return (np.arange(height) - (height - 1) / 2) * pixel_um, (np.arange(width) - (width - 1) / 2) * pixel_um

    def fine_places_um(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of the specimen's samples, along y and x, over the whole frame."""
        y, x = self.to_camera(np.arange(self.fine_shape[0]), np.arange(self.fine_shape[1]))
        first_y, first_x = (places[0] for places in self.places_um())
        return first_y + y * self.grid.pixel_um, first_x + x * self.grid.pixel_um

    def to_camera(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From the specimen's samples to camera pixels of the field (0 is the middle of its first pixel)."""
        fine = self.grid.fine
        return (y + 0.5) / fine - 0.5 - self.rows.start, (x + 0.5) / fine - 0.5 - self.columns.start


def samples_per_pixel(optics: OpticsSettings) -> int:
    """How finely specimens are sampled: at λ / 4 NA of green light or finer, in whole parts of a camera pixel."""
    finest_um = optics.wavelengths_um[1] / (4 * optics.na)
    return max(1, math.ceil(optics.pixel_um / finest_um - 1e-9))


def frame_for(field_px: tuple[int, int], blur_um: float, pixel_um: float, fine: int) -> Frame:
    """A frame around a field, wider than the blur by all sides, of a size that Fourier transforms quickly."""
    margin = max(LEAST_MARGIN_PX, math.ceil(blur_um / pixel_um))
    shape = tuple(2 * scipy.fft.next_fast_len((edge + 2 * margin + 1) // 2, real=True) for edge in field_px)
    first = tuple((whole - edge) // 2 for whole, edge in zip(shape, field_px, strict=True))
    rows, columns = (slice(start, start + edge) for start, edge in zip(first, field_px, strict=True))
    return Frame(Grid((shape[0], shape[1]), pixel_um, fine), rows, columns)
