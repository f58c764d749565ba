"""The kernel of a blurred grey image from coarse to fine, by its skeleton."""

from __future__ import annotations

import math

import numpy as np

from tsva.restoration.baselines.graph.denoise import denoised
from tsva.restoration.baselines.graph.edges import gradients, worthy
from tsva.restoration.baselines.graph.framelet import sparse
from tsva.restoration.baselines.graph.kernel_step import kernel_step
from tsva.restoration.baselines.graph.skeleton import skeleton
from tsva.restoration.baselines.kernels import centred_by_support, cut, normalised, resized

SCALE = math.log2(3)
"""Between neighbouring levels of the pyramid."""
COARSEST_PX = 7
BORDER_PX = 20
"""Left out on each side; less where a patch is small."""
VARIATION_WEIGHT, VARIATION_PENALTY, VARIATION_ITERATIONS = 0.01, 0.1, 10
ALTERNATIONS = 3
"""Of skeleton and kernel, at each level."""
STRONG_SHARE, USEFUL_SHARE = 0.1, 0.3
KERNEL_WEIGHT, DECAY = 0.05, 1.2
"""Of the kernel's energy at first, and what it is divided by at each alternation of a level."""
KERNEL_CUT = 0.05
FRAMELET_SHARE = 0.05
FRAMELET_LEVELS = 2
"""At so many of the finest levels the kernel is made of few framelets, and put into the middle."""


def blind_kernel(blurred: np.ndarray, kernel_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and skeleton of a blurred image.

    Parameters
    ----------
    blurred : (Y, X) float array
        Grey, in [0, 1].
    kernel_px : int
        Edge of the kernel, odd.

    Returns
    -------
    kernel : (kernel_px, kernel_px) float array
        Not negative, sum one, the box around it in the middle.
    skeleton : (Y', X') float array
        Few, strong edges; of the image without its border.

    References
    ----------
    Bai, Cheung, Liu & Gao (2019), Graph-based blind image deblurring from a single photograph, IEEE Transactions on
    Image Processing 28, 1404-1418.
    """
    border = min(BORDER_PX, (min(blurred.shape) - 3 * kernel_px) // 2)
    inner = blurred[border:-border, border:-border] if border > 0 else blurred
    inner = denoised(inner, VARIATION_WEIGHT, VARIATION_PENALTY, VARIATION_ITERATIONS)
    images, edges_px = pyramid(inner, kernel_px)
    kernel = np.full((edges_px[-1], edges_px[-1]), edges_px[-1] ** -2.0)
    sharp = images[-1]
    for level in reversed(range(len(images))):
        if kernel.shape[0] != edges_px[level]:
            kernel = grown(kernel, edges_px[level])
        kernel, sharp = _at_one_level(images[level], kernel, framelets=level < FRAMELET_LEVELS)
    return kernel, sharp


def pyramid(image: np.ndarray, kernel_px: int) -> tuple[list[np.ndarray], list[int]]:
    """Images and edges of kernels by level, the finest first."""
    levels = max(math.ceil(math.log(kernel_px / COARSEST_PX) / math.log(SCALE)), 0) + 1
    images, edges = [image], [kernel_px]
    for _ in range(levels - 1):
        height, width = (math.floor(size / SCALE) for size in images[-1].shape)
        images.append(np.clip(resized(images[-1], (height, width)), 0, 1))
        edge = math.floor(edges[-1] / SCALE)
        edges.append(max(edge + 1 - edge % 2, 3))
    return images, edges


def grown(kernel: np.ndarray, edge_px: int) -> np.ndarray:
    """The kernel of a coarser level at a finer one."""
    return normalised(np.maximum(resized(kernel, (edge_px, edge_px)), 0))


def _at_one_level(blurred: np.ndarray, kernel: np.ndarray, *, framelets: bool) -> tuple[np.ndarray, np.ndarray]:
    weight = KERNEL_WEIGHT
    sharp = blurred
    for _ in range(ALTERNATIONS):
        sharp = skeleton(blurred, kernel)
        down, right = gradients(sharp)
        mask = worthy(down, right, STRONG_SHARE, USEFUL_SHARE)
        kernel = cut(kernel_step(blurred, (down * mask, right * mask), kernel, weight), KERNEL_CUT)
        if framelets:
            kernel = centred_by_support(cut(sparse(kernel, FRAMELET_SHARE), KERNEL_CUT))
        weight /= DECAY
    return kernel, sharp
