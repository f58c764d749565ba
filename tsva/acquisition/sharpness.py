"""Sharpness of planes, and how much of it is tissue rather than camera noise or lamp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LAG_PX = 2
"""Brenner's difference is between pixels two columns apart."""
TIE = 1e-6
"""Gradients that differ by less than this share are equal: greys of 8 bits as float32 are rounded by 6e-8."""
BLOCK_PX = 16
"""Edge of the blocks that are called tissue or background: about a nucleus at 0.345 µm a pixel."""
NOISE_QUANTILE = 0.1
"""The noise floor is judged by the quietest tenth of the blocks, where there is little else."""
QUIETEST = 0.83
"""Where that quantile of pure noise lies, as a share of its mean. The variance of a block's 256 differences scatters by
11 % (white noise: sqrt(2 × 1.5 / 256), 1.5 for differences that share pixels) to 16 % (colours that a camera
interpolated), and a tenth of the blocks lie 1.28 of that below the mean: at 0.86 to 0.80 of it."""
TISSUE_FACTOR = 3.0
"""A block above this many noise floors is tissue. Photon noise varies by up to two with brightness, which leaves half a
noise floor, three of a block's deviations; in an evenly lit field the nearest noise is twelve away."""
LARGEST_NOISE = 18.0
"""2σ² of 3 grey levels, more than any slide camera's mean of three channels: where a single plane's quietest tenth is
busier than this, it is tissue."""
LEAST_NOISE = 0.5
"""Rounding to whole grey levels adds 1/6, and flat areas of a JPEG step by a level or two at the edges of its 8-pixel
blocks, which two columns in eight see: up to 1, and three times this are 1.5."""


def grey(plane: np.ndarray) -> np.ndarray:
    """Mean of the channels.

    Parameters
    ----------
    plane : (Y, X) or (Y, X, C) array

    Returns
    -------
    (Y, X) float32 array
        In the units of the input, never wrapped or rounded.
    """
    if plane.ndim == 2:
        return plane.astype(np.float32)
    if plane.ndim != 3:
        raise ValueError(f"plane has shape {plane.shape}, not (Y, X) or (Y, X, C)")
    total = plane[..., 0].astype(np.float32)
    for channel in range(1, plane.shape[2]):
        total += plane[..., channel]
    total /= plane.shape[2]
    return total


def differences(plane: np.ndarray) -> np.ndarray:
    """Grey differences between pixels two columns apart.

    Parameters
    ----------
    plane : (Y, X) or (Y, X, C) array
        X is at least 3.

    Returns
    -------
    (Y, X - 2) float32 array
    """
    values = grey(plane)
    if values.shape[1] <= LAG_PX:
        raise ValueError(f"plane has shape {plane.shape}; wanted at least {LAG_PX + 1} columns")
    return values[:, LAG_PX:] - values[:, :-LAG_PX]


def brenner(planes: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Brenner gradient of each plane of a stack.

    Parameters
    ----------
    planes : (Z, Y, X) or (Z, Y, X, C) array
        Any number type; channels are averaged to grey. Planes are taken one by one, so a mapped file is fine.

    Returns
    -------
    (Z,) float array
        Mean squared difference between pixels two columns apart, in squared grey levels; larger is sharper. Camera
        noise of standard deviation σ per grey pixel adds 2σ².

    Raises
    ------
    ValueError
        If planes are not two-dimensional (with channels: three-dimensional) or narrower than three pixels.

    References
    ----------
    Brenner et al. (1976), J. Histochem. Cytochem. 24, 100-111.
    """
    return np.array([mean_square(differences(plane)) for plane in planes])


def is_sharper(gradient: Any, than: Any) -> Any:
    """Whether Brenner gradients are larger than others, by more than rounding; equal ones are a tie: it is not so.

    Parameters
    ----------
    gradient, than : floats, or arrays or tensors of them
        Of the same images in any one unit.

    Returns
    -------
    bool, or array or tensor of bool
    """
    return gradient > than * (1 + TIE)


def mean_square(values: np.ndarray) -> float:
    """Mean of squares of an array of any shape (unit squared); float32 values are summed in float64."""
    return float(np.mean(np.square(values), dtype=np.float64))


def structure(values: np.ndarray, block_px: int = BLOCK_PX) -> np.ndarray:
    """How much each block of a plane varies beyond a slope.

    The variance (not the mean square) of Brenner's differences within a block: an uneven lamp is a slope, adds the same
    to all differences of a block, and drops out.

    Parameters
    ----------
    values : (Y, X - 2) float array
        `differences` of a plane that is at least one block large.
    block_px : int
        Edge of a block; the last block of a row lacks the two columns whose differences would reach beyond the plane.

    Returns
    -------
    (rows, columns) float array
        In squared grey levels, one value a whole block from the upper left corner on.
    """
    rows, columns = values.shape[0] // block_px, (values.shape[1] + LAG_PX) // block_px
    if rows == 0 or columns == 0:
        raise ValueError(
            f"differences have shape {values.shape}; wanted a plane of {block_px} pixels both ways or more"
        )
    padded = np.zeros((rows, block_px, columns * block_px), np.float32)
    width = min(columns * block_px, values.shape[1])
    padded[..., :width] = values[: rows * block_px, :width].reshape(rows, block_px, width)
    counts = np.full(columns, block_px * block_px)
    counts[-1] -= block_px * (columns * block_px - width)
    blocks = padded.reshape(rows, block_px, columns, block_px)
    mean = blocks.sum(axis=(1, 3), dtype=np.float64) / counts
    squares = np.square(blocks).sum(axis=(1, 3), dtype=np.float64) / counts
    return np.asarray(np.maximum(squares - mean**2, 0))


def noise_floor(blocks: np.ndarray) -> float:
    """What camera noise alone adds to the structure of a block.

    Estimated with Brenner's own differences, since colours that a camera interpolates have noise whose neighbours
    agree: an estimate from neighbouring pixels (Immerkær's) would be several times too low for differences at two.

    Parameters
    ----------
    blocks : array of float
        `structure` of a plane, or half that of the difference of two planes (which has the noise of both).

    Returns
    -------
    float
        In squared grey levels; at least `LEAST_NOISE`.
    """
    return max(LEAST_NOISE, float(np.quantile(blocks, NOISE_QUANTILE)) / QUIETEST)


def tissue_fraction(plane: np.ndarray) -> float:
    """Share of a single plane's area that shows structure beyond its own noise floor (up to `LARGEST_NOISE`).

    Parameters
    ----------
    plane : (Y, X) or (Y, X, C) array
        In focus; grey levels of 8-bit data.

    Returns
    -------
    float
        0 to 1. Smooth areas are not counted, however dark: they show nothing of focus.
    """
    blocks = structure(differences(plane))
    return float(np.mean(blocks > TISSUE_FACTOR * min(noise_floor(blocks), LARGEST_NOISE)))
