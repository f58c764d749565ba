"""Blind deblurring by the dark channel prior (Pan et al. 2016; docs/methods.md)."""

from __future__ import annotations

import numpy as np

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines.dark_channel.blind import blind_kernel
from tsva.restoration.baselines.dark_channel.final import final_image
from tsva.restoration.baselines.one_by_one import Known, Restored, deblurred

GREY_WEIGHTS = np.array([0.298936021293776, 0.587043074451121, 0.114020904255103])
"""Of red, green and blue in the luminance of NTSC, to more digits than the usual four: rounding would tell."""


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
