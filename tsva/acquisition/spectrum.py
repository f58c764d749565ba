"""The signal's spectrum: mean power of in-focus training images without their noise."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import scipy.fft

BINS = 64
CORNER = 0.9
"""Share of the highest frequency beyond which noise is read (hardly any tissue is left there)."""
CLEAR = 0.5
"""Where the signal is less than this share of the noise it is continued by the power law of what is clear."""
LAW_FROM = 0.25
"""Share of the clear range (its upper part, logarithmic) that the power law is laid through."""
COLUMNS = ("frequency_per_um", "power_red", "power_green", "power_blue", "noise_red", "noise_green", "noise_blue")


def signal_table(targets: Iterable[np.ndarray], pixel_um: float) -> pd.DataFrame:
    """Mean power spectral density of in-focus patches over spatial frequency.

    Parameters
    ----------
    targets : iterable of (N, Y, X, C) uint8 arrays
        Training patches in focus, all of one size.
    pixel_um : float
        Camera pixel in the specimen.

    Returns
    -------
    DataFrame
        ``COLUMNS``: `power_…` without noise, of images in [0, 1] at unit pixel spacing (white noise of variance v has
        power v), `noise_…` what was taken off (the same in every row). Grey images fill all three colours alike.

    Raises
    ------
    ValueError
        If there are no patches.
    """
    total, number, radius = np.zeros((1, 1, 1)), 0, np.empty(0)
    for array in targets:
        for target in array:
            image = target.astype(np.float32) / 255
            height, width, channels = image.shape
            window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
            weighted = (image - image.mean(axis=(0, 1))) * window[..., None]
            power = np.abs(scipy.fft.rfft2(weighted.transpose(2, 0, 1))) ** 2 / np.sum(window**2)
            total = total + np.broadcast_to(power, (3, *power.shape[1:])) if channels == 1 else total + power
            number += 1
            radius = _frequencies(height, width)
    if not number:
        raise ValueError("no patches")
    mean = np.asarray(total) / number
    noise = mean[:, radius > CORNER * radius.max()].mean(axis=1)
    frequency, rings = _logarithmic_rings(mean, radius)
    signal = np.stack([_continued(frequency, ring - n, n) for ring, n in zip(rings, noise, strict=True)])
    columns = [frequency / pixel_um, *signal, *np.broadcast_to(noise[:, None], signal.shape)]
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _frequencies(height: int, width: int) -> np.ndarray:
    """Spatial frequency, cycles per pixel."""
    return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])


def _logarithmic_rings(power: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean frequency, (ring,), and mean power, (3, ring), in rings of evenly rising logarithm."""
    edges = np.geomspace(1 / max(power.shape[1], 2), radius.max(), BINS + 1)
    ring = np.clip(np.searchsorted(edges, radius, side="right") - 1, -1, BINS - 1)
    inside = ring >= 0
    counts = np.bincount(ring[inside], minlength=BINS)
    kept = counts > 0
    sums = [np.bincount(ring[inside], values[inside], BINS) for values in (radius, *power)]
    frequency, *means = (values[kept] / counts[kept] for values in sums)
    return frequency, np.array(means)


def _continued(frequency: np.ndarray, signal: np.ndarray, noise: float) -> np.ndarray:
    """The signal where it is clear, and beyond that the straight line through its upper end, in logarithms."""
    clear = np.logical_and.accumulate(signal > CLEAR * noise)
    last = int(clear.sum())
    if last < 3:
        # hardly anything but noise: a power law of natural images through the total
        return np.maximum(signal[0], noise) * (frequency / frequency[0]) ** -2.0
    first = max(0, min(last - 3, int(last * (1 - LAW_FROM))))
    x, y = np.log(frequency[first:last]), np.log(signal[first:last])
    slope, level = np.polyfit(x, y, 1)
    beyond = np.exp(level + min(slope, -0.5) * np.log(frequency))
    return np.where(clear, signal, beyond)
