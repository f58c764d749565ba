"""The kernel that takes the skeleton's edges to the blurred image's."""

from __future__ import annotations

import numpy as np
from scipy import fft

from tsva.restoration.baselines.conjugate_gradient import conjugate_gradient
from tsva.restoration.baselines.graph.edges import gradients

GRADIENT_WEIGHT = 25.0
STEPS = 20


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
    return conjugate_gradient(apply, right, start, STEPS)
