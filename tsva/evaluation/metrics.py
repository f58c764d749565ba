"""PSNR and SSIM of restored patches, as the report prints them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

RANGE = 255.0
WINDOW_PX, WINDOW_SD_PX = 11, 1.5
"""SSIM's Gaussian window (Wang et al. 2004)."""
C1, C2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
BLOCK_PX = 16
"""Window means are matrix products of so many rows or columns: about the window's width is fastest."""


def psnr_db(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each image, over all its pixels and channels.

    Parameters
    ----------
    images, targets : (N, Y, X, C) uint8 arrays

    Returns
    -------
    (N,) float array
        Decibels, range 255; NaN for images identical to their targets, which have none.

    Raises
    ------
    ValueError
        If shapes or types don't fit.
    """
    _check(images, targets)
    errors = np.array([_mean_square_error(image, target) for image, target in zip(images, targets, strict=True)])
    errors[errors == 0] = np.nan
    decibels: np.ndarray = 10 * np.log10(RANGE**2 / errors)
    return decibels


def best_shift_psnr_db(image: np.ndarray, target: np.ndarray, reach_px: int = 3) -> float:
    """PSNR of an image at the whole-pixel shift that suits it best: blind deblurring leaves the position open.

    Parameters
    ----------
    image, target : (Y, X, C) uint8 arrays
    reach_px : int
        Shifts up to so far along either axis; scored is what lies inside all of them, so that shifts compare.

    Returns
    -------
    float
        Decibels; NaN where it is identical there.
    """
    inner = (slice(reach_px, -reach_px or None),) * 2
    shifts = [(y, x) for y in range(-reach_px, reach_px + 1) for x in range(-reach_px, reach_px + 1)]
    moved = np.stack([np.roll(image, shift, axis=(0, 1))[inner] for shift in shifts])
    found = psnr_db(moved, np.broadcast_to(target[inner], moved.shape))
    return float("nan") if np.isnan(found).any() else float(found.max())


def ssim(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Structural similarity of each image to each target: Gaussian window of 11×11 pixels, σ 1.5, mean of the channels.

    Windows lie wholly inside the image, as in the original; torchmetrics' mean counts reflected borders too.

    Parameters
    ----------
    images : (N, Y, X, C) uint8 array
        At least 11 pixels both ways.
    targets : (T, Y, X, C) uint8 array

    Returns
    -------
    (T, N) float array
        1 for identical images.

    Raises
    ------
    ValueError
        If shapes or types don't fit.

    References
    ----------
    Wang et al. (2004), IEEE Transactions on Image Processing 13, 600-612.
    """
    _check(images[:1], targets[:1])
    if min(images.shape[1:3]) < WINDOW_PX:
        raise ValueError(f"images of {images.shape[1]}×{images.shape[2]} pixels; SSIM needs {WINDOW_PX}×{WINDOW_PX}")
    found = np.zeros((len(targets), len(images)))
    channels = images.shape[-1]
    for channel in range(channels):
        wanted = [_Moments(target[..., channel]) for target in targets]
        for column, image in enumerate(images):
            # a few images are scored against a few targets: moments of each are found once
            moments = _Moments(image[..., channel])
            found[:, column] += [_similarity(moments, to) for to in wanted]
    return found / channels


class _Moments:
    """Values of a channel, (Y, X), and their mean, its square and their variance under the window about each pixel."""

    def __init__(self, channel: np.ndarray) -> None:
        self.values = channel.astype(float)
        self.mean, squares = _windowed(np.stack([self.values, np.square(self.values)]))
        self.mean_squared = np.square(self.mean)
        self.variance = squares
        self.variance -= self.mean_squared


def _similarity(one: _Moments, other: _Moments) -> float:
    """Equation 13 of Wang et al., averaged over the windows of a channel; in place, as memory is what takes time."""
    products = one.mean * other.mean
    value = _windowed(one.values * other.values)
    value -= products
    value *= 2
    value += C2
    products *= 2
    products += C1
    value *= products
    lightness = one.mean_squared + other.mean_squared
    lightness += C1
    structure = one.variance + other.variance
    structure += C2
    lightness *= structure
    value /= lightness
    return float(value.mean())


def _windowed(values: np.ndarray) -> np.ndarray:
    """Weighted means of all windows inside: (…, Y, X) to (…, Y - 10, X - 10)."""
    rows, columns = (size - WINDOW_PX + 1 for size in values.shape[-2:])
    down = np.empty((*values.shape[:-2], rows, values.shape[-1]))
    for start in range(0, rows, BLOCK_PX):
        weights = _weights(min(BLOCK_PX, rows - start))
        stop = start + weights.shape[1]
        np.matmul(weights.T, values[..., start : stop + WINDOW_PX - 1, :], out=down[..., start:stop, :])
    means = np.empty((*down.shape[:-1], columns))
    for start in range(0, columns, BLOCK_PX):
        weights = _weights(min(BLOCK_PX, columns - start))
        stop = start + weights.shape[1]
        np.matmul(down[..., start : stop + WINDOW_PX - 1], weights, out=means[..., start:stop])
    return means


@lru_cache(maxsize=BLOCK_PX)
def _weights(outputs: int) -> np.ndarray:
    """(outputs + 10, outputs) matrix that takes values along an axis to their windows' means."""
    half = WINDOW_PX // 2
    window = np.exp(-0.5 * np.square(np.arange(-half, half + 1) / WINDOW_SD_PX))
    window /= window.sum()
    matrix = np.zeros((outputs + WINDOW_PX - 1, outputs))
    for output in range(outputs):
        matrix[output : output + WINDOW_PX, output] = window
    return matrix


def _mean_square_error(image: np.ndarray, target: np.ndarray) -> float:
    """Exact: sums of squared grey levels are whole numbers below 2^53."""
    difference = (image.astype(np.int16) - target).ravel().astype(float)
    return float(difference @ difference) / difference.size


def _check(images: np.ndarray, targets: np.ndarray) -> None:
    if images.shape != targets.shape or images.ndim != 4:
        raise ValueError(f"images have shape {images.shape}, targets {targets.shape}; wanted (N, Y, X, C) both")
    if images.dtype != np.uint8 or targets.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype}, targets {targets.dtype}; wanted uint8 both")
