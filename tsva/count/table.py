"""Counts of a data set: each patch at every offset, beside the same patch in focus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tsva.count.imagej import count
from tsva.settings.count import CountSettings

COLUMNS = (
    "patch", "slide", "sample", "n_um", "count_restored", "count_truth", "area_restored_px", "area_truth_px",
    "true_nuclei",
)  # fmt: skip


def count_patch(
    restored: np.ndarray, target: np.ndarray, settings: CountSettings, pixel_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """Count nuclei in a patch restored from every offset, and once in its target.

    Parameters
    ----------
    restored : (offset, Y, X, C) uint8 array
        What a method made of the patch.
    target : (Y, X, C) uint8 array
        The patch in focus.
    settings : CountSettings
        ImageJ's steps.
    pixel_um : float
        Size of a pixel in the specimen, in micrometres.

    Returns
    -------
    counts, areas_px : (offset + 1,) int arrays
        Nuclei and their total area in pixels; the target comes last.
    """
    found = [count(image, settings, pixel_um) for image in (*restored, target)]
    return np.array([one.count for one in found]), np.array([int(one.area_px.sum()) for one in found])


def count_table(
    patches: pd.DataFrame, offsets_um: Sequence[float], counts: np.ndarray, areas_px: np.ndarray,
    true_nuclei: Sequence[int | None],
) -> pd.DataFrame:  # fmt: skip
    """Arrange counts as a table, one row a patch and offset.

    Parameters
    ----------
    patches : DataFrame
        `slide` and `sample` of each patch.
    offsets_um : sequence of float
        The grid's offsets.
    counts, areas_px : (patch, offset + 1) int arrays
        As :func:`count_patch` gives them.
    true_nuclei : sequence of int or None
        Nuclei whose centre lies in the patch, where that is known.

    Returns
    -------
    DataFrame
        ``COLUMNS``.
    """
    shape = (len(patches), len(offsets_um))
    columns = {
        "patch": np.repeat(np.arange(shape[0]), shape[1]),
        "slide": np.repeat(patches["slide"].to_numpy(), shape[1]),
        "sample": np.repeat(patches["sample"].to_numpy(), shape[1]),
        "n_um": np.tile(offsets_um, shape[0]),
        "count_restored": counts[:, :-1].ravel(),
        "count_truth": np.repeat(counts[:, -1], shape[1]),
        "area_restored_px": areas_px[:, :-1].ravel(),
        "area_truth_px": np.repeat(areas_px[:, -1], shape[1]),
        "true_nuclei": pd.array(np.repeat(np.array(true_nuclei, object), shape[1]), dtype="Int64"),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS))


def nuclei_inside(nuclei: pd.DataFrame, y_px: int, x_px: int, patch_px: int) -> int:
    """Nuclei whose centre lies in a patch.

    Parameters
    ----------
    nuclei : DataFrame
        `y_px` and `x_px` of a field's true nuclei, in camera pixels; the middle of the upper left pixel is (0, 0).
    y_px, x_px : int
        The patch's upper left corner.
    patch_px : int
        Edge of the patch.

    Returns
    -------
    int
        Each nucleus belongs to one patch of the grid at most.
    """
    inside = nuclei["y_px"].between(y_px - 0.5, y_px + patch_px - 0.5, inclusive="left")
    inside &= nuclei["x_px"].between(x_px - 0.5, x_px + patch_px - 0.5, inclusive="left")
    return int(inside.sum())
