"""The kernel of a blurred grey image from coarse to fine, by its skeleton: edges that a graph keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from tsva.restoration.baselines.graph.priors import denoised, gradients, salient_edges, sparse
from tsva.restoration.baselines.kernels import centred_by_support, conjugate_gradient, cut, normalised, otf_of, resized

SMOOTHNESS = 0.01
"""Weight of the graph's total variation."""
LEAST_DIFFERENCE = 0.01
"""Differences of neighbours below this are not distinguished."""
SIMILARITY_SD = 0.1
"""Differences of neighbours well above this are edges, which the graph does not smooth."""
GRAPH_UPDATES = 3
REWEIGHTINGS = 3
"""Of the total variation, for each graph."""
SKELETON_STEPS = 20
"""Of conjugate gradient."""


@dataclass(frozen=True)
class Graph:
    """Weights of the edges between neighbouring pixels: each pixel has four neighbours, and each edge counts both ways.

    Attributes
    ----------
    down : (Y - 1, X) float array
        Edge from a pixel to the one below.
    right : (Y, X - 1) float array
        Edge from a pixel to the one right of it.
    """

    down: np.ndarray
    right: np.ndarray

    def laplacian(self, image: np.ndarray) -> np.ndarray:
        """Σ DᵀWD x over the four directions, of a (Y, X) image.

        Border pixels are repeated outside by D and by Dᵀ alike, as in the original: their own edges count half. This is
        an asymmetry of the ring of repeated pixels that `skeleton` cuts off.
        """
        down, right = self.down * np.diff(image, axis=0), self.right * np.diff(image, axis=1)
        result = np.empty_like(image)
        result[:, 1:-1] = 2 * (right[:, :-1] - right[:, 1:])
        result[:, 0], result[:, -1] = -right[:, 0], right[:, -1]
        result[1:-1] += 2 * (down[:-1] - down[1:])
        result[0] -= down[0]
        result[-1] += down[-1]
        return result


