"""Spectra of training patches: the signal's, and how those of all planes go together with the ground truth's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

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


RINGS = 128
"""Evenly from frequency 0 to the corner of a camera's spectrum."""


@dataclass(frozen=True)
class ShotSpectra:
    """Mean cross-spectra of training patches.

    Attributes
    ----------
    gram : (RINGS, (Z + 1) * C, (Z + 1) * C) float array
        Real parts, averaged over the frequencies nearest to each ring and over the patches: of every plane's channels,
        planes in order of z, and of the ground truth's channels at last. Imaginary parts average to nothing, as
        opposite frequencies have conjugate spectra.
    z_um : (Z,) float array
        Positions of the planes from the true focus.
    clean : bool
        The ground truth is free of noise. Otherwise it is the plane in focus and shares that plane's noise.
    patches : int
        How many there were.
    """

    gram: np.ndarray
    z_um: np.ndarray
    clean: bool
    patches: int

    @property
    def channels(self) -> int:
        """Of the patches."""
        return self.gram.shape[1] // (len(self.z_um) + 1)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ShotSpectra:
        """From arrays of the attributes' names."""
        return cls(arrays["gram"], arrays["z_um"], bool(arrays["clean"]), int(arrays["patches"]))


def shot_spectra(
    patches: Iterable[tuple[np.ndarray, np.ndarray, float]], z_um: np.ndarray, *, clean: bool
) -> ShotSpectra:
    """Average over training patches.

    Parameters
    ----------
    patches : iterable of ((Z, Y, X, C) uint8 array, (Y, X, C) uint8 array, float)
        Stack and ground truth, all of one size, and how far above `z_um` the stack's planes lie, in steps between -0.5
        and 0.5.
    z_um : (Z,) float array
        Positions of the planes from the true focus.
    clean : bool
        See `ShotSpectra`.

    Raises
    ------
    ValueError
        If there are no patches.
    """
    total, number = np.zeros(()), 0
    for stack, truth, above in patches:
        height, width = truth.shape[:2]
        images = np.concatenate([stack, truth[None]]).astype(np.float32) / 255
        images = np.moveaxis(images - images.mean(axis=(1, 2), keepdims=True), -1, 1).reshape(-1, height, width)
        window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
        order, begins, weights = _rings(height, width)
        spectra = scipy.fft.rfft2(images * window).reshape(len(images), -1)[:, order] * np.sqrt(weights)
        both = np.stack([spectra.real, spectra.imag], axis=1)
        parts = [both[:, :, first:end].reshape(len(images), -1) for first, end in pairwise(begins)]
        counts = np.array([max(weights[first:end].sum(), 1) for first, end in pairwise(begins)])
        gram = np.stack([part @ part.T for part in parts]) / counts[:, None, None]
        total, number = total + _moved(gram, above, truth.shape[-1]) / np.sum(window**2), number + 1
    if not number:
        raise ValueError("no patches")
    return ShotSpectra((total / number).astype(np.float32), np.asarray(z_um, float), clean, number)


def _moved(gram: np.ndarray, above: float, channels: int) -> np.ndarray:
    """A patch's cross-spectra at positions that lie `above` steps below its planes, linear along z.

    All planes move together, so that noise stays in a plane's own power, and the matrix stays a covariance. A plane at
    an end, which has no neighbour to move towards, stays.
    """
    planes, side = gram.shape[1] // channels - 1, 1 if above < 0 else -1
    towards = np.append(np.clip(np.arange(planes) + side, 0, planes - 1), planes)
    rows = (towards[:, None] * channels + np.arange(channels)).ravel()
    return np.asarray((1 - abs(above)) * gram + abs(above) * gram[:, rows[:, None], rows])


def _rings(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of the half spectrum in order of their rings, where each ring begins, (RINGS + 1,), and places' weights.

    Columns that stand for two, a frequency and its opposite, weigh twice.
    """
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    ring = np.rint(radius / np.sqrt(0.5) * (RINGS - 1)).astype(int).ravel()
    order = np.argsort(ring, kind="stable")
    twice = np.full(radius.shape[1], 2, np.float32)
    twice[0] = 1
    if width % 2 == 0:
        twice[-1] = 1
    weights = np.broadcast_to(twice, radius.shape).ravel()[order]
    return order, np.searchsorted(ring[order], np.arange(RINGS + 1)), weights
