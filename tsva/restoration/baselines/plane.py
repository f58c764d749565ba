"""What linear restoration works on: shots in the Fourier domain, their noise, and the signal's spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import scipy.fft

MARGIN_PX = 32
"""Images are continued by reflection this far on each side; beyond, less than 1 % of a point's light falls at 3 µm."""
FREQUENCIES = 128
CORNER = 0.9
"""Share of the highest frequency there is (the spectrum's corners), beyond which hardly anything but noise is left."""
LEAST_VARIANCE = 1 / 12 / 255**2
"""Rounding to 8 bits."""


@dataclass(frozen=True)
class Signal:
    """Mean power spectrum of in-focus images without their noise, of the training slides.

    Attributes
    ----------
    frequency_per_um : (F,) float array
        Rising.
    power : (3, F) float array
        Power spectral density of each colour at unit pixel spacing: white noise of variance v has power v; images in
        [0, 1].
    """

    frequency_per_um: np.ndarray
    power: np.ndarray

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> Signal:
        """From ``spectrum/signal.tsv``."""
        power = table[["power_red", "power_green", "power_blue"]].to_numpy(float).T
        return cls(table["frequency_per_um"].to_numpy(float), power)

    def at(self, frequency_per_um: np.ndarray) -> np.ndarray:
        """(3, …) power at other frequencies, straight lines between logarithms; constant beyond the ends."""
        x = np.log(np.maximum(frequency_per_um, self.frequency_per_um[0]))
        known = np.log(self.frequency_per_um)
        return np.stack([np.exp(np.interp(x, known, np.log(colour))) for colour in self.power])


def padded_shape(height: int, width: int) -> tuple[int, int]:
    """Size that an image is continued to: the margins, and up to the next size that transforms quickly."""
    sizes = [int(scipy.fft.next_fast_len(size + 2 * MARGIN_PX, real=True)) for size in (height, width)]
    return sizes[0], sizes[1]


def transformed(image: np.ndarray) -> np.ndarray:
    """Spectrum of an image continued by reflection.

    Parameters
    ----------
    image : (Y, X, C) float array

    Returns
    -------
    (C, Y', X' // 2 + 1) complex array
        Of the size `padded_shape` says; the image begins at (MARGIN_PX, MARGIN_PX).
    """
    height, width = image.shape[:2]
    rows, columns = padded_shape(height, width)
    after = rows - height - MARGIN_PX, columns - width - MARGIN_PX
    padded = np.pad(image, ((MARGIN_PX, after[0]), (MARGIN_PX, after[1]), (0, 0)), mode="symmetric")
    return scipy.fft.rfft2(np.ascontiguousarray(padded.transpose(2, 0, 1), dtype=np.float32))


def image_of(spectrum: np.ndarray, height: int, width: int) -> np.ndarray:
    """(Y, X, C) image that `transformed` made the spectrum of."""
    whole = scipy.fft.irfft2(spectrum, s=padded_shape(height, width))
    part = whole[:, MARGIN_PX : MARGIN_PX + height, MARGIN_PX : MARGIN_PX + width]
    return np.ascontiguousarray(part.transpose(1, 2, 0))


@lru_cache(maxsize=16)
def radius_per_um(shape_px: tuple[int, int], pixel_um: float) -> np.ndarray:
    """(Y, X // 2 + 1) spatial frequency, cycles per µm; kept, not to be written to."""
    rows = np.fft.fftfreq(shape_px[0], pixel_um)[:, None]
    radius = np.hypot(rows, np.fft.rfftfreq(shape_px[1], pixel_um)[None, :])
    radius.flags.writeable = False  # one array for all who ask
    return radius


def colours(channels: int) -> tuple[int, ...]:
    """Which of red, green and blue an image's channels are: a grey one is taken for green."""
    return (0, 1, 2) if channels == 3 else (1,)


def frequencies_of(pixel_um: float) -> np.ndarray:
    """(FREQUENCIES,) from 0 to the corner of a camera's spectrum, evenly: where filters are computed."""
    return np.linspace(0, np.sqrt(0.5) / pixel_um, FREQUENCIES)


def over_plane(radial: np.ndarray, shape_px: tuple[int, int]) -> np.ndarray:
    """(…, Y, X // 2 + 1) from values at `frequencies_of`, (…, F), by straight lines between them."""
    below, share = _places(shape_px)
    slope = np.diff(radial, append=radial[..., -1:])
    over = np.take(slope, below, axis=-1)
    over *= share
    over += np.take(radial, below, axis=-1)
    return np.asarray(over)


def power_of(spectrum: np.ndarray) -> np.ndarray:
    """|spectrum|², of any shape, without the square root that a modulus takes."""
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def in_rings(power: np.ndarray, shape_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Sums of a power over the frequencies nearest to each of `frequencies_of`, and how many these are.

    Parameters
    ----------
    power : (C, Y, X // 2 + 1) array
    shape_px : (int, int)
        Y and X.

    Returns
    -------
    sums : (C, F) array
    counts : (F,) array
        Of the half spectrum; the first ring holds the mean.
    """
    ring, counts = _nearest(shape_px)
    return np.stack([np.bincount(ring, colour.ravel(), FREQUENCIES) for colour in power]), counts


@lru_cache(maxsize=16)
def _nearest(shape_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    below, share = _places(shape_px)
    ring = (below + (share >= 0.5)).ravel()
    return ring, np.bincount(ring, minlength=FREQUENCIES)


@lru_cache(maxsize=16)
def _places(shape_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    place = radius_per_um(shape_px, 1.0) / np.sqrt(0.5) * (FREQUENCIES - 1)
    below = np.minimum(place.astype(int), FREQUENCIES - 2)
    return below, (place - below).astype(np.float32)


def noise_variance(spectrum: np.ndarray, radius_per_um: np.ndarray, samples: float) -> np.ndarray:
    """Variance of white noise in each colour of an image.

    Parameters
    ----------
    spectrum : (C, Y, X // 2 + 1) complex array
        Of an image in [0, 1].
    radius_per_um : (Y, X // 2 + 1) float array
    samples : float
        Pixels that the spectrum is of (under a window: the sum of its squares): |spectrum|² over this is power spectral
        density at unit spacing.

    Returns
    -------
    (C,) float array
        An upper bound: what tissue has in the corners counts as noise. The median of |spectrum|² is ln 2 of its mean.
    """
    corner = radius_per_um > CORNER * radius_per_um.max()
    power = np.median(power_of(spectrum[:, corner]), axis=1) / np.log(2) / samples
    return np.maximum(power, LEAST_VARIANCE)


def of_channels(by_colour: np.ndarray, channels: int) -> np.ndarray:
    """(C, …) of an image's channels, from a (3, …) array that has red, green and blue first."""
    return by_colour[list(colours(channels))]
