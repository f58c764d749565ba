"""The shift between two differently defocused shots of one place, and where it jumps inside a tile.

The shift comes from the phase of the shots' cross-spectrum. Only frequencies count at which both transfer functions are
of one sign: where the shots' coherence is positive, from the lowest on without a gap. Where a defocus turns contrast
round, the phase is off by half a turn.

Scanners stitch each plane by itself, of fields whose borders are straight. A tile is therefore of one shift, or it is
parted by a vertical line, a horizontal one, or both. Every parting is weighed by how well the shots then agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import scipy.fft
from scipy.ndimage import gaussian_filter, map_coordinates

TILE_PX = 256
"""Edge of the windows that shifts are measured in: four cells."""
BIN_PX = 2
"""Grey levels are averaged over squares of this edge first: what is used lies far below half of the frequencies."""
START_PER_PX, HIGHEST_PER_PX = 0.06, 0.2
"""Frequencies that the first guess uses, cycles a pixel (both transfer functions are positive there up to 3 µm of
defocus at NA 0.75), and the highest that the fit may use."""
LOWEST_PERIODS = 2.5
"""Periods a window: below lie lamp and window."""
RING = 2
"""Width of the rings that coherence is averaged over, periods a window."""
LEAST_COHERENCE = 0.35
MOST_CONDITION = 1e4
"""Ratio of the eigenvalues of the fit's matrix: beyond, one direction is not known."""
ITERATIONS, SETTLED_PX = 6, 1e-3
"""Steps of the fit at most, and a step so small that it is the last."""
HANN_SHARE = 2.6
"""Neighbouring frequencies of a Hann window are correlated: so many count as one."""
MOST_PX = 24.0
"""No larger shift is looked for."""


def tile_shift(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, float]:
    """Shift of one window.

    Parameters
    ----------
    low, high : (TILE_PX, TILE_PX) float arrays
        Grey levels in [0, 1].

    Returns
    -------
    shift_px : (2,) float array
        What lies at p in `low` lies at p + shift in `high` (y, x); NaN without evidence.
    standard_error_px : float
        Of the worse direction; infinite without evidence.
    """
    grid = _grid()
    spectra = np.stack([_spectrum(shot, grid.window) for shot in (low, high)])
    one, two = spectra.reshape(2, -1)[:, grid.inside]
    cross = one * np.conj(two)
    shift = _guess(cross, grid)
    powers = _sums(real_product(one, one)), _sums(real_product(two, two))
    found = np.full(2, np.nan), np.inf
    for step in range(ITERATIONS):
        rings = grid.rings_below(START_PER_PX if step < 2 else HIGHEST_PER_PX)
        turned = grid.turned(cross, shift, rings)
        weight = _weights(turned, powers, rings)
        # rings go on from the lowest one without a gap
        count = int(np.count_nonzero(weight))
        if count < 20:
            return np.full(2, np.nan), np.inf
        design, used = grid.design[:count], weight[:count]
        angle = np.angle(turned[:count]).astype(np.float64)
        weighted = design * used[:, None]
        inverse = _inverse(weighted.T @ design)
        if inverse is None:
            return np.full(2, np.nan), np.inf
        step_px = inverse @ (weighted.T @ angle)
        shift = shift + step_px
        rest = angle - design @ step_px
        spread = float(used @ rest**2 / used.sum())
        # weighted least squares with errors of one spread; neighbours in frequency are not independent
        scatter = inverse @ (weighted.T @ weighted) @ inverse * spread * HANN_SHARE
        found = shift, float(np.sqrt(np.diag(scatter).max()))
        if step >= 2 and np.abs(step_px).max() < SETTLED_PX:
            break
    if np.abs(found[0]).max() > MOST_PX:
        return np.full(2, np.nan), np.inf
    return found


