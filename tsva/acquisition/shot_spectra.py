"""How the spectra of all planes of a training patch and of its ground truth go together, by spatial frequency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.fft

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
