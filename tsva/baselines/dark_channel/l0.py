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


def minus_divergence(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Transpose of `gradients`."""
    result = np.empty_like(x)
    np.subtract(x[:, :-1], x[:, 1:], out=result[:, 1:])
    np.subtract(x[:, -1], x[:, 0], out=result[:, 0])
    result[1:] += y[:-1]
    result[1:] -= y[1:]
    result[0] += y[-1]
    result[0] -= y[0]
    return result


def with_few_gradients(
    start: np.ndarray, data: np.ndarray, data_power: np.ndarray, power: np.ndarray, weight: float
) -> np.ndarray:
    """Minimise a quadratic data term plus weight × number of pixels with a gradient, by half-quadratic splitting.

    Parameters
    ----------
    start : (Y, X) or (C, Y, X) float array
        Image whose gradients are thresholded first. Of several channels, a pixel has a gradient where any of them has:
        the squares are added.
    data, data_power : arrays in the layout of `scipy.fft.rfft2`
        Right-hand side and diagonal of the data term's normal equations.
    power : (Y, X // 2 + 1) float array
        `gradient_power`.
    weight : float
        μ of the prior.

    Returns
    -------
    float array
        Of the shape of `start`.

    Notes
    -----
    β = 2μ, doubled while below `LARGEST_COUPLING`: gradients with square below μ/β are set to zero, then the image is
    solved for in Fourier space.

    References
    ----------
    Xu et al. (2011), Image smoothing via L0 gradient minimization, ACM TOG 30; Pan et al. (2016), eqs. 9, 10 and 13.
    """
    image, coupling = start, 2 * weight
    x, y = np.empty_like(start), np.empty_like(start)
    while coupling < LARGEST_COUPLING:
        gradients(image, x, y)
        small = x * x + y * y < weight / coupling
        x[small] = 0
        y[small] = 0
        spectrum = fft.rfft2(minus_divergence(x, y), overwrite_x=True)
        spectrum *= coupling
        spectrum += data
        spectrum /= data_power + coupling * power
        image = fft.irfft2(spectrum, image.shape, overwrite_x=True)
        coupling *= 2
    return image
