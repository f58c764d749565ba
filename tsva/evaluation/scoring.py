"""PSNR and SSIM of restored patches, and the rows of every method's scores.tsv."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from tsva.acquisition.pair import Pair
from tsva.restoration.contract import Method, Restoration

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


FACTS = ("estimated_focal_offset_um", "estimated_focal_offset_sd_um", "predicted_rmse", "psnr_shifted_db", "failure")
"""What a method may say of a pair beside its image; empty where it says nothing."""
SCORES = [
    "patch",
    "slide",
    "sample",
    "focal_offset_um",
    "protocol",
    "draw",
    "target",
    "psnr_db",
    "ssim",
    "identical",
    "seconds",
    *FACTS,
]
"""Columns of scores.tsv."""


def score_table(
    restoration: Restoration,
    targets: Mapping[str, np.ndarray],
    focal_offset_um: Sequence[float | None],
    seconds: float,
    *,
    shifted: bool = False,
) -> pd.DataFrame:
    """Score what a method made of one patch's pairs.

    Parameters
    ----------
    restoration : Restoration
        Of N pairs.
    targets : mapping of str to (Y, X, C) uint8 array
        By name (captured, clean): what every pair should have become.
    focal_offset_um : sequence of N floats
        Offsets of the pairs.
    seconds : float
        Of restoring one pair.
    shifted : bool
        Whether the PSNR at the best whole-pixel shift against the captured target is wanted, too.

    Returns
    -------
    DataFrame
        A row a target and pair: `focal_offset_um`, `pair` (place among the pairs), `target`, `psnr_db` (NaN if
        identical), `ssim`, `identical` (0 or 1), `seconds`, and `FACTS`.
    """
    images = restoration.images
    shifted_db = [best_shift_psnr_db(image, targets["captured"]) for image in images] if shifted else None
    facts = {
        "estimated_focal_offset_um": restoration.focal_offset_um,
        "estimated_focal_offset_sd_um": restoration.focal_offset_sd_um,
        "predicted_rmse": restoration.expected_rmse,
        "psnr_shifted_db": shifted_db,
        "failure": restoration.failures,
    }
    said = {name: [None] * len(images) if values is None else list(values) for name, values in facts.items()}
    tables = []
    similarities = ssim(images, np.stack(list(targets.values())))
    for (name, target), similarity in zip(targets.items(), similarities, strict=True):
        psnr = psnr_db(images, np.broadcast_to(target, images.shape))
        tables.append(
            pd.DataFrame(
                {
                    "focal_offset_um": list(focal_offset_um),
                    "pair": range(len(images)),
                    "target": name,
                    "psnr_db": psnr,
                    "ssim": similarity,
                    "identical": np.isnan(psnr).astype(int),
                    "seconds": round(seconds, 6),
                    **said,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def run(
    method: Method, pairs: Sequence[Pair], targets: Mapping[str, np.ndarray], *, shifted: bool = False
) -> tuple[np.ndarray, pd.DataFrame]:
    """Restore pairs of one patch and score them.

    Parameters
    ----------
    method : Method
    pairs : sequence of Pair
        Of the same patch, with their offsets.
    targets : mapping of str to (Y, X, C) uint8 array
        By name (captured, clean): what every pair should have become.
    shifted : bool
        As of `score_table`.

    Returns
    -------
    restored : (N, Y, X, C) uint8 array
    scores : DataFrame
        Of `score_table`.
    """
    began = time.perf_counter()
    restoration = method(pairs)
    seconds = (time.perf_counter() - began) / len(pairs)
    offsets_um = [pair.focal_offset_um for pair in pairs]
    return restoration.images, score_table(restoration, targets, offsets_um, seconds, shifted=shifted)


def named(scores: pd.DataFrame, number: int, row: Mapping[str, Any], protocol: str) -> pd.DataFrame:
    """Scores of a patch's pairs with the columns of scores.tsv.

    Parameters
    ----------
    scores : DataFrame
        Of `score_table`.
    number : int
        Of the patch.
    row : mapping
        The patch's row of the data set's table.
    protocol : str
        ``grid``, whose offsets count from the target's plane in the table, or ``continuous``.
    """
    if protocol == "grid":
        from_target_um = scores["focal_offset_um"].astype(float) - float(row["target_offset_um"])
        scores = scores.assign(focal_offset_um=from_target_um.round(6) + 0.0)  # no -0.0
    draw = scores["pair"].astype("Int64") if protocol == "continuous" else pd.Series(dtype="Int64")
    return scores.assign(patch=number, slide=row["slide"], sample=row["sample"], protocol=protocol, draw=draw)[SCORES]
