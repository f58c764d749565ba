"""Paired differences between two methods: same patch, same offset, same target."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tsva.evaluation.statistics.protocols import folded, scopes, summaries
from tsva.settings.pairs import PairsSettings
from tsva.settings.report import ReportSettings

COLUMNS = (
    "dataset",
    "sample",
    "method",
    "baseline",
    "protocol",
    "target",
    "focal_offset_um",
    "difference_db",
    "low_db",
    "high_db",
    "patches",
    "slides",
)
SAME = ["patch", "slide", "sample", "protocol", "target", "draw", "focal_offset_um"]


def comparison_rows(
    scores: pd.DataFrame,
    baseline_scores: pd.DataFrame,
    *,
    dataset: str,
    method: str,
    baseline: str,
    pairs: PairsSettings,
    report: ReportSettings,
    seed: int,
) -> pd.DataFrame:
    """How much better one method is than another, patch by patch.

    Parameters
    ----------
    scores, baseline_scores : DataFrame
        Both methods' ``scores.tsv``.
    dataset, method, baseline : str
        Their names.
    pairs : PairsSettings
        Grid and Gaussian of the offset.
    report : ReportSettings
        Bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        ``COLUMNS``: the mean of the differences in PSNR (positive: the method is better) over the patches where both
        have one, and its interval over slides. `sample` None: all; `focal_offset_um` NaN: the protocol's average. The
        protocol `folded` (opposite offsets together) is for all samples alone.
    """
    # continuous draws are told apart by their number; NaN in both tables counts as equal
    both = scores[[*SAME, "psnr_db"]].merge(baseline_scores[[*SAME, "psnr_db"]], on=SAME, suffixes=("", "_baseline"))
    both = both.assign(difference=both["psnr_db"] - both["psnr_db_baseline"]).dropna(subset="difference")
    parts = [pd.DataFrame(columns=list(COLUMNS))]
    for target, of_target in both.groupby("target"):
        for sample, part in scopes(of_target):
            key = [dataset, sample or "", str(target)]
            how: dict[str, Any] = {"seed": seed, "key": key}
            found = summaries(part, "difference", [], pairs, report, **how)
            if sample is None:
                found = pd.concat([found, folded(part, "difference", [], pairs, report, **how)], ignore_index=True)
            renamed = found.rename(columns={"mean": "difference_db", "low": "low_db", "high": "high_db"})
            named = renamed.assign(dataset=dataset, sample=sample, method=method, baseline=baseline, target=target)
            parts.append(named[list(COLUMNS)])
    return pd.concat(parts[1:] or parts, ignore_index=True)
