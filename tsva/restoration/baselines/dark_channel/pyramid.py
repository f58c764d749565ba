"""Scales: how image and kernel change between them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from tsva.restoration.baselines.kernels import normalised, resized

RATIO = np.sqrt(0.5)
"""Edge of a scale as a share of the next finer one's."""
COARSEST_KERNEL_PX = 5
"""The coarsest kernel is the last that is not smaller than this before rounding."""


def ratios(kernel_px: int) -> list[float]:
    """Edges of all scales as shares of the full one, coarsest first."""
    count = max(int(np.floor(np.log(COARSEST_KERNEL_PX / kernel_px) / np.log(RATIO))), 0) + 1
    return [float(RATIO**step) for step in reversed(range(count))]


def kernel_edge(kernel_px: int, ratio: float) -> int:
    """Edge of a scale's kernel, rounded up to an odd number."""
    edge = int(np.ceil(kernel_px * ratio))
    return edge + (edge % 2 == 0)


def first_kernel(kernel_px: int) -> np.ndarray:
    """Two neighbours of 0.5 next to the middle: neither a point (which would stay one) nor centred by chance."""
    kernel = np.zeros((kernel_px, kernel_px))
    corner = (kernel_px - 3) // 2
    kernel[corner, corner : corner + 2] = 0.5
    return kernel


def shrunk(image: np.ndarray, ratio: float) -> np.ndarray:
    """Image at a coarser scale.

    Parameters
    ----------
    image : (Y, X) float array
    ratio : float
        Edge as a share of the present one; 1 gives the image itself.

    Returns
    -------
    (Y', X') float array
        Smoothed by a Gaussian of standard deviation 0.5 / ratio pixels, cut where a twentieth lies beyond on either
        side, and sampled linearly every 1 / ratio pixels, where the whole Gaussian lies within the image.
        Its weights are not normalised again after the cut, as in the authors' code: coarse images are 2 to 18 % darker.

    Raises
    ------
    ValueError
        If the image is smaller than the Gaussian.

    References
    ----------
    Levin et al. (2011), Efficient marginal likelihood optimization in blind deconvolution, CVPR, whose pyramid the
    method uses.
    """
    if ratio == 1:
        return image
    offsets = np.arange(-50, 51)
    weights = np.exp(-2 * (ratio * offsets) ** 2)
    weights /= weights.sum()
    beyond = np.cumsum(weights)
    weights = weights[np.minimum(beyond, beyond[::-1]) > 0.05]
    half = len(weights) // 2
    if min(image.shape) <= 2 * half:
        raise ValueError(f"image of {image.shape} pixels is smaller than the {len(weights)} pixels of the Gaussian")
    for axis in (0, 1):
        image = ndimage.correlate1d(image, weights, axis, mode="nearest")
        image = np.moveaxis(np.moveaxis(image, axis, 0)[half : image.shape[axis] - half], 0, axis)
        image = _sampled(image, ratio, axis)
    return image


def _sampled(image: np.ndarray, ratio: float, axis: int) -> np.ndarray:
    """Linear samples every 1 / ratio pixels from the first one on."""
    values = np.moveaxis(image, axis, 0)
    places = np.arange(int(np.floor((len(values) - 1) * ratio + 1e-9)) + 1) / ratio
    left = np.minimum(places.astype(int), max(len(values) - 2, 0))
    share = (places - left)[:, None]
    return np.moveaxis((1 - share) * values[left] + share * values[np.minimum(left + 1, len(values) - 1)], 0, axis)


def grown(kernel: np.ndarray, kernel_px: int) -> np.ndarray:
    """Kernel of a scale as the next finer one's start.

    Parameters
    ----------
    kernel : (K, K) float array
    kernel_px : int
        Edge of the result.

    Returns
    -------
    (kernel_px, kernel_px) float array
        Not negative, sum one. Rows and columns that are too many are taken, one by one, from the side with less in it;
        missing ones are added there.
    """
    edge = int(np.ceil(kernel.shape[0] / RATIO - 1e-9))
    kernel = np.maximum(resized(kernel, (edge, edge), scale=1 / RATIO), 0)
    for axis in (0, 1):
        kernel = _fitted(kernel, kernel_px, axis)
    return normalised(kernel)


def _fitted(kernel: np.ndarray, edge: int, axis: int) -> np.ndarray:
    lines = np.moveaxis(kernel, axis, 0)
    while len(lines) != edge:
        first_is_less = lines[0].sum() < lines[-1].sum()
        if len(lines) > edge:
            lines = lines[1:] if first_is_less else lines[:-1]
        else:
            lines = np.pad(lines, ((0, 1) if first_is_less else (1, 0), (0, 0)))
    return np.moveaxis(lines, 0, axis)
