"""Graph-based blind deblurring (Bai et al. 2019): reweighted graph total variation (docs/methods.md)."""

from __future__ import annotations

import numpy as np
from scipy import fft

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines.graph.blind import blind_kernel
from tsva.restoration.baselines.kernels import edge_tapered, otf_of
from tsva.restoration.baselines.one_by_one import Known, Restored, deblurred

DATA_WEIGHT = 2000.0
FIRST, LAST, GROWTH = 1.0, 256.0, 2 * np.sqrt(2)
"""Weights of the agreement of image and gradients."""
TAPERS = 4
LEAST = 1e-10


def shrunk(values: np.ndarray, weight: float) -> np.ndarray:
    """Minimise |w|^½ + weight/2 (w - v)² for each v.

    Notes
    -----
    With s = √|w| the stationary points solve s³ - |v| s + 1 / (2 weight) = 0. Its largest root is
    s = 2 √(|v|/3) cos(arccos(-(3√3/4) / (weight |v|^1.5)) / 3); the minimum where the objective is below that at 0.

    References
    ----------
    Krishnan & Fergus (2009), Fast image deconvolution using hyper-Laplacian priors, NIPS 22.
    """
    size = np.maximum(np.abs(values), LEAST)
    turn = -(3 * np.sqrt(3) / 4) / (weight * size**1.5)
    inside = turn >= -1
    root = 2 * np.sqrt(size / 3) * np.cos(np.arccos(np.where(inside, turn, -1)) / 3)
    shrunk_size = root**2
    better = np.sqrt(shrunk_size) + weight / 2 * (shrunk_size - size) ** 2 < weight / 2 * size**2
    return np.where(inside & better, np.sign(values) * shrunk_size, 0)


def deconvolved(blurred: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Minimise λ/2 |k∗x - b|² + Σ |∂x|^½ over x, λ = 2000.

    Parameters
    ----------
    blurred : (Y, X) float array
        In [0, 1].
    kernel : (K, K) float array
        K odd, sum one.

    Returns
    -------
    (Y, X) float array
        In [0, 1].

    References
    ----------
    Krishnan & Fergus (2009), algorithm 1.
    """
    reach = kernel.shape[0] // 2
    b = np.pad(blurred, reach, mode="edge")
    for _ in range(TAPERS):
        b = edge_tapered(b, kernel)
    shape = (b.shape[0], b.shape[1])
    otf = otf_of(kernel, shape)
    data, data_power = otf.conj() * fft.rfft2(b), np.abs(otf) ** 2
    down, right = (2 - 2 * np.cos(2 * np.pi * np.arange(size) / size) for size in shape)
    power = np.add.outer(down, right[: shape[1] // 2 + 1])
    x, weight = b, FIRST
    while weight < LAST:
        flows = [shrunk(np.roll(x, -1, axis) - x, weight) for axis in (0, 1)]
        back = np.add(*(np.roll(flow, 1, axis) - flow for axis, flow in enumerate(flows)))
        share = weight / DATA_WEIGHT
        x = fft.irfft2((data + share * fft.rfft2(back)) / (data_power + share * power), shape)
        weight *= GROWTH
    return np.clip(x[reach : reach + blurred.shape[0], reach : reach + blurred.shape[1]], 0, 1)


def luminance(image: np.ndarray) -> np.ndarray:
    """(Y, X) grey of a (Y, X, C) image, weighed as in ITU-R BT.601, which the method's authors use."""
    return image[..., 0] if image.shape[2] == 1 else image @ np.array([0.2989, 0.5870, 0.1140])


def deblur(image: np.ndarray, kernel_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel of an image's grey, and the image without it.

    Parameters
    ----------
    image : (Y, X, C) float array
        In [0, 1].
    kernel_px : int
        Edge of the kernel, odd.

    Returns
    -------
    kernel : (kernel_px, kernel_px) float array
    restored : (Y, X, C) float array
    """
    kernel, _ = blind_kernel(luminance(image), kernel_px)
    return kernel, np.stack([deconvolved(channel, kernel) for channel in np.moveaxis(image, 2, 0)], axis=2)


def graph_deblur(pair: Pair, known: Known) -> Restored:
    """The sharper shot, deblurred without knowledge of its blur; with `kernel`, and `failure` where none was found."""
    return deblurred(deblur, pair, known.settings.kernel_px)
