"""PSNR and SSIM of restored patches, as the report prints them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d

RANGE = 255.0
WINDOW_PX, WINDOW_SD_PX = 11, 1.5
"""SSIM's Gaussian window (Wang et al. 2004)."""


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
    differences = images.astype(np.int32) - targets
    errors = np.square(differences).reshape(len(images), -1).mean(axis=1, dtype=float)
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
    wanted = [_Moments(target) for target in targets]
    # a few images are scored against a few targets: moments of each are found once
    values = [_similarity(found, to) for found in map(_Moments, images) for to in wanted]
    return np.array(values, dtype=float).reshape(len(images), len(targets)).T


class _Moments:
    """Values of an image, and their mean and variance under the window about each pixel; (C, Y, X) arrays."""

    def __init__(self, image: np.ndarray) -> None:
        self.values = image.transpose(2, 0, 1).astype(float)
        self.mean = _windowed(self.values)
        self.variance = _windowed(np.square(self.values)) - np.square(self.mean)


def _similarity(one: _Moments, other: _Moments) -> float:
    """Equation 13 of Wang et al., averaged over windows and channels."""
    c1, c2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    products = one.mean * other.mean
    covariance = _windowed(one.values * other.values) - products
    lightness = (2 * products + c1) / (np.square(one.mean) + np.square(other.mean) + c1)
    structure = (2 * covariance + c2) / (one.variance + other.variance + c2)
    return float((lightness * structure).mean())


def _windowed(values: np.ndarray) -> np.ndarray:
    """Weighted means of all windows inside: (C, Y, X) to (C, Y - 10, X - 10)."""
    half = WINDOW_PX // 2
    weights = np.exp(-0.5 * np.square(np.arange(-half, half + 1) / WINDOW_SD_PX))
    weights /= weights.sum()
    down = correlate1d(values, weights, axis=1)[:, half:-half]
    return correlate1d(down, weights, axis=2)[..., half:-half]


def _check(images: np.ndarray, targets: np.ndarray) -> None:
    if images.shape != targets.shape or images.ndim != 4:
        raise ValueError(f"images have shape {images.shape}, targets {targets.shape}; wanted (N, Y, X, C) both")
    if images.dtype != np.uint8 or targets.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype}, targets {targets.dtype}; wanted uint8 both")