def real_product(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Re one two*."""
    return np.asarray(one.real * two.real + one.imag * two.imag)


def _inverse(matrix: np.ndarray) -> np.ndarray | None:
    """Of a symmetric (2, 2) matrix; None where it is too near to a singular one. A tenth of the time of a library's."""
    (yy, yx), (_, xx) = matrix.tolist()
    determinant, half = yy * xx - yx * yx, (yy + xx) / 2
    apart = math.hypot((yy - xx) / 2, yx)  # eigenvalues lie at half ± apart
    if determinant <= 0 or not half + apart <= MOST_CONDITION * (half - apart):
        return None
    return np.array([[xx, -yx], [-yx, yy]]) / determinant


def _spectrum(shot: np.ndarray, window: np.ndarray) -> np.ndarray:
    assert BIN_PX == 2
    # a fifth of the time of a mean over two axes
    rows = shot[0::2] + shot[1::2]
    small = (rows[:, 0::2] + rows[:, 1::2]).astype(np.float32)
    small -= small.mean()
    small *= window
    spectrum: np.ndarray = scipy.fft.rfft2(small)
    return spectrum


def _guess(cross: np.ndarray, grid: _Grid) -> np.ndarray:
    """The highest place of the low-passed phase correlation, to a binned pixel."""
    size = TILE_PX // BIN_PX
    low = slice(grid.edges[round(START_PER_PX * TILE_PX / RING)])
    white = np.zeros(size * (size // 2 + 1), np.complex64)
    white[grid.inside[low]] = np.conj(cross[low]) / np.maximum(np.abs(cross[low]), 1e-30)
    surface = scipy.fft.irfft2(white.reshape(size, -1), (size, size))
    peak = np.array(np.unravel_index(np.argmax(surface), surface.shape))
    return np.asarray((peak + size // 2) % size - size // 2, dtype=float) * BIN_PX


def _weights(turned: np.ndarray, powers: tuple[np.ndarray, np.ndarray], rings: int) -> np.ndarray:
    """Weight of each frequency's phase: its ring's coherence² / (1 - coherence²), shared out by size."""
    members, size = np.diff(_grid().edges[: rings + 1]), np.abs(turned)
    one, two = (each[:rings] for each in powers)
    coherence = _sums(turned.real) / np.maximum(np.sqrt(one * two), 1e-30)
    clear = np.logical_and.accumulate(coherence > LEAST_COHERENCE)
    square = np.minimum(coherence, 0.995) ** 2
    of_ring = np.where(clear, square / (1 - square), 0) / np.maximum(_sums(size) / members, 1e-30)
    return np.asarray(np.repeat(of_ring, members) * size)


def _sums(values: np.ndarray) -> np.ndarray:
    """Of each ring, of so many of the lowest ones as there are values for."""
    edges = _grid().edges
    return np.asarray(np.add.reduceat(values, edges[: np.searchsorted(edges, len(values))], dtype=np.float64))


@dataclass(frozen=True)
class _Grid:
    """The N frequencies that are used, sorted by ring from the lowest on.

    Attributes
    ----------
    window : (size, size) float32 array
        Makes means of the sums over a bin, too.
    inside : (N,) int array
        Their places in a flat `rfft2`.
    edges : (rings + 1,) int array
        The first frequency of each ring, and N.
    design : (N, 2) float64 array
        Radians that a shift of one pixel along y and x adds to the phase.
    row, column : (N,) int arrays
        Their places along both axes; `cycles_y` and `cycles_x` hold these places' cycles a pixel.
    """

    window: np.ndarray
    inside: np.ndarray
    edges: np.ndarray
    design: np.ndarray
    row: np.ndarray
    column: np.ndarray
    cycles_y: np.ndarray
    cycles_x: np.ndarray

    @staticmethod
    def rings_below(per_px: float) -> int:
        """How many rings end at so many cycles a pixel or before."""
        return int(per_px * TILE_PX / RING)

    def turned(self, cross: np.ndarray, shift_px: np.ndarray, rings: int) -> np.ndarray:
        """A cross-spectrum, of so many of the lowest rings, as if a shift were undone; complex64."""
        along = [
            np.exp(-2j * np.pi * cycles * moved).astype(np.complex64)
            for cycles, moved in zip((self.cycles_y, self.cycles_x), shift_px, strict=True)
        ]
        part = slice(self.edges[rings])
        return np.asarray(cross[part] * (along[0][self.row[part]] * along[1][self.column[part]]))


@lru_cache(maxsize=1)
def _grid() -> _Grid:
    size = TILE_PX // BIN_PX
    hann = np.hanning(size + 1)[:-1]
    cycles = np.fft.fftfreq(size, BIN_PX), np.fft.rfftfreq(size, BIN_PX)
    radius = np.hypot(cycles[0][:, None], cycles[1]).ravel()
    ring = ((radius * TILE_PX - LOWEST_PERIODS) // RING).astype(int)
    inside = np.flatnonzero((radius * TILE_PX >= LOWEST_PERIODS) & (radius <= HIGHEST_PER_PX))
    inside = inside[np.argsort(ring[inside], kind="stable")]
    row, column = np.divmod(inside, len(cycles[1]))
    return _Grid(
        window=(np.outer(hann, hann) / BIN_PX**2).astype(np.float32),
        inside=inside,
        edges=np.concatenate([[0], np.cumsum(np.bincount(ring[inside]))]),
        design=2 * np.pi * np.stack([cycles[0][row], cycles[1][column]], axis=1),
        row=row,
        column=column,
        cycles_y=cycles[0],
        cycles_x=cycles[1],
    )


BLOCK_PX = 16
"""Lines lie between blocks of this edge."""
BLOCKS = TILE_PX // BLOCK_PX
MARGIN_PX = 48
"""Pixels that are read around a tile: the filters' reach, and shifts."""
FINE_PX, COARSE_PX = 2.5, 12.0
"""Standard deviations of the band of detail that counts, up to a tenth of a cycle a pixel: there both transfer
functions are positive up to 2.5 µm of defocus at NA 0.75."""
DEPENDENT_PX = 2 * 4 * np.pi * FINE_PX**2
"""Pixels that count as one: the filter smears them, and defocus makes errors of one sign side by side."""
LINE_COST, CROSS_COST = 6.0, 12.0
"""Natural logarithm of how much less likely a line, and two that cross, are held to be before anything is seen."""
SURE = 0.99
"""Probability from which on a block's shift is used."""


@dataclass(frozen=True)
class Parting:
    """Shifts of the blocks of a tile.

    Attributes
    ----------
    label : (BLOCKS, BLOCKS) int array
        Number of the shift among the candidates.
    sure : (BLOCKS, BLOCKS) bool array
        Whether the evidence decides on it.
    """

    label: np.ndarray
    sure: np.ndarray


def parted(low: np.ndarray, high: np.ndarray, candidates: np.ndarray, growth: float) -> Parting:
    """Which candidate each block of a tile has.

    Parameters
    ----------
    low, high : (TILE_PX + 2 MARGIN_PX,) * 2 float arrays
        Grey levels in [0, 1]; the tile lies in the middle.
    candidates : (K, 2) float array
        Shifts, y and x, at the tile's middle: what lies at p in `low` lies at p + shift in `high`.
    growth : float
        Shift that the scale adds along a tile, in pixels.
    """
    one, two = (gaussian_filter(shot, FINE_PX) - gaussian_filter(shot, COARSE_PX) for shot in (low, high))
    one = one[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    away = np.arange(TILE_PX) - (TILE_PX - 1) / 2
    places = np.arange(TILE_PX) + MARGIN_PX + growth * away / TILE_PX
    products, squares = np.empty((2, len(candidates), TILE_PX, TILE_PX))
    for number, (y, x) in enumerate(candidates):
        at = np.meshgrid(places + y, places + x, indexing="ij")
        moved = map_coordinates(two, np.stack(at), order=3, mode="mirror")
        products[number], squares[number] = one * moved, moved**2
    gain = products.sum(axis=(1, 2)).max() / squares.mean(axis=0).sum()
    left = _blocks(one**2 - 2 * gain * products + gain**2 * squares)  # (K, BLOCKS, BLOCKS)
    # what the blocks differ by where each has its best shift is no evidence: defocus and noise
    spread = max(float(left.min(axis=0).mean()) / BLOCK_PX**2, 1e-12)
    return _weighed(left / (2 * spread * DEPENDENT_PX))


def _blocks(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), BLOCKS, BLOCK_PX, BLOCKS, BLOCK_PX).sum(axis=(2, 4))


def _weighed(cost: np.ndarray) -> Parting:
    """The likeliest candidate of each block, over all partings; `cost` is a negative logarithm, (K, BLOCKS, BLOCKS)."""
    count = len(cost)
    sums = np.zeros((count, BLOCKS + 1, BLOCKS + 1))
    sums[:, 1:, 1:] = cost.cumsum(axis=1).cumsum(axis=2)
    lines = range(1, BLOCKS)
    partings: list[tuple[float, int, int, tuple[int, int, int, int]]] = []
    for k in range(count):
        partings.append((sums[k, -1, -1], BLOCKS, BLOCKS, (k, k, k, k)))
    for line, (a, b) in product(lines, product(range(count), repeat=2)):
        if a != b:
            across, along = sums[a, line, -1] - sums[b, line, -1], sums[a, -1, line] - sums[b, -1, line]
            partings.append((sums[b, -1, -1] + across + LINE_COST, line, BLOCKS, (a, a, b, b)))
            partings.append((sums[b, -1, -1] + along + LINE_COST, BLOCKS, line, (a, b, a, b)))
    for y, x in product(lines, lines):
        quarters = (
            sums[:, y, x],
            sums[:, y, -1] - sums[:, y, x],
            sums[:, -1, x] - sums[:, y, x],
            sums[:, -1, -1] - sums[:, y, -1] - sums[:, -1, x] + sums[:, y, x],
        )
        best = tuple(int(each.argmin()) for each in quarters)
        partings.append((float(sum(each.min() for each in quarters)) + CROSS_COST, y, x, best))  # type: ignore[arg-type]
    costs = np.array([each[0] for each in partings])
    chance = np.exp(costs.min() - costs)
    total = np.zeros((count, BLOCKS, BLOCKS))
    for share, (_, y, x, (a, b, c, d)) in zip(chance / chance.sum(), partings, strict=True):
        if share > 1e-6:
            total[a, :y, :x] += share
            total[b, :y, x:] += share
            total[c, y:, :x] += share
            total[d, y:, x:] += share
    return Parting(total.argmax(axis=0), total.max(axis=0) >= SURE)
