"""Images with few gradients: the L0 step that the latent image and the final image share."""

from __future__ import annotations

import numpy as np
from scipy import fft

LARGEST_COUPLING = 1e5
"""Half-quadratic coupling β at which gradients and image count as agreed."""


def gradient_power(shape: tuple[int, int]) -> np.ndarray:
    """|F(∂x)|² + |F(∂y)|² of periodic forward differences, in the layout of `scipy.fft.rfft2`."""
    rows, columns = shape
    along_y = 2 - 2 * np.cos(2 * np.pi * np.arange(rows) / rows)
    along_x = 2 - 2 * np.cos(2 * np.pi * np.arange(columns // 2 + 1) / columns)
    return np.add.outer(along_y, along_x)


def gradients(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Put the periodic forward differences of an image into x and y."""
    np.subtract(image[:, 1:], image[:, :-1], out=x[:, :-1])
    np.subtract(image[:, 0], image[:, -1], out=x[:, -1])
    np.subtract(image[1:], image[:-1], out=y[:-1])
    np.subtract(image[0], image[-1], out=y[-1])


def minus_divergence(x: np.ndarray, y: np.ndarray, result: np.ndarray) -> None:
    """Put the transpose of `gradients`, applied to x and y, into the result."""
    np.subtract(x[:, :-1], x[:, 1:], out=result[:, 1:])
    np.subtract(x[:, -1], x[:, 0], out=result[:, 0])
    result[1:] += y[:-1]
    result[1:] -= y[1:]
    result[0] += y[-1]
    result[0] -= y[0]


def with_few_gradients(
    start: np.ndarray, data: np.ndarray, data_power: np.ndarray, power: np.ndarray, weight: float
) -> np.ndarray:
    """Minimise a quadratic data term plus weight × number of pixels with a gradient, by half-quadratic splitting.

    Parameters
    ----------
    start : (Y, X) float array
        Image whose gradients are thresholded first; not changed.
    data, data_power : (Y, X // 2 + 1) complex and float arrays
        Right-hand side and diagonal of the data term's normal equations, in the layout of `scipy.fft.rfft2`.
    power : (Y, X // 2 + 1) float array
        `gradient_power`.
    weight : float
        μ of the prior.

    Returns
    -------
    (Y, X) float array

    Notes
    -----
    β = 2μ, doubled while below `LARGEST_COUPLING`: gradients with square below μ/β are set to zero, then the image is
    solved for in Fourier space. Nearly all time of the method is spent here, hence the arrays that are used again.

    References
    ----------
    Xu et al. (2011), Image smoothing via L0 gradient minimization, ACM TOG 30; Pan et al. (2016), section 4.1.
    """
    image, coupling = start, 2 * weight
    x, y, square, work = np.empty((4, *start.shape))
    # real and imaginary parts side by side: dividing by real numbers is faster than by complex ones
    data_power, power = np.repeat(data_power, 2, axis=1), np.repeat(power, 2, axis=1)
    denominator = np.empty_like(power)
    while coupling < LARGEST_COUPLING:
        gradients(image, x, y)
        np.multiply(x, x, out=square)
        square += np.multiply(y, y, out=work)
        kept = np.greater_equal(square, weight / coupling, out=work)
        x *= kept
        y *= kept
        minus_divergence(x, y, work)
        spectrum = fft.rfft2(work)
        spectrum *= coupling
        spectrum += data
        parts = spectrum.view(float)
        parts /= np.add(np.multiply(power, coupling, out=denominator), data_power, out=denominator)
        image = fft.irfft2(spectrum, start.shape, overwrite_x=True)
        coupling *= 2
    return image
