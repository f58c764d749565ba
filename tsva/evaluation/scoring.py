"""Scores of restored patches: the rows of every method's scores.tsv."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsva.acquisition.pair import Pair
from tsva.evaluation.metrics import psnr_db, ssim

if TYPE_CHECKING:  # methods without training need no torch, which takes seconds to load
    from tsva.restoration.refocus import Method

FACTS = ("estimated_focal_offset_um", "estimated_focal_offset_sd_um", "predicted_rmse", "psnr_shifted_db", "failure")
"""What a method may say of a pair beside its image; empty where it says nothing."""


def score_table(
    restored: np.ndarray,
    targets: Mapping[str, np.ndarray],
    focal_offset_um: Sequence[float | None],
    seconds: float,
    facts: Mapping[str, Sequence[float | str | None]] | None = None,
) -> pd.DataFrame:
    """Score what a method made of one patch's pairs.

    Parameters
    ----------
    restored : (N, Y, X, C) uint8 array
    targets : mapping of str to (Y, X, C) uint8 array
        By name (captured, clean): what every pair should have become.
    focal_offset_um : sequence of N floats
        Offsets of the pairs.
    seconds : float
        Of restoring one pair.
    facts : mapping of str to sequence of N values, optional
        What the method says of each pair, by names of `FACTS`.

    Returns
    -------
    DataFrame
        A row a target and pair: `focal_offset_um`, `pair` (place among the pairs), `target`, `psnr_db` (NaN if
        identical), `ssim`,
        `identical` (0 or 1), `seconds`, and `FACTS`.
    """
    nothing = {name: ["" if name == "failure" else None] * len(restored) for name in FACTS}
    said = {**nothing, **(facts or {})}
    tables = []
    similarities = ssim(restored, np.stack(list(targets.values())))
    for (name, target), similarity in zip(targets.items(), similarities, strict=True):
        psnr = psnr_db(restored, np.broadcast_to(target, restored.shape))
        tables.append(
            pd.DataFrame(
                {
                    "focal_offset_um": list(focal_offset_um),
                    "pair": range(len(restored)),
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


def run(method: Method, pairs: Sequence[Pair], targets: dict[str, np.ndarray]) -> tuple[np.ndarray, pd.DataFrame]:
    """Restore pairs of one patch and score them.

    Parameters
    ----------
    method : Method
    pairs : sequence of Pair
        Of the same patch, with their offsets.
    targets : dict of str to (Y, X, C) uint8 array
        By name (captured, clean): what every pair should have become.

    Returns
    -------
    restored : (N, Y, X, C) uint8 array
    scores : DataFrame
        Of `score_table`.
    """
    began = time.perf_counter()
    outcome = method(pairs)
    seconds = (time.perf_counter() - began) / len(pairs)
    scores = score_table(outcome.images, targets, [pair.focal_offset_um for pair in pairs], seconds, outcome.facts)
    return outcome.images, scores
