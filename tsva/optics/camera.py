"""The camera: the field that it keeps, the wider frame that is computed around it, and 8-bit numbers of light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft

from tsva.settings.acquisition import OpticsSettings
from tsva.settings.simulate import MicroscopeSettings

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
        """(Y,) and (X,): middles of the field's camera pixels, along y and x."""
        height, width = self.field_px
        pixel_um = self.grid.pixel_um
        return (np.arange(height) - (height - 1) / 2) * pixel_um, (np.arange(width) - (width - 1) / 2) * pixel_um

    def fine_places_um(self) -> tuple[np.ndarray, np.ndarray]:
        """(fine Y,) and (fine X,): places of the specimen's samples, along y and x, over the whole frame."""
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


FULL_SCALE = 255


def illumination(microscope: MicroscopeSettings, height_px: int, width_px: int) -> np.ndarray:
    """What the camera shows of empty glass, (Y, X, 3) float32, as a share of full scale."""
    centre_y, centre_x = microscope.lamp_centre[0] * height_px, microscope.lamp_centre[1] * width_px
    y = np.arange(height_px)[:, None] + 0.5 - centre_y
    x = np.arange(width_px)[None, :] + 0.5 - centre_x
    farthest = max(centre_y, height_px - centre_y) ** 2 + max(centre_x, width_px - centre_x) ** 2
    lamp = 1 - microscope.falloff * (y**2 + x**2) / farthest
    return (lamp[:, :, None] * np.array(microscope.white_level)).astype(np.float32)


def expose(
    transmitted: np.ndarray, lamp: np.ndarray, microscope: MicroscopeSettings, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Take a picture, or one colour of it.

    Parameters
    ----------
    transmitted : float array
        Transmitted over incident intensity at the camera, (Y, X) or (Y, X, 3).
    lamp : float array of the same shape
        Of `illumination`.
    microscope : MicroscopeSettings
        Noise.
    rng : numpy Generator, optional
        Source of the noise; without it the picture is free of noise (still rounded to 8 bits).

    Returns
    -------
    uint8 array of the same shape
        Linear response. Photon noise is drawn from the normal distribution of the Poisson's mean and variance,
        which at hundreds of electrons and more is indistinguishable after rounding.
    """
    signal = np.maximum(transmitted * lamp, 0, dtype=np.float32)
    if rng is not None:
        variance = signal / np.float32(microscope.full_well_e)
        variance += np.float32((microscope.read_noise_e / microscope.full_well_e) ** 2)
        sd = np.sqrt(variance, out=variance)
        signal += np.multiply(sd, rng.standard_normal(signal.shape, dtype=np.float32), out=sd)
    np.clip(signal, 0, 1, out=signal)
    signal *= FULL_SCALE
    return np.rint(signal, out=signal).astype(np.uint8)


def noise_sd(level: np.ndarray, microscope: MicroscopeSettings) -> np.ndarray:
    """Standard deviation of a pixel, as a share of full scale: photons, read-out and rounding to 8 bits.

    Parameters
    ----------
    level : float array
        Signal as a share of full scale.
    microscope : MicroscopeSettings
        Full well and read noise.

    Returns
    -------
    float array
        Shaped like `level`.
    """
    photons = np.asarray(level) / microscope.full_well_e
    return np.sqrt(photons + (microscope.read_noise_e / microscope.full_well_e) ** 2 + 1 / (12 * FULL_SCALE**2))
