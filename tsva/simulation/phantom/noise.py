"""Random fields: what tissue looks like where it has no structure of its own."""

from __future__ import annotations

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
