"""Graph-based blind deblurring (Bai et al. 2019): reweighted graph total variation (docs/methods.md)."""

from __future__ import annotations

import numpy as np

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines.graph.blind import blind_kernel
from tsva.restoration.baselines.graph.final import deconvolved
from tsva.restoration.baselines.one_by_one import Known, Restored, deblurred


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
