"""The kernel of a blurred grey image, over all scales."""

from __future__ import annotations

import numpy as np

from tsva.restoration.baselines.dark_channel.kernel_step import (
    differences,
    first_threshold,
    kernel_step,
    strong_gradients,
)
from tsva.restoration.baselines.dark_channel.latent import latent_image
from tsva.restoration.baselines.dark_channel.pyramid import first_kernel, grown, kernel_edge, ratios, shrunk
from tsva.restoration.baselines.kernels import centred_by_mass, cut, normalised, without_specks
from tsva.restoration.baselines.wrap import wrap_shape, wrapped

DARK_WEIGHT = 4e-3
"""λ, of the number of nonzero pixels of the dark channel, in the first iteration."""
GRADIENT_WEIGHT = 4e-3
"""μ, of the number of pixels with a gradient, in the first iteration."""
DECAY = 1.1
"""By this weights and gradient threshold are divided after every iteration."""
SMALLEST_WEIGHT = 1e-4
ITERATIONS = 5
"""At each scale."""
LEAST_SUM = 0.1
"""Separate pieces of the kernel with less than this sum are noise."""
LEAST_SHARE = 1 / 20
"""So are values of the last kernel below this share of its maximum."""


def blind_kernel(blurred: np.ndarray, kernel_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and latent image of a blurred one.

    Parameters
    ----------
    blurred : (Y, X) float array
        Grey, in [0, 1].
    kernel_px : int
        Edge of the kernel, odd.

    Returns
    -------
    kernel : (kernel_px, kernel_px) float array
        Not negative, sum one, its centre of mass within about half a pixel of the middle.
    latent : (Y, X) float array
        The last latent image: piecewise flat, made for the kernel's sake.

    References
    ----------
    Pan et al. (2016), Blind image deblurring using dark channel prior, CVPR, algorithms 1 and 2.
    """
    weights = DARK_WEIGHT, GRADIENT_WEIGHT
    kernel: np.ndarray | None = None
    threshold = 0.0
    for ratio in ratios(kernel_px):
        image, edge = shrunk(blurred, ratio), kernel_edge(kernel_px, ratio)
        if kernel is None:
            kernel, threshold = first_kernel(edge), first_threshold(image, edge)
        else:
            kernel = grown(kernel, edge)
        kernel, latent, weights = _at_one_scale(image, kernel, threshold, weights)
        kernel = normalised(centred_by_mass(kernel))
    assert kernel is not None
    return cut(kernel, LEAST_SHARE), latent


def _at_one_scale(
    blurred: np.ndarray, kernel: np.ndarray, threshold: float, weights: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Latent image and kernel in turn; also the weights for the next scale."""
    (height, width), edge = blurred.shape, kernel.shape[0]
    periodic, goal = wrapped(blurred, wrap_shape(blurred, kernel)), differences(blurred)
    for _ in range(ITERATIONS):
        latent = latent_image(periodic, kernel, *weights)[:height, :width]
        x, y, threshold = strong_gradients(latent, threshold)
        threshold /= DECAY
        kernel = normalised(without_specks(kernel_step(goal, (x, y), edge), LEAST_SUM))
        weights = max(weights[0] / DECAY, SMALLEST_WEIGHT), max(weights[1] / DECAY, SMALLEST_WEIGHT)
    return kernel, latent, weights
