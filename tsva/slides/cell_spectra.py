"""Levels, sharpness and spectra of the cells of a block, for both shots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from torch import Tensor

from tsva.acquisition.sharpness import LAG_PX
from tsva.restoration.fusion.bands import BANDS, EDGES, WINDOW_PX
from tsva.slides.grid import CELL_PX

assert WINDOW_PX == CELL_PX  # a cell is one window of the spectra
assert EDGES[0] > math.sqrt(2)  # a Hann window lets a cell's mean into no frequency of the bands
CELLS_AT_ONCE = 8
"""Arrays of so many cells stay in a processor's own cache: transforms then take half of the time."""
WHITE = 255
"""Level of white pixels."""

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
    rows, columns, channels = low.shape[0] // CELL_PX, low.shape[1] // CELL_PX, low.shape[2]
    level = np.empty((2, rows, columns, channels), np.float32)
    gradient = np.empty((2, rows, columns), np.float32)
    spectra = np.empty((rows, columns, channels, 3, BANDS), np.float32)
    cells = [_by_cell(planar(shot)) for shot in (low, high)]
    for row, first in product(range(rows), range(0, columns, CELLS_AT_ONCE)):
        part = row, slice(first, first + CELLS_AT_ONCE)
        found = []
        for number, shot in enumerate(cells):
            some = torch.from_numpy(np.ascontiguousarray(shot[part])).float()
            level[number][part], gradient[number][part] = levels_of(some).numpy(), _gradient(some).numpy()
            found.append(transforms(some))
        one, two = found
        spectra[part][:, :, 0], spectra[part][:, :, 1] = in_bands(one, one), in_bands(two, two)
        spectra[part][:, :, 2] = in_bands(one, _turned(two, shift_px[part]))
    level /= WHITE
    gradient /= WHITE**2
    spectra /= WHITE**2
    return CellMeasures(level[0], level[1], gradient[0], gradient[1], spectra)


def _turned(transform: Tensor, shift_px: np.ndarray) -> Tensor:
    """Transforms of `transforms`, (K, C, …), as if what lies at p + shift, (K, 2), lay at p."""
    if not np.any(shift_px):
        return transform
    turns = [
        np.exp(2j * np.pi * shift_px[:, axis, None] * frequencies).astype(np.complex64)
        for axis, frequencies in enumerate((np.fft.fftfreq(CELL_PX), np.fft.rfftfreq(CELL_PX)))
    ]
    phase = (turns[0][:, :, None] * turns[1][:, None, :]).reshape(len(transform), 1, -1)
    return torch.from_numpy((transform.numpy().view(np.complex64) * phase).view(np.float32))


def grey_levels(shot: np.ndarray) -> np.ndarray:
    """(Y, X) float32 means of the channels, in [0, 1]; by channel, which takes a quarter of numpy's mean."""
    total = sum(shot[..., channel].astype(np.uint16) for channel in range(shot.shape[2]))
    return np.asarray(total * np.float32(1 / (255 * shot.shape[2])), np.float32)


def planar(image: np.ndarray) -> np.ndarray:
    """The same (Y, X, C) pixels, with those of a channel together in memory: what is done by channel is faster then."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)


def chosen_cells(image: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(N, C, CELL_PX, CELL_PX) of (Y, X, C): those of its cells that an (R, K) bool array chooses; a copy."""
    return np.ascontiguousarray(_by_cell(image)[chosen])


def _by_cell(image: np.ndarray) -> np.ndarray:
    """(R, K, C, CELL_PX, CELL_PX) view of (Y, X, C), which holds whole cells."""
    height, width, channels = image.shape
    cut = image.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX, channels)
    return cut.transpose(0, 2, 4, 1, 3)


def levels_of(cells: Tensor) -> Tensor:
    """(N, C) means of (N, C, CELL_PX, CELL_PX) cells."""
    return cells.flatten(2).mean(dim=-1)


def _gradient(cells: Tensor) -> Tensor:
    """(N,) Brenner gradients of the mean of the channels."""
    grey = cells.sum(dim=1)
    steps = grey[..., LAG_PX:] - grey[..., :-LAG_PX]
    return steps.square_().flatten(1).mean(dim=1) / cells.shape[1] ** 2


def transforms(cells: Tensor) -> Tensor:
    """Fourier transforms of windowed cells.

    Parameters
    ----------
    cells : (N, C, CELL_PX, CELL_PX) float32 tensor
        With their means, which this window lets into no band: the lowest begins beyond its neighbours of frequency 0.

    Returns
    -------
    (N, C, 2 * frequencies) float32 tensor
        Real and imaginary part side by side: the sum over both of a product of two transforms is Re one two*.
    """
    window, _ = window_and_rings()
    return torch.view_as_real(torch.fft.rfft2(cells * window)).flatten(2)


def in_bands(one: Tensor, two: Tensor) -> np.ndarray:
    """(…, BANDS) mean of Re one two* of `transforms`, (…, 2 * frequencies); torch's product takes half of NumPy's."""
    _, rings = window_and_rings()
    return np.asarray(((one * two) @ rings).numpy())


@lru_cache(maxsize=1)
def window_and_rings() -> tuple[Tensor, Tensor]:
    """Hann window, (CELL_PX, CELL_PX), and weights that gather power in bands, (2 * frequencies, BANDS)."""
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
    return torch.from_numpy(window).float(), torch.from_numpy(np.repeat(rings, 2, axis=0)).float()
