"""Skeleton image: what the blurred image looks like to a graph whose weights learn to keep its edges alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft

from tsva.restoration.baselines.conjugate_gradient import conjugate_gradient
from tsva.restoration.baselines.kernels import otf_of

SMOOTHNESS = 0.01
"""Weight of the graph's total variation."""
LEAST_DIFFERENCE = 0.01
"""Differences of neighbours below this are not told apart."""
SIMILARITY_SD = 0.1
"""Differences of neighbours well above this are edges, which the graph does not smooth."""
GRAPH_UPDATES = 3
REWEIGHTINGS = 3
"""Of the total variation, for each graph."""
STEPS = 20
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
        """Σ DᵀWD x over the four directions.

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
                STEPS,
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
