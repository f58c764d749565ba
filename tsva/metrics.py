"""PSNR and SSIM of restored patches, as the report prints them."""

from __future__ import annotations

import numpy as np

RANGE = 255.0
WINDOW_PX, WINDOW_SD_PX = 11, 1.5
"""SSIM's Gaussian window (Wang et al. 2004)."""


def eight_bits(images: np.ndarray) -> np.ndarray:
    """Float images in [0, 1] as they are scored and written: clipped, rounded to uint8."""
    return np.rint(np.clip(images, 0, 1) * RANGE).astype(np.uint8)


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
    """Structural similarity of each image: Gaussian window of 11×11 pixels, σ 1.5, mean of the channels.

    Windows lie wholly inside the image, as in the original; torchmetrics' mean counts reflected borders too.

    Parameters
    ----------
    images, targets : (N, Y, X, C) uint8 arrays
        At least 11 pixels both ways.

    Returns
    -------
    (N,) float array
        1 for identical images.

    Raises
    ------
    ValueError
        If shapes or types don't fit.

    References
    ----------
    Wang et al. (2004), IEEE Transactions on Image Processing 13, 600-612.
    """
    from skimage.metrics import structural_similarity

    _check(images, targets)
    if min(images.shape[1:3]) < WINDOW_PX:
        raise ValueError(f"images of {images.shape[1]}×{images.shape[2]} pixels; SSIM needs {WINDOW_PX}×{WINDOW_PX}")
    values = [
        structural_similarity(
            image, target, data_range=RANGE, channel_axis=2, gaussian_weights=True, sigma=WINDOW_SD_PX,
            win_size=WINDOW_PX, use_sample_covariance=False,
        )
        for image, target in zip(images, targets, strict=True)
    ]  # fmt: skip
    return np.array(values, dtype=float)


def _check(images: np.ndarray, targets: np.ndarray) -> None:
    if images.shape != targets.shape or images.ndim != 4:
        raise ValueError(f"images have shape {images.shape}, targets {targets.shape}; wanted (N, Y, X, C) both")
    if images.dtype != np.uint8 or targets.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype}, targets {targets.dtype}; wanted uint8 both")
