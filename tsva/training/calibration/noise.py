"""The camera's noise: what a plane does not share with its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WEIGHTS = np.array([-1 / 6, 2 / 3, 2 / 3, -1 / 6], np.float32)
"""The cubic through the planes at -2, -1, 1 and 2, at 0."""
SHARE = 1 + float(np.square(WEIGHTS).sum())
"""Variance of a plane less that cubic, over the variance of a plane's noise."""
BLOCK_PX = 8
QUIET = 0.5
"""Share of the planes that noise is read from: those that change least from plane to plane, far from focus."""
ROUNDING = 1 / 12
"""Variance of rounding to whole grey levels."""
DRAWS = 200
OUTLIER, ROUNDS = 3.0, 4
"""Scatters from the line beyond which a block is left out; how often the line is drawn anew."""
LEAST_RANGE = 0.1
"""Share of full scale that levels must span for photon noise to be distinguished from read noise."""


@dataclass(frozen=True)
class Noise:
    """Noise of one camera, by channel.

    Attributes
    ----------
    floor : (C,) float array
        Variance at grey level 0, squared grey levels of 255; with the rounding to 8 bits.
    slope : (C,) float array
        Its rise for each grey level.
    level : (C,) float array
        Mean grey level of the images.
    slope_se, sd_se : (C,) float arrays
        Standard errors of `slope` and `sd`, over blocks of pixels.
    separable : bool
        Levels span enough of the range for `floor` and `slope` to mean something one by one.
    """

    floor: np.ndarray
    slope: np.ndarray
    level: np.ndarray
    slope_se: np.ndarray
    sd_se: np.ndarray
    separable: bool

    @property
    def sd(self) -> np.ndarray:
        """(C,) standard deviation at the mean level, grey levels of 255."""
        return np.asarray(np.sqrt(self.floor + self.slope * self.level))

    @property
    def full_well_e(self) -> np.ndarray:
        """(C,) electrons at full scale, which `slope` means where noise is photons'; infinite without a slope."""
        return np.asarray(np.divide(255.0, self.slope, out=np.full_like(self.slope, np.inf), where=self.slope > 0))

    @property
    def read_noise_e(self) -> np.ndarray:
        """(C,) electrons of read noise; NaN where there is no slope to convert grey levels by."""
        read = np.sqrt(np.maximum(self.floor - ROUNDING, 0))
        return np.asarray(np.divide(read, self.slope, out=np.full_like(read, np.nan), where=self.slope > 0))


def measure_noise(stacks: list[np.ndarray], seed: int) -> Noise:
    """Read the noise from planes as captured.

    Parameters
    ----------
    stacks : list of (Z, Y, X, C) uint8 arrays
        Of at least five planes each.
    seed : int
        Of the bootstrap.

    Notes
    -----
    A plane less the cubic through its four neighbours holds its own noise and theirs, and of the specimen what changes
    faster over z. That is least far from focus, so that the half of the planes with the smallest residuals is used.
    Pixels at the ends of the range, where noise is cut off, are left out.
    """
    levels, squares = [], []
    for stack in stacks:
        found = [_residual(stack, plane) for plane in range(2, len(stack) - 2)]
        middle = [np.nanmedian(variance) for _, variance in found]
        for place in np.argsort(middle)[: max(1, int(np.ceil(QUIET * len(found))))]:
            levels.append(found[place][0])
            squares.append(found[place][1])
    level, variance = np.concatenate(levels), np.concatenate(squares)  # (block, C)
    whole = np.isfinite(variance).all(axis=1)
    level, variance = level[whole], variance[whole]
    random = np.random.default_rng(seed)
    lines = np.array([_lines(level, variance)])
    drawn = np.array(
        [_lines(level[rows], variance[rows]) for rows in random.integers(len(level), size=(DRAWS, len(level)))]
        if len(level) > 1
        else lines
    )
    mean = level.mean(axis=0)
    sds = np.sqrt(drawn[:, 0] + drawn[:, 1] * mean)
    spans = np.ptp(np.quantile(level, (0.02, 0.98), axis=0), axis=0)
    return Noise(
        lines[0, 0],
        lines[0, 1],
        mean,
        drawn[:, 1].std(axis=0),
        sds.std(axis=0),
        bool(spans.min() > LEAST_RANGE * 255),
    )


def _residual(stack: np.ndarray, plane: int) -> tuple[np.ndarray, np.ndarray]:
    """Level and noise variance, (block, C) each, of one plane's blocks; NaN where pixels are at the range's ends."""
    around = stack[[plane - 2, plane - 1, plane + 1, plane + 2]].astype(np.float32)
    expected = np.tensordot(WEIGHTS, around, axes=1)
    here = stack[plane].astype(np.float32)
    ends = (here <= 0) | (here >= 255)
    residual = here - expected
    # what changes slowly across the field is tissue or lamp, not noise
    blocks, level = _blocks(residual), _blocks(expected)
    variance = blocks.var(axis=1, ddof=1) / SHARE
    variance[_blocks(ends.astype(np.float32)).max(axis=1) > 0] = np.nan
    return level.mean(axis=1), variance


def _blocks(values: np.ndarray) -> np.ndarray:
    """(block, pixel, C) of a (Y, X, C) array."""
    rows, columns = values.shape[0] // BLOCK_PX, values.shape[1] // BLOCK_PX
    cut = values[: rows * BLOCK_PX, : columns * BLOCK_PX]
    cut = cut.reshape(rows, BLOCK_PX, columns, BLOCK_PX, -1).swapaxes(1, 2)
    return np.ascontiguousarray(cut.reshape(rows * columns, BLOCK_PX * BLOCK_PX, -1))


def _lines(level: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(2, C) floor and slope, neither negative, by least squares without the blocks that lie far above the line.

    The variance of a block scatters by √(2 / 63) of itself; blocks farther up hold tissue that changed from plane to
    plane.
    """
    out = np.zeros((2, level.shape[1]))
    for channel, (x, y) in enumerate(zip(level.T, variance.T, strict=True)):
        kept = y <= 4 * np.median(y)
        for _ in range(ROUNDS):
            out[:, channel] = _line(x[kept], y[kept])
            wanted = out[0, channel] + out[1, channel] * x
            kept = np.abs(y / np.maximum(wanted, 1e-6) - 1) < OUTLIER * np.sqrt(2 / (BLOCK_PX**2 - 1))
            if kept.sum() < 3:
                break
    return out


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    away = x - x.mean()
    spread = float(np.square(away).sum())
    slope = float(away @ y) / spread if spread > 0 else 0.0
    slope = float(np.clip(slope, 0, y.mean() / max(x.mean(), 1e-6)))
    return float(y.mean() - slope * x.mean()), slope
