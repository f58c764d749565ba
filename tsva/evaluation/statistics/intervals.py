"""Sums over slides and offsets, from which means, spreads and intervals follow without a loop over patches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtrit


@dataclass(frozen=True)
class Cells:
    """Values gathered by slide and bin of the offset.

    Attributes
    ----------
    counts, sums, squares : (slide, bin) float arrays
        How many values, their sum and the sum of their squares.
    """

    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, slides: np.ndarray, bins: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> Cells:
        """Gather values; NaN is no value.

        Parameters
        ----------
        slides, bins : (N,) int arrays
            Where each value belongs.
        values : (N,) float array
            Scores, differences or errors.
        shape : (int, int)
            Number of slides and of bins.
        """
        known = ~np.isnan(values)
        place, value = slides[known] * shape[1] + bins[known], values[known]
        size = shape[0] * shape[1]
        gathered = [np.bincount(place, weights, size).reshape(shape) for weights in (None, value, value**2)]
        return cls(*(part.astype(float) for part in gathered))

    def means(self) -> np.ndarray:
        """Mean over the patches of each bin, (bin,); NaN for an empty one."""
        return self._means

    @cached_property
    def _means(self) -> np.ndarray:
        return ratio(self.sums.sum(axis=0), self.counts.sum(axis=0))

    def average(self, weights: np.ndarray) -> float:
        """Weighted mean of the bins' means, (bins,) weights; those of empty bins are shared among the others."""
        return float(weighted(self._means, weights))

    def spreads(self) -> np.ndarray:
        """Standard deviation over the patches of each bin, (bin,); NaN for fewer than two values."""
        counts = self.counts.sum(axis=0)
        return np.sqrt(ratio(counts, counts - 1) * self._variances)

    def spread(self, weights: np.ndarray) -> float:
        """Standard deviation of the bins' patches taken together, in the shares that (bins,) weights give."""
        means, average = self._means, self.average(weights)
        enough = self.counts.sum() > 1
        return float(np.sqrt(weighted(self._variances + (means - average) ** 2, weights))) if enough else np.nan

    def intervals(self, weights: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Limits over slides for each bin's mean, and last for the average: Student's t with the jackknife's error.

        Patches of one slide are alike, so slides are the independent units: the standard error is that of the
        estimates with one slide left out at a time (Efron and Stein 1981), and there is one degree of freedom less
        than slides with a value. Slides may differ in their number of patches. docs/decisions/intervals-over-slides.md
        compares the coverage with that of bootstraps.

        Parameters
        ----------
        weights : (bin,) array
            Weights of the average.
        confidence : float
            Probability with which the limits are to hold the true mean.

        Returns
        -------
        low, high : (bin + 1,) float arrays
            NaN where fewer than two slides have a value.
        """
        means = ratio(self.sums.sum(axis=0) - self.sums, self.counts.sum(axis=0) - self.counts)
        without = np.column_stack([means, weighted(means, weights)])
        has_value = self.counts > 0
        present = np.column_stack([has_value, has_value.any(axis=1)])
        slides = present.sum(axis=0)
        middle = ratio(np.where(present, without, 0).sum(axis=0), slides)
        squares = np.where(present, (without - middle) ** 2, 0).sum(axis=0)
        several = slides > 1
        degrees = np.where(several, slides - 1, 1)
        error = np.sqrt(np.where(several, degrees / np.maximum(slides, 1) * squares, np.nan))
        reach = stdtrit(degrees, 0.5 + confidence / 2) * error
        estimates = np.append(self._means, self.average(weights))
        return estimates - reach, estimates + reach

    @cached_property
    def _variances(self) -> np.ndarray:
        counts = self.counts.sum(axis=0)
        return np.maximum(ratio(self.squares.sum(axis=0), counts) - self._means**2, 0)


def bin_means(bins: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Means over the patches of each bin, of several values at once.

    Parameters
    ----------
    bins : (N,) int array
    values : (kind, N) float array
        NaN is no value.
    count : int
        Number of bins.

    Returns
    -------
    (kind, bin) float array
        NaN for an empty bin.
    """
    kind, row = np.nonzero(~np.isnan(values))
    place, size = kind * count + bins[row], len(values) * count
    return ratio(np.bincount(place, values[kind, row], size), np.bincount(place, minlength=size)).reshape(-1, count)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, of shapes that broadcast, and NaN where whole isn't above 0."""
    return np.divide(part, whole, out=np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan), where=whole > 0)


def weighted(means: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of (…, bins) means with (bins,) weights; what is NaN drops out with its weight."""
    known = ~np.isnan(means)
    return ratio(np.where(known, means, 0) @ weights, known @ weights)
