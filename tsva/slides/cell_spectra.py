"""Levels, sharpness and spectra of the cells of a block, for both shots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft

from tsva.acquisition.sharpness import LAG_PX
from tsva.restoration.fusion.bands import BANDS, EDGES, WINDOW_PX
from tsva.slides.grid import CELL_PX

assert WINDOW_PX == CELL_PX  # a cell is one window of the spectra

MODES = tuple(
    int(n)
    for n in np.histogram(
        np.hypot(np.fft.fftfreq(CELL_PX)[:, None], np.fft.fftfreq(CELL_PX)[None, :]) * CELL_PX, bins=EDGES
    )[0]
)
"""Frequencies of a cell's transform in each band, of the whole plane."""


@dataclass(frozen=True)
class CellMeasures:
    """What is measured in R by K cells of C channels; images in [0, 1].

    Attributes
    ----------
    level_low, level_high : (R, K, C) float32 arrays
        Mean levels.
    gradient_low, gradient_high : (R, K) float32 arrays
        Brenner gradient of the mean of the channels.
    spectra : (R, K, C, 3, BANDS) float32 array
        Mean of |Y1|², |Y2|² and Re Y1 Y2* of low and high shot in the bands of `tsva.restoration.fusion.bands`; white
        noise of variance v has power v.
    """

    level_low: np.ndarray
    level_high: np.ndarray
    gradient_low: np.ndarray
    gradient_high: np.ndarray
    spectra: np.ndarray


def measure_cells(low: np.ndarray, high: np.ndarray, shift_px: np.ndarray) -> CellMeasures:
    """Measure the cells of a block.

    Parameters
    ----------
    low, high : (Y, X, C) uint8 arrays
        Of whole cells.
    shift_px : (R, K, 2) float array
        What lies at p in `low` lies at p + shift in `high`; the common spectrum is taken as if it lay at p.
    """
    # a row of cells at a time, whose arrays stay in the cache
    rows = [
        _measured(low[y : y + CELL_PX], high[y : y + CELL_PX], shift_px[y // CELL_PX, None])
        for y in range(0, len(low), CELL_PX)
    ]
    return CellMeasures(*(np.concatenate(each) for each in zip(*rows, strict=True)))


def _measured(low: np.ndarray, high: np.ndarray, shift_px: np.ndarray) -> list[np.ndarray]:
    """Of one row of cells, in the order of `CellMeasures`."""
    one, two = (cells_of(shot) / np.float32(255) for shot in (low, high))
    levels = [levels_of(cells) for cells in (one, two)]
    gradients = [_gradient(cells) for cells in (one, two)]
    window, rings = window_and_rings()
    first, second = (
        scipy.fft.rfft2((cells - level[..., None, None]) * window)
        for cells, level in zip((one, two), levels, strict=True)
    )
    fy, fx = np.fft.fftfreq(CELL_PX)[:, None], np.fft.rfftfreq(CELL_PX)[None, :]
    turn = shift_px[..., 0, None, None] * fy + shift_px[..., 1, None, None] * fx
    phase = np.exp(-2j * np.pi * turn).astype(np.complex64)[:, :, None]
    turned = second * np.conj(phase) if np.any(shift_px) else second
    products = [real_product(first, first), real_product(second, second), real_product(first, turned)]
    spectra = np.stack([product.reshape(*product.shape[:3], -1) @ rings for product in products], axis=3)
    return [a.astype(np.float32) for a in (*levels, *gradients, spectra)]


def grey_levels(shot: np.ndarray) -> np.ndarray:
    """(Y, X) float32 means of the channels, in [0, 1]; by channel, which takes a quarter of numpy's mean."""
    total = sum(shot[..., channel].astype(np.uint16) for channel in range(shot.shape[2]))
    return np.asarray(total * np.float32(1 / (255 * shot.shape[2])), np.float32)


def cells_of(image: np.ndarray) -> np.ndarray:
    """(R, K, C, CELL_PX, CELL_PX) of (Y, X, C), which holds whole cells; a copy, with the pixels of a cell together."""
    return np.ascontiguousarray(_by_cell(image))


def chosen_cells(image: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(N, C, CELL_PX, CELL_PX) of (Y, X, C): those of its cells that an (R, K) bool array chooses; a copy."""
    return np.ascontiguousarray(_by_cell(image)[chosen])


def _by_cell(image: np.ndarray) -> np.ndarray:
    height, width, channels = image.shape
    cut = image.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX, channels)
    return cut.transpose(0, 2, 4, 1, 3)


def levels_of(cells: np.ndarray) -> np.ndarray:
    """(…, C) means of (…, C, CELL_PX, CELL_PX) cells."""
    return np.asarray(cells.reshape(*cells.shape[:-2], -1).mean(axis=-1))


def real_product(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Re one two*."""
    return np.asarray(one.real * two.real + one.imag * two.imag)


def _gradient(cells: np.ndarray) -> np.ndarray:
    grey = cells.mean(axis=2)
    steps = (grey[..., LAG_PX:] - grey[..., :-LAG_PX]).reshape(*grey.shape[:2], -1)
    return np.asarray(np.einsum("rkn,rkn->rk", steps, steps) / steps.shape[-1])


@lru_cache(maxsize=1)
def window_and_rings() -> tuple[np.ndarray, np.ndarray]:
    """Hann window, (CELL_PX, CELL_PX), and weights that gather power in bands, (frequencies, BANDS)."""
    hann = np.hanning(CELL_PX + 1)[:-1]
    window = np.outer(hann, hann)
    fy, fx = np.fft.fftfreq(CELL_PX) * CELL_PX, np.fft.rfftfreq(CELL_PX) * CELL_PX
    radius = np.hypot(fy[:, None], fx[None, :]).ravel()
    twice = np.full((CELL_PX, len(fx)), 2.0)  # the half plane that rfft2 leaves out
    twice[:, [0, -1]] = 1
    edges = np.array(EDGES)
    rings = ((radius[:, None] >= edges[:-1]) & (radius[:, None] < edges[1:])) * twice.ravel()[:, None]
    rings = rings / rings.sum(axis=0) / np.square(window).sum()
    assert rings.shape[1] == BANDS
    return window.astype(np.float32), rings.astype(np.float32)
