"""Mean PSNR and SSIM by method, protocol and offset, and paired differences between two methods."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tsva.evaluation.statistics.protocols import folded, scopes, summaries
from tsva.settings.pairs import PairsSettings
from tsva.settings.report import ReportSettings

SCORE_COLUMNS = (
    "dataset",
    "sample",
    "method",
    "protocol",
    "target",
    "focal_offset_um",
    "patches",
    "slides",
    "psnr_db",
    "psnr_sd_db",
    "psnr_low_db",
    "psnr_high_db",
    "psnr_shifted_db",
    "ssim",
    "identical_patches",
)
COMPARISON_COLUMNS = (
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


def score_rows(
    scores: pd.DataFrame, *, dataset: str, method: str, pairs: PairsSettings, report: ReportSettings, seed: int
) -> pd.DataFrame:
    """Mean scores of one method on one data set.

    Parameters
    ----------
    scores : DataFrame
        ``refocus/<dataset>/<method>/scores.tsv``.
    dataset, method : str
        Their names.
    pairs : PairsSettings
        Grid and Gaussian of the offset.
    report : ReportSettings
        Bootstrap.
    seed : int
        Of the bootstrap; the same slides are drawn for every method.

    Returns
    -------
    DataFrame
        ``SCORE_COLUMNS``. `sample` None: all of them; `focal_offset_um` NaN: the protocol's average. Patches identical
        to their target have no PSNR: they are counted (in an average, once for each offset), and neither their PSNR nor
        their SSIM is averaged; a bin of nothing else drops out of the average. Standard deviations are over patches,
        intervals over slides (NaN for fewer than two). `psnr_shifted_db`: at the best whole-pixel shift, for methods
        that leave it open. The protocol `folded` has opposite offsets together.
    """
    parts = [pd.DataFrame(columns=list(SCORE_COLUMNS))]
    scores = scores.reindex(columns=[*scores.columns, *({"psnr_shifted_db"} - {*scores.columns})])
    for target, of_target in scores.groupby("target"):
        for sample, part in scopes(of_target):
            key = [dataset, sample or "", str(target)]
            found = _all(part, "psnr_db", ["ssim", "psnr_shifted_db"], pairs, report, seed=seed, key=key)
            renamed = found.rename(
                columns={"mean": "psnr_db", "sd": "psnr_sd_db", "low": "psnr_low_db", "high": "psnr_high_db"}
            )
            parts.append(
                renamed.assign(
                    dataset=dataset,
                    sample=sample,
                    method=method,
                    target=target,
                    identical_patches=found["rows"] - found["valued"],
                )[list(SCORE_COLUMNS)]
            )
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _all(*what: Any, **how: Any) -> pd.DataFrame:
    """Rows of all protocols, and with opposite offsets together."""
    return pd.concat([summaries(*what, **how), folded(*what, **how)], ignore_index=True)


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
        ``COMPARISON_COLUMNS``: the mean of the differences in PSNR (positive: the method is better) over the patches
        where both have one, and its interval over slides. `sample` None: all; `focal_offset_um` NaN: the protocol's
        average. The protocol `folded` (opposite offsets together) is for all samples alone.
    """
    # continuous draws are told apart by their number; NaN in both tables counts as equal
    both = scores[[*SAME, "psnr_db"]].merge(baseline_scores[[*SAME, "psnr_db"]], on=SAME, suffixes=("", "_baseline"))
    both = both.assign(difference=both["psnr_db"] - both["psnr_db_baseline"]).dropna(subset="difference")
    parts = [pd.DataFrame(columns=list(COMPARISON_COLUMNS))]
    for target, of_target in both.groupby("target"):
        for sample, part in scopes(of_target):
            key = [dataset, sample or "", str(target)]
            how: dict[str, Any] = {"seed": seed, "key": key}
            found = summaries(part, "difference", [], pairs, report, **how)
            if sample is None:
                found = pd.concat([found, folded(part, "difference", [], pairs, report, **how)], ignore_index=True)
            renamed = found.rename(columns={"mean": "difference_db", "low": "low_db", "high": "high_db"})
            named = renamed.assign(dataset=dataset, sample=sample, method=method, baseline=baseline, target=target)
            parts.append(named[list(COMPARISON_COLUMNS)])
    return pd.concat(parts[1:] or parts, ignore_index=True)
