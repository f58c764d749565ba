"""The section while it is drawn, and the random fields that fill it where tissue has no structure of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import fft


def smooth(
    shape: tuple[int, int], pixel_um: float, rng: np.random.Generator, length_um: float | tuple[float, float]
) -> np.ndarray:
    """Gaussian random field with Gaussian covariance, unit variance.

    Parameters
    ----------
    shape : (Y, X)
        Size in pixels.
    pixel_um : float
        Pixel size.
    rng : numpy.random.Generator
        Where the draws come from.
    length_um : float or (Y, X) pair of floats
        Distance at which the correlation has fallen to exp(-1/4): one lobe is about twice as wide.

    Returns
    -------
    (Y, X) float32 array

    Notes
    -----
    White noise on a coarse grid, spread by Gaussian kernels along rows and along columns: two matrix products instead
    of a filter over the full field.
    """
    along_y, along_x = length_um if isinstance(length_um, tuple) else (length_um, length_um)
    rows, columns = _kernels(shape[0], pixel_um, along_y), _kernels(shape[1], pixel_um, along_x)
    white = rng.standard_normal((rows.shape[1], columns.shape[1]), dtype=np.float32)
    return (rows @ white) @ columns.T


def _kernels(size: int, pixel_um: float, length_um: float) -> np.ndarray:
    """(size, knots) weights; each row has unit norm, so that variance is the same everywhere."""
    step_um = 0.8 * length_um
    knots = np.arange(-3, int(np.ceil(size * pixel_um / step_um)) + 4) * step_um
    places = np.arange(size)[:, None] * pixel_um
    weights = np.exp(-(((places - knots) / length_um) ** 2))
    return (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)


def fractal(
    shape: tuple[int, int],
    pixel_um: float | tuple[float, float],
    rng: np.random.Generator,
    *,
    long_um: float | tuple[float, float],
    slope: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Two independent periodic random fields with a power-law spectrum, unit variance.

    Parameters
    ----------
    shape : (Y, X)
        Size in pixels.
    pixel_um : float or (Y, X) pair of floats
        Pixel size.
    rng : numpy.random.Generator
        Where the draws come from.
    long_um : float or (Y, X) pair of floats
        Scale above which the spectrum is flat.
    slope : float
        Amplitude falls with frequency to the power of minus this, down to the pixel: nothing is cut off, as real tissue
        has detail at every scale that a microscope resolves.

    Returns
    -------
    two (Y, X) float32 arrays
    """
    fine = pixel_um if isinstance(pixel_um, tuple) else (pixel_um, pixel_um)
    long = long_um if isinstance(long_um, tuple) else (long_um, long_um)
    padded = tuple(fft.next_fast_len(size) for size in shape)
    along_y = (fft.fftfreq(padded[0], fine[0]).astype(np.float32) * long[0]) ** 2
    along_x = (fft.fftfreq(padded[1], fine[1]).astype(np.float32) * long[1]) ** 2
    amplitude = (1 + along_y[:, None] + along_x[None, :]) ** np.float32(-slope / 2)
    amplitude[0, 0] = 0
    amplitude /= np.sqrt(np.mean(amplitude**2))
    white = np.empty(padded, np.complex64)
    white.real = rng.standard_normal(padded, dtype=np.float32)
    white.imag = rng.standard_normal(padded, dtype=np.float32)
    # White noise is white in either domain, so the forward transform is saved; real and imaginary part are independent.
    field = fft.ifft2(white * amplitude, overwrite_x=True, norm="ortho")[: shape[0], : shape[1]]
    return np.ascontiguousarray(field.real), np.ascontiguousarray(field.imag)


