"""Scores of restored patches: the rows of every method's scores.tsv."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tsva.acquisition.pair import Pair
from tsva.evaluation.metrics import best_shift_psnr_db, psnr_db, ssim
from tsva.restoration.contract import Method, Restoration

FACTS = ("estimated_focal_offset_um", "estimated_focal_offset_sd_um", "predicted_rmse", "psnr_shifted_db", "failure")
"""What a method may say of a pair beside its image; empty where it says nothing."""
SCORES = [
    "patch",
    "slide",
    "sample",
    "focal_offset_um",
    "protocol",
    "draw",
    "target",
    "psnr_db",
    "ssim",
    "identical",
    "seconds",
    *FACTS,
]
"""Columns of scores.tsv."""


def score_table(
    restoration: Restoration,
    targets: Mapping[str, np.ndarray],
    focal_offset_um: Sequence[float | None],
    seconds: float,
    *,
    shifted: bool = False,
) -> pd.DataFrame:
    """Score what a method made of one patch's pairs.

    Parameters
    ----------
    restoration : Restoration
        Of N pairs.
    targets : mapping of str to (Y, X, C) uint8 array
        By name (captured, clean): what every pair should have become.
    focal_offset_um : sequence of N floats
        Offsets of the pairs.
    seconds : float
        Of restoring one pair.
    shifted : bool
        Whether the PSNR at the best whole-pixel shift against the captured target is wanted, too.

    Returns
    -------
    DataFrame
        A row a target and pair: `focal_offset_um`, `pair` (place among the pairs), `target`, `psnr_db` (NaN if
        identical), `ssim`, `identical` (0 or 1), `seconds`, and `FACTS`.
    """
    images = restoration.images
    shifted_db = [best_shift_psnr_db(image, targets["captured"]) for image in images] if shifted else None
    facts = {
        "estimated_focal_offset_um": restoration.focal_offset_um,
        "estimated_focal_offset_sd_um": restoration.focal_offset_sd_um,
        "predicted_rmse": restoration.expected_rmse,
        "psnr_shifted_db": shifted_db,
        "failure": restoration.failures,
    }
    said = {name: [None] * len(images) if values is None else list(values) for name, values in facts.items()}
    tables = []
    similarities = ssim(images, np.stack(list(targets.values())))
    for (name, target), similarity in zip(targets.items(), similarities, strict=True):
        psnr = psnr_db(images, np.broadcast_to(target, images.shape))
        tables.append(
            pd.DataFrame(
                {
                    "focal_offset_um": list(focal_offset_um),
                    "pair": range(len(images)),
                    "target": name,
                    "psnr_db": psnr,
                    "ssim": similarity,
                    "identical": np.isnan(psnr).astype(int),
                    "seconds": round(seconds, 6),
                    **said,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def run(
    method: Method, pairs: Sequence[Pair], targets: Mapping[str, np.ndarray], *, shifted: bool = False
) -> tuple[np.ndarray, pd.DataFrame]:
    """Restore pairs of one patch and score them.

    Parameters
    ----------
    method : Method
    pairs : sequence of Pair
        Of the same patch, with their offsets.
    targets : mapping of str to (Y, X, C) uint8 array
        By name (captured, clean): what every pair should have become.
    shifted : bool
        As of `score_table`.

    Returns
    -------
    restored : (N, Y, X, C) uint8 array
    scores : DataFrame
        Of `score_table`.
    """
    began = time.perf_counter()
    restoration = method(pairs)
    seconds = (time.perf_counter() - began) / len(pairs)
    offsets_um = [pair.focal_offset_um for pair in pairs]
    return restoration.images, score_table(restoration, targets, offsets_um, seconds, shifted=shifted)


def named(scores: pd.DataFrame, number: int, row: Mapping[str, Any], protocol: str) -> pd.DataFrame:
    """Scores of a patch's pairs with the columns of scores.tsv.

    Parameters
    ----------
    scores : DataFrame
        Of `score_table`.
    number : int
        Of the patch.
    row : mapping
        The patch's row of the data set's table.
    protocol : str
        ``grid``, whose offsets count from the target's plane in the table, or ``continuous``.
    """
    if protocol == "grid":
        from_target_um = scores["focal_offset_um"].astype(float) - float(row["target_offset_um"])
        scores = scores.assign(focal_offset_um=from_target_um.round(6) + 0.0)  # no -0.0
    draw = scores["pair"].astype("Int64") if protocol == "continuous" else pd.Series(dtype="Int64")
    return scores.assign(patch=number, slide=row["slide"], sample=row["sample"], protocol=protocol, draw=draw)[SCORES]
