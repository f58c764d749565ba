"""The shift between two differently defocused shots of one place, by the phase of their common spectrum.

Only frequencies count at which both transfer functions are of one sign: where the shots' coherence is positive, from
the lowest on without a gap. Where a defocus turns contrast round, the phase is off by half a turn.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft

from tsva.slides.cell_spectra import real_product

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
    window, inside, fy, fx, ring = _grid()
    spectra = [_spectrum(shot, window) for shot in (low, high)]
    shift = _guess(spectra[0] * np.conj(spectra[1]), inside, ring)
    one, two = (each[inside] for each in spectra)
    cross = one * np.conj(two)
    powers = real_product(one, one), real_product(two, two)
    found = np.full(2, np.nan), np.inf
    for step in range(ITERATIONS):
        turned = cross * np.exp(-2j * np.pi * (fy * shift[0] + fx * shift[1]))
        weight = _weights(turned, powers, ring, START_PER_PX if step < 2 else HIGHEST_PER_PX)
        used = weight > 0
        if used.sum() < 20:
            return np.full(2, np.nan), np.inf
        design = 2 * np.pi * np.stack([fy[used], fx[used]], axis=1)
        angle = np.angle(turned[used])
        matrix = (design * weight[used, None]).T @ design
        if np.linalg.cond(matrix) > 1e4:
            return np.full(2, np.nan), np.inf
        inverse = np.linalg.inv(matrix)
        step_px = inverse @ (design.T @ (weight[used] * angle))
        shift = shift + step_px
        rest = angle - design @ step_px
        spread = float((weight[used] * rest**2).sum() / weight[used].sum())
        # weighted least squares with errors of one spread; neighbours in frequency are not independent
        scatter = inverse @ ((design * (weight[used] ** 2)[:, None]).T @ design) @ inverse * spread * HANN_SHARE
        found = shift, float(np.sqrt(np.diag(scatter).max()))
        if step >= 2 and np.abs(step_px).max() < SETTLED_PX:
            break
    if np.abs(found[0]).max() > MOST_PX:
        return np.full(2, np.nan), np.inf
    return found


def _spectrum(shot: np.ndarray, window: np.ndarray) -> np.ndarray:
    size = TILE_PX // BIN_PX
    small = shot.reshape(size, BIN_PX, size, BIN_PX).mean(axis=(1, 3), dtype=np.float64)
    spectrum: np.ndarray = scipy.fft.rfft2((small - small.mean()) * window)
    return spectrum


def _guess(cross: np.ndarray, inside: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """The highest place of the low-passed phase correlation, to a binned pixel."""
    edge = round(START_PER_PX * TILE_PX / RING)
    size = TILE_PX // BIN_PX
    white, used = np.zeros_like(cross), inside.copy()
    used[inside] = ring < edge
    white[used] = cross[used] / np.maximum(np.abs(cross[used]), 1e-30)
    surface = scipy.fft.irfft2(np.conj(white), (size, size))
    peak = np.array(np.unravel_index(np.argmax(surface), surface.shape))
    return np.asarray((peak + size // 2) % size - size // 2, dtype=float) * BIN_PX


def _weights(turned: np.ndarray, powers: tuple[np.ndarray, np.ndarray], ring: np.ndarray, highest: float) -> np.ndarray:
    """Weight of each frequency's phase: its ring's coherence² / (1 - coherence²), shared out by size."""
    count = int(ring.max()) + 1
    size = np.abs(turned)
    sums = [np.bincount(ring, values, count) for values in (turned.real, *powers, size)]
    members = np.bincount(ring, minlength=count)
    coherence = sums[0] / np.maximum(np.sqrt(sums[1] * sums[2]), 1e-30)
    coherence = np.where((np.arange(count) + 1) * RING / TILE_PX > highest, 0, coherence)
    clear = np.logical_and.accumulate(coherence > LEAST_COHERENCE)
    square = np.minimum(coherence, 0.995) ** 2
    of_ring = np.where(clear, square / (1 - square), 0) / np.maximum(sums[3] / np.maximum(members, 1), 1e-30)
    return np.asarray(of_ring[ring] * size)


@lru_cache(maxsize=1)
def _grid() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Window; which frequencies are used; of these, cycles a pixel along both axes, and the ring."""
    size = TILE_PX // BIN_PX
    hann = np.hanning(size + 1)[:-1]
    fy = np.fft.fftfreq(size, BIN_PX)[:, None] + np.zeros((1, size // 2 + 1))
    fx = np.fft.rfftfreq(size, BIN_PX)[None, :] + np.zeros((size, 1))
    periods = np.hypot(fy, fx) * TILE_PX
    ring = ((periods - LOWEST_PERIODS) // RING).astype(int)
    inside = (periods >= LOWEST_PERIODS) & (np.hypot(fy, fx) <= HIGHEST_PER_PX)
    return np.outer(hann, hann), inside, fy[inside], fx[inside], ring[inside]