def spectral(
    shape: tuple[int, int],
    pixel_um: float,
    rng: np.random.Generator,
    amplitude: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Two independent periodic random fields, (Y, X) float32, of a given spectrum.

    Parameters
    ----------
    shape, pixel_um, rng
        As in `fractal`.
    amplitude : callable
        Root of the power spectrum (µm, for a field without unit) over spatial frequency (cycles per µm).
    """
    padded = tuple(fft.next_fast_len(size) for size in shape)
    along_y, along_x = (fft.fftfreq(size, pixel_um).astype(np.float32) for size in padded)
    wanted = amplitude(np.hypot(along_y[:, None], along_x[None, :])) * np.float32(1 / pixel_um)
    wanted[0, 0] = 0
    white = np.empty(padded, np.complex64)
    white.real = rng.standard_normal(padded, dtype=np.float32)
    white.imag = rng.standard_normal(padded, dtype=np.float32)
    field = fft.ifft2(white * wanted, overwrite_x=True, norm="ortho")[: shape[0], : shape[1]]
    return np.ascontiguousarray(field.real), np.ascontiguousarray(field.imag)


TILE = 512
"""Edge of the textures that nuclei are cut out of, in pixels."""


@dataclass
class Canvas:
    """Amounts of stain on a grid of pixels.

    Amounts are optical densities (base ten) of a section of usual thickness. Lengths are in micrometres from the upper
    left pixel's centre.

    Attributes
    ----------
    shape : (Y, X)
        Size in pixels.
    pixel_um : float
        Pixel size.
    section_um : float
        Thickness of the section.
    rng : numpy.random.Generator
        Where all draws come from.
    haematoxylin, eosin : (Y, X) float32 arrays
        Everything but nuclei.
    nuclear : (Y, X) float32 array
        Haematoxylin in nuclei.
    occupied : (Y, X) float32 array
        Share of the section's thickness that nuclei fill; above 1 where drawn nuclei would not fit.
    nuclear_depth, nuclear_thickness : (Y, X) float32 arrays
        Depth and thickness of the nuclei, times `nuclear`, summed.
    layers : int
        How many layers the section is divided into, of one thickness, the farthest from the objective first.
    nuclear_in, occupied_in : (layers, Y, X) float32 arrays
        `nuclear` by layers, and the share of each layer's thickness that nuclei fill; empty for one layer.
    nuclei : list of tuples
        y_um, x_um, depth_um, area_um2 of every nucleus drawn, those centred outside included.
    grain, other_grain : (Y, X) float32 arrays
        Shared textures of unit variance: cytoplasm and ground substance are granular at all scales.
    speckle : (Y, X) float32 array
        Unit variance, lobes of 1 to 2 µm: granules and vacuoles.
    waves : two (Y, X) float32 arrays
        Unit variance, lobes of 5 to 10 µm: displacements that make borders uneven.
    chromatin, outline : (TILE, TILE) float32 arrays
        Textures that nuclei are cut out of.
    """

    shape: tuple[int, int]
    pixel_um: float
    section_um: float
    rng: np.random.Generator
    layers: int = 1
    nuclei: list[tuple[float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        divided = self.layers if self.layers > 1 else 0
        self.nuclear_in, self.occupied_in = np.zeros((2, divided, *self.shape), np.float32)
        maps = np.zeros((6, *self.shape), np.float32)
        self.haematoxylin, self.eosin, self.nuclear, self.occupied, self.nuclear_depth, self.nuclear_thickness = maps
        self.y_um = (np.arange(self.shape[0], dtype=np.float32) * self.pixel_um)[:, None]
        self.x_um = (np.arange(self.shape[1], dtype=np.float32) * self.pixel_um)[None, :]
        self.height_um, self.width_um = self.shape[0] * self.pixel_um, self.shape[1] * self.pixel_um
        # Amplitude over frequency falls with a power near 1.7 in real fields (docs/phantom.md).
        self.grain, self.other_grain = fractal(self.shape, self.pixel_um, self.rng, long_um=5.0, slope=1.6)
        self.speckle = self.smooth(0.8)
        self.waves = self.smooth(4.0), self.smooth(4.0)
        self.chromatin = fractal((TILE, TILE), self.pixel_um, self.rng, long_um=1.3, slope=2.0)
        self.outline = fractal((TILE, TILE), self.pixel_um, self.rng, long_um=6.0, slope=3.0)[0]

    def layer_faces_um(self) -> np.ndarray:
        """Depths, (layers + 1,), at which the layers begin and end, rising."""
        return np.linspace(-0.5, 0.5, self.layers + 1) * self.section_um

    def smooth(self, length_um: float) -> np.ndarray:
        """(Y, X) float32 Gaussian random field of unit variance; lobes are about twice `length_um` wide."""
        return smooth(self.shape, self.pixel_um, self.rng, length_um)

    def pixels(self, places_um: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of (N, 2) places; those outside are moved to the border."""
        rows, columns = (places_um / self.pixel_um).round().astype(int).T
        return np.clip(rows, 0, self.shape[0] - 1), np.clip(columns, 0, self.shape[1] - 1)

    def keep_nuclei(self, where: np.ndarray) -> None:
        """Take nuclei off the list whose centre lies where the (Y, X) bool array says no; what is drawn stays."""
        if self.nuclei:
            stays = where[self.pixels(np.array(self.nuclei)[:, :2])]
            self.nuclei = [nucleus for nucleus, kept in zip(self.nuclei, stays, strict=True) if kept]

    def turned(
        self, window: tuple[slice, slice], y_um: float, x_um: float, angle: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates in a window along and across a direction, from a place; micrometres, float32."""
        # Python floats leave float32 arrays as they are; NumPy's own float64 scalars would not.
        dy, dx = self.y_um[window[0]] - float(y_um), self.x_um[:, window[1]] - float(x_um)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        return dx * cos + dy * sin, dy * cos - dx * sin

    def window(self, y_um: float, x_um: float, reach_um: float) -> tuple[slice, slice] | None:
        """Pixels within a square around a place, or None where that lies outside."""
        top, left = int((y_um - reach_um) / self.pixel_um), int((x_um - reach_um) / self.pixel_um)
        bottom, right = int((y_um + reach_um) / self.pixel_um) + 2, int((x_um + reach_um) / self.pixel_um) + 2
        if bottom <= 0 or right <= 0 or top >= self.shape[0] or left >= self.shape[1]:
            return None
        return slice(max(top, 0), min(bottom, self.shape[0])), slice(max(left, 0), min(right, self.shape[1]))
