"""Which detections are the same nuclei: equal totals can hide wrong cells."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def match(found: np.ndarray, reference: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair detections with reference nuclei, each with one at most.

    Parameters
    ----------
    found : (M, 2) float array
        Centres (y, x).
    reference : (N, 2) float array
        Centres (y, x) of the nuclei to be found, in the same unit.
    radius : (N,) float array
        Half a nuclear diameter, above 0: no pair is farther apart than its reference nucleus's.

    Returns
    -------
    found, reference : (K,) int arrays
        Indices of the pairs: as many pairs as there can be, and of all such pairings the one with the smallest sum of
        distances in radii.
    """
    if not len(found) or not len(reference):
        return np.zeros(0, int), np.zeros(0, int)
    distance = cdist(found, reference) / radius
    near = distance <= 1
    # A further pair is worth more than all distances together, which sum to one a pair at most.
    cost = np.where(near, distance - 1 - min(distance.shape), 0)
    first, second = linear_sum_assignment(cost)
    pairs = near[first, second]
    return first[pairs], second[pairs]
