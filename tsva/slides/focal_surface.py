"""Focal offsets of cells on a smooth focal surface, from the likelihood of each cell's offsets."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from tsva.slides.focal_offsets import OFFSETS_UM, REACH_UM, STEP_UM

SMOOTH_CELLS = 0.5
"""Deviation of the Gaussian that pools the evidence of neighbouring cells."""
SURFACE_CELLS = 3.0
"""Deviation of the Gaussian that the focal surface's local plane is fitted with."""
SURFACE_SD_UM = 0.35
"""How far a cell's focus lies from the plane through its neighbourhood."""
MODEL_SD_UM = 0.2
"""Scatter of the offsets about the truth that no cell's own evidence shows: the section's depth, the model."""
ROUNDS, ROWS_AT_ONCE = 3, 32


def surface(likelihood: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets on a smooth focal surface.

    Parameters
    ----------
    likelihood : (R, K, len(OFFSETS_UM)) float array
    weight : (R, K) float array
        0 on glass.

    Returns
    -------
    focal_offset_um, sd_um : (R, K) float64 arrays
        Without evidence of its own a cell takes its neighbourhood's.
    """
    pooled = np.empty_like(likelihood)
    for n in range(likelihood.shape[-1]):
        pooled[..., n] = gaussian_filter(likelihood[..., n] * weight, SMOOTH_CELLS, mode="constant")
    prior = np.zeros(likelihood.shape[:2])
    prior_sd = np.full(likelihood.shape[:2], 2 * REACH_UM)
    mean, sd = _moments(pooled, prior, prior_sd)
    for _ in range(ROUNDS):
        plane, plane_sd = _local_plane(mean, np.where(weight > 0, 1 / (sd**2 + SURFACE_SD_UM**2), 0))
        mean, sd = _moments(pooled, plane, np.hypot(plane_sd, SURFACE_SD_UM))
    return mean, np.hypot(sd, MODEL_SD_UM)


def _moments(likelihood: np.ndarray, prior: np.ndarray, prior_sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Top of the offset's posterior, by a parabola between the grid's offsets, and the deviation about it.

    Some rows at a time: a whole slide's posteriors would take a tenth of a gigabyte.
    """
    found = [
        _moments_of_rows(*(each[start : start + ROWS_AT_ONCE] for each in (likelihood, prior, prior_sd)))
        for start in range(0, len(likelihood), ROWS_AT_ONCE)
    ]
    top, sd = (np.concatenate(each) for each in zip(*found, strict=True))
    return top, sd


def _moments_of_rows(likelihood: np.ndarray, prior: np.ndarray, prior_sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log = likelihood - 0.5 * ((OFFSETS_UM - prior[..., None]) / prior_sd[..., None]) ** 2
    best = np.clip(log.argmax(axis=-1), 1, log.shape[-1] - 2)
    left, middle, right = (np.take_along_axis(log, (best + k)[..., None], axis=-1)[..., 0] for k in (-1, 0, 1))
    bend = np.maximum(2 * middle - left - right, 1e-6)
    top = OFFSETS_UM[best] + STEP_UM * np.clip(0.5 * (right - left) / bend, -1, 1)
    chance = np.exp(log - log.max(axis=-1, keepdims=True))
    chance /= chance.sum(axis=-1, keepdims=True)
    variance = (chance * (OFFSETS_UM - top[..., None]) ** 2).sum(axis=-1)
    return top, np.sqrt(variance)


def _local_plane(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of a plane about each cell: its height there, and the height's standard error.

    Cells that lie far from their neighbourhood's mean plane of the round before count little.
    """
    y, x = np.mgrid[: values.shape[0], : values.shape[1]].astype(float)

    def sums(field: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(field, SURFACE_CELLS, mode="constant", truncate=4))

    w = sums(weight) + 1e-9
    my, mx, mv = sums(weight * y) / w, sums(weight * x) / w, sums(weight * values) / w
    yy, xx, yx = (
        sums(weight * y * y) / w - my * my,
        sums(weight * x * x) / w - mx * mx,
        sums(weight * y * x) / w - my * mx,
    )
    yv, xv = sums(weight * y * values) / w - my * mv, sums(weight * x * values) / w - mx * mv
    ridge = 0.5  # square cells: a neighbourhood without extent has no slope
    yy, xx = yy + ridge, xx + ridge
    determinant = yy * xx - yx**2
    by, bx = (xx * yv - yx * xv) / determinant, (yy * xv - yx * yv) / determinant
    plane = mv + by * (y - my) + bx * (x - mx)
    away = ((y - my) ** 2 * xx - 2 * (y - my) * (x - mx) * yx + (x - mx) ** 2 * yy) / determinant
    area = 4 * np.pi * SURFACE_CELLS**2
    return np.clip(plane, -REACH_UM, REACH_UM), np.sqrt((1 + away) / (w * area))