def skeleton(blurred: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Sharp image of few, strong edges that explains a blurred one, for a given kernel.

    Minimises |k∗x - b|² + w Σ W d², d the differences to the four neighbours, W = W1 W2 learnt from x itself: W2 =
    1 / max(|d|, ε) makes it a total variation, W1 = exp(-d² / (2 σ²)), updated less often, the graph's similarity of
    neighbours. Together they draw differences to zero or to steps (the double-peaked prior of the paper, eqs. 8 to 12).

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
    """
    size = kernel.shape[0]
    b = np.pad(blurred, size, mode="edge")
    blur, turned = _convolution(kernel, b.shape), _convolution(kernel[::-1, ::-1], b.shape)
    right, weight = turned(b), SMOOTHNESS
    x, graph = b, Graph(np.ones((b.shape[0] - 1, b.shape[1])), np.ones((b.shape[0], b.shape[1] - 1)))
    similar = graph
    for _ in range(GRAPH_UPDATES):
        for _ in range(REWEIGHTINGS):
            x = conjugate_gradient(
                lambda v, g=graph: turned(blur(v)) + weight * g.laplacian(v),  # type: ignore[misc]
                right,
                b,
                SKELETON_STEPS,
                limits=(0, 1),
            )
            down, across = np.diff(x, axis=0), np.diff(x, axis=1)
            graph = Graph(
                similar.down / np.maximum(np.abs(down), LEAST_DIFFERENCE),
                similar.right / np.maximum(np.abs(across), LEAST_DIFFERENCE),
            )
        before, scale = similar, -0.5 / SIMILARITY_SD**2
        similar = Graph(np.exp(scale * down**2), np.exp(scale * across**2))
        graph = Graph(graph.down * similar.down / before.down, graph.right * similar.right / before.right)
    return x[size:-size, size:-size]


def _convolution(kernel: np.ndarray, shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """Convolution with border pixels repeated outside, in Fourier space."""
    reach = kernel.shape[0] // 2
    padded = tuple(fft.next_fast_len(size + 2 * reach, real=True) for size in shape)
    otf = otf_of(kernel, (padded[0], padded[1]))
    inside = tuple(slice(reach, reach + size) for size in shape)

    def convolve(image: np.ndarray) -> np.ndarray:
        return fft.irfft2(fft.rfft2(np.pad(image, reach, mode="edge"), padded) * otf, padded)[inside]

    return convolve


GRADIENT_WEIGHT = 25.0
KERNEL_STEPS = 20


def kernel_step(
    blurred: np.ndarray, edges: tuple[np.ndarray, np.ndarray], start: np.ndarray, weight: float
) -> np.ndarray:
    """Minimise 25 |∇b - ∇x∗k|² + weight |k|² over k, by few conjugate gradient steps from a start.

    Parameters
    ----------
    blurred : (Y, X) float array
    edges : (down, right) of (Y, X) float arrays
        The skeleton's gradients that are worth learning from, zero elsewhere.
    start : (K, K) float array
        The kernel before.
    weight : float
        Of the kernel's energy.

    Returns
    -------
    (K, K) float array
        As it comes: neither cut nor normalised.
    """
    size = start.shape[0]
    pad = 3 * size
    shape = tuple(fft.next_fast_len(edge + 2 * pad, real=True) for edge in blurred.shape)
    goals = gradients(blurred)
    spectra = [(fft.rfft2(edge, shape), fft.rfft2(goal, shape)) for edge, goal in zip(edges, goals, strict=True)]
    power = np.sum([np.abs(edge) ** 2 for edge, _ in spectra], axis=0)
    common = np.sum([edge.conj() * goal for edge, goal in spectra], axis=0)
    lags = np.arange(size) - size // 2

    def apply(kernel: np.ndarray) -> np.ndarray:
        placed = np.zeros(shape)
        placed[np.ix_(lags, lags)] = kernel
        spread = fft.irfft2(power * fft.rfft2(placed), shape)
        return GRADIENT_WEIGHT * spread[np.ix_(lags, lags)] + weight * kernel

    right = GRADIENT_WEIGHT * fft.irfft2(common, shape)[np.ix_(lags, lags)]
    return conjugate_gradient(apply, right, start, KERNEL_STEPS)


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
    """(Y, X) images, and edges of kernels in pixels, by level, the finest first."""
    levels = max(math.ceil(math.log(kernel_px / COARSEST_PX) / math.log(SCALE)), 0) + 1
    images, edges = [image], [kernel_px]
    for _ in range(levels - 1):
        height, width = (math.floor(size / SCALE) for size in images[-1].shape)
        images.append(np.clip(resized(images[-1], (height, width)), 0, 1))
        edge = math.floor(edges[-1] / SCALE)
        edges.append(max(edge + 1 - edge % 2, 3))
    return images, edges


def grown(kernel: np.ndarray, edge_px: int) -> np.ndarray:
    """The kernel of a coarser level at a finer one, (edge_px, edge_px)."""
    return normalised(np.maximum(resized(kernel, (edge_px, edge_px)), 0))


def _at_one_level(blurred: np.ndarray, kernel: np.ndarray, *, framelets: bool) -> tuple[np.ndarray, np.ndarray]:
    weight = KERNEL_WEIGHT
    sharp = blurred
    for _ in range(ALTERNATIONS):
        sharp = skeleton(blurred, kernel)
        down, right = gradients(sharp)
        mask = salient_edges(down, right, STRONG_SHARE, USEFUL_SHARE)
        kernel = cut(kernel_step(blurred, (down * mask, right * mask), kernel, weight), KERNEL_CUT)
        if framelets:
            kernel = centred_by_support(cut(sparse(kernel, FRAMELET_SHARE), KERNEL_CUT))
        weight /= DECAY
    return kernel, sharp
