"""Blind deblurring by the dark channel prior (Pan et al. 2016; docs/methods.md)."""

from __future__ import annotations

import numpy as np
from scipy import fft

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines.dark_channel.blind import blind_kernel
from tsva.restoration.baselines.dark_channel.latent import (
    gradient_power,
    gradients,
    minus_divergence,
    with_few_gradients,
)
from tsva.restoration.baselines.dark_channel.padding import wrap_shape, wrapped
from tsva.restoration.baselines.kernels import otf_of
from tsva.restoration.baselines.one_by_one import Known, Restored, deblurred

VARIATION_WEIGHT = 0.003
SMALLEST_LOOSENESS = 1e-3
"""Half-quadratic looseness at which gradients and image count as agreed."""
GRADIENT_WEIGHT = 5e-4
SPACE_SIGMA_PX = 3.0
RANGE_SIGMA = 0.1
RADIUS_PX = 9


def with_little_variation(blurred: np.ndarray, kernel: np.ndarray, weight: float = VARIATION_WEIGHT) -> np.ndarray:
    """Minimise ½ |B - I∗k|² + weight (|∂x I|_1 + |∂y I|_1) over I, by half-quadratic splitting.

    Parameters
    ----------
    blurred : (Y, X) float array
        Taken as periodic.
    kernel : (KY, KX) float array
        Sum one.
    weight : float

    Returns
    -------
    (Y, X) float array

    Notes
    -----
    Looseness β = 1 / weight, halved while above `SMALLEST_LOOSENESS`: gradients are shrunk by β × weight, then the
    image is solved for in Fourier space, agreement with the gradients weighing 1 / 2β.

    References
    ----------
    Wang et al. (2008), A new alternating minimization algorithm for total variation image reconstruction, SIAM J.
    Imaging Sci. 1, 248-272.
    """
    shape = (blurred.shape[0], blurred.shape[1])
    otf, power = otf_of(kernel, shape), gradient_power(shape)
    data, data_power = otf.conj() * fft.rfft2(blurred), np.abs(otf) ** 2
    image, looseness = blurred, 1 / weight
    x, y, work = np.empty((3, *shape))
    while looseness > SMALLEST_LOOSENESS:
        gradients(image, x, y)
        for values in (x, y):
            values -= np.clip(values, -looseness * weight, looseness * weight)
        minus_divergence(x, y, work)
        spectrum = data + fft.rfft2(work) / (2 * looseness)
        image = fft.irfft2(spectrum / (data_power + power / (2 * looseness)), shape)
        looseness /= 2
    return image


def with_few_edges(blurred: np.ndarray, kernel: np.ndarray, weight: float = GRADIENT_WEIGHT) -> np.ndarray:
    """Minimise |B - I∗k|² + weight |∇I|_0 over I.

    Parameters
    ----------
    blurred : (Y, X) float array
        Taken as periodic.
    kernel : (KY, KX) float array
        Sum one.
    weight : float

    Returns
    -------
    (Y, X) float array
    """
    shape = (blurred.shape[0], blurred.shape[1])
    otf = otf_of(kernel, shape)
    return with_few_gradients(blurred, otf.conj() * fft.rfft2(blurred), np.abs(otf) ** 2, gradient_power(shape), weight)


def bilateral(image: np.ndarray) -> np.ndarray:
    """Bilateral filter of a (Y, X) image, whose border pixels are repeated.

    References
    ----------
    Tomasi & Manduchi (1998), Bilateral filtering for gray and color images, ICCV.
    """
    height, width = image.shape
    padded = np.pad(image, RADIUS_PX, mode="edge")
    total, weights = np.zeros(image.shape), np.zeros(image.shape)
    for row in range(2 * RADIUS_PX + 1):
        for column in range(2 * RADIUS_PX + 1):
            other = padded[row : row + height, column : column + width]
            distance = (row - RADIUS_PX) ** 2 + (column - RADIUS_PX) ** 2
            weight = np.exp(-((other - image) ** 2) / (2 * RANGE_SIGMA**2) - distance / (2 * SPACE_SIGMA_PX**2))
            total += weight * other
            weights += weight
    return total / weights


def final_image(blurred: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Deblur a (Y, X) image in [0, 1] with the kernel found; not clipped.

    References
    ----------
    Pan et al. (2014), Deblurring text images via L0-regularized intensity and gradient prior, CVPR, section 4.
    """
    height, width = blurred.shape
    padded = _padded(blurred, kernel)
    smooth = with_little_variation(padded, kernel)[:height, :width]
    # the authors' L0 step pads on its own what comes padded
    flat = with_few_edges(_padded(padded, kernel), kernel)[:height, :width]
    return smooth - bilateral(smooth - flat)


def _padded(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return wrapped(image, wrap_shape(image, kernel))


GREY_WEIGHTS = np.array([0.298936021293776, 0.587043074451121, 0.114020904255103])
"""Of red, green and blue in the luminance of NTSC, to more digits than the usual four: rounding would show."""


def authors_grey(image: np.ndarray) -> np.ndarray:
    """Luminance of a (Y, X, C) image in [0, 1], one or three channels, rounded to 8 bits as the authors round it.

    The kernel answers to less than a grey level: without rounding, its correlation with the authors' falls from 1 to
    0.91 on the reference patch, and its centre of mass to the other side of a half pixel.
    """
    levels = np.round(255 * image)  # shots are 8 bits; this undoes what single precision did to them
    return np.round(levels @ GREY_WEIGHTS if image.shape[2] == 3 else levels[..., 0]) / 255


def deblur(image: np.ndarray, kernel_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel of an image's grey, and the image without it.

    Parameters
    ----------
    image : (Y, X, C) float array
        In [0, 1]; one or three channels. The kernel is that of its 8-bit grey.
    kernel_px : int
        Edge of the kernel, odd.

    Returns
    -------
    kernel : (kernel_px, kernel_px) float array
    restored : (Y, X, C) float array
    """
    kernel, _ = blind_kernel(authors_grey(image), kernel_px)
    return kernel, np.stack([final_image(channel, kernel) for channel in np.moveaxis(image, 2, 0)], axis=2)


def dark_channel_deblur(pair: Pair, known: Known) -> Restored:
    """The sharper shot, deblurred without knowledge of its blur; with `kernel`, and `failure` where none was found."""
    return deblurred(deblur, pair, known.settings.kernel_px)
