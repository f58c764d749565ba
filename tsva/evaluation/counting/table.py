"""Counts of a data set: each patch at every offset, beside the same patch in focus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from tsva.evaluation.counting.imagej import Particles, count
from tsva.evaluation.counting.stained_nuclei import TrueNuclei, find_nuclei
from tsva.settings.evaluation import CountSettings

COUNTS = (
    "count_restored",
    "count_truth",
    "area_restored_px",
    "area_truth_px",
    "true_nuclei",
    "count_matched",
    "nuclei_restored",
    "nuclei_truth",
    "nuclei_matched",
    "real_restored",
    "real_truth",
    "found_restored",
    "found_truth",
)
COLUMNS = ("patch", "slide", "sample", "focal_offset_um", *COUNTS)


def count_patch(
    restored: np.ndarray, target: np.ndarray, settings: CountSettings, pixel_um: float, truth: TrueNuclei | None
) -> pd.DataFrame:
    """Count nuclei in a patch restored from every offset, and once in its target.

    Parameters
    ----------
    restored : (offset, Y, X, C) uint8 array
        What a method made of the patch.
    target : (Y, X, C) uint8 array
        The patch in focus.
    settings : CountSettings
        ImageJ's steps, and those by stain.
    pixel_um : float
        Size of a pixel in the specimen, in micrometres.
    truth : TrueNuclei or None
        The nuclei that are really there, where that is known.

    Returns
    -------
    DataFrame
        ``COUNTS``, one row an offset.
    """
    particles = [count(image, settings, pixel_um) for image in restored]
    in_focus = count(target, settings, pixel_um)
    nuclei = [find_nuclei(image, settings.nuclei, pixel_um) for image in restored]
    nuclei_in_focus = find_nuclei(target, settings.nuclei, pixel_um)
    real, found = zip(*(_true_matches(one, truth) for one in nuclei), strict=True)
    real_truth, found_truth = _true_matches(nuclei_in_focus, truth)
    columns = {
        "count_restored": [one.count for one in particles],
        "count_truth": in_focus.count,
        "area_restored_px": [int(one.area_px.sum()) for one in particles],
        "area_truth_px": int(in_focus.area_px.sum()),
        "true_nuclei": None if truth is None else int(truth.inside.sum()),
        "count_matched": [_matches(one, in_focus) for one in particles],
        "nuclei_restored": [one.count for one in nuclei],
        "nuclei_truth": nuclei_in_focus.count,
        "nuclei_matched": [_matches(one, nuclei_in_focus) for one in nuclei],
        "real_restored": real,
        "real_truth": real_truth,
        "found_restored": found,
        "found_truth": found_truth,
    }
    return pd.DataFrame(columns, columns=list(COUNTS)).astype("Int64")


def _matches(found: Particles, reference: Particles) -> int:
    """Pairs of detections that lie within half a diameter of the reference's."""
    return len(match(found.centres_px, reference.centres_px, reference.radius_px)[0])


def _true_matches(found: Particles, truth: TrueNuclei | None) -> tuple[int | None, int | None]:
    """Detections that are true nuclei, and true nuclei of this patch that were detected.

    What a nucleus centred beside the patch shows of itself is no false detection, but it isn't this patch's to find.
    """
    if truth is None:
        return None, None
    _, nuclei = match(found.centres_px, truth.centres_px, truth.radius_px)
    return len(nuclei), int(truth.inside[nuclei].sum())


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


def count_table(
    patches: pd.DataFrame, restored_at: Mapping[int, Sequence[float]], counted: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """Arrange counts as a table, one row a patch and offset.

    Parameters
    ----------
    patches : DataFrame
        `slide` and `sample` of each patch.
    restored_at : mapping of int to sequence of float
        Offsets at which a patch was restored, in the order of its counts.
    counted : sequence of DataFrame
        Of each of these patches, as :func:`count_patch` gives them.

    Returns
    -------
    DataFrame
        ``COLUMNS``.
    """
    numbers = np.repeat(
        np.array(list(restored_at), dtype=int), [len(focal_offset_um) for focal_offset_um in restored_at.values()]
    )
    named = patches.iloc[numbers]
    keys = pd.DataFrame(
        {
            "patch": numbers,
            "slide": named["slide"].to_numpy(),
            "sample": named["sample"].to_numpy(),
            "focal_offset_um": [n for focal_offset_um in restored_at.values() for n in focal_offset_um],
        }
    )
    counts = pd.concat(counted, ignore_index=True) if len(counted) else pd.DataFrame(columns=list(COUNTS))
    return pd.concat([keys, counts], axis=1)[list(COLUMNS)]
