"""Mean PSNR and SSIM by method, protocol and offset, and paired differences between two methods."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsva.evaluation.names import WORSE_DB
from tsva.evaluation.statistics.intervals import ratio
from tsva.evaluation.statistics.protocols import scopes, summaries, with_folded
from tsva.settings.acquisition import PairsSettings
from tsva.settings.evaluation import ReportSettings

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
    "pairs",
    "share_worse",
    "mean_loss_db",
)
FEWEST = 0.5
"""A paired mean over a smaller share of a column's pairs is none."""
GRID = ("paper", "strict")
SAME = ["patch", "slide", "sample", "protocol", "target", "draw", "focal_offset_um"]
READ = ["protocol", "target", "sample", "slide", "patch", "focal_offset_um", "psnr_db", "ssim"]
"""What the mean scores are made of."""
SHIFTED = "psnr_shifted_db"
"""Of methods that leave a shift open."""


def score_rows(
    scores: pd.DataFrame, *, dataset: str, method: str, pairs: PairsSettings, report: ReportSettings
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
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        ``SCORE_COLUMNS``. `sample` None: all of them; `focal_offset_um` NaN: the protocol's average. Patches identical
        to their target have no PSNR: they are counted (in an average, once for each offset), and neither their PSNR nor
        their SSIM is averaged; a bin of nothing else drops out of the average. Standard deviations are over patches,
        intervals over slides (NaN for fewer than two). `psnr_shifted_db`: at the best whole-pixel shift, for methods
        that leave it open. The protocols `folded` and
        `folded_continuous` have opposite offsets together.
    """
    parts = [pd.DataFrame(columns=list(SCORE_COLUMNS))]
    # no further columns, as every part is a copy of all
    scores = scores[[*READ, *({SHIFTED} & {*scores.columns})]].reindex(columns=[*READ, SHIFTED])
    for target, of_target in scores.groupby("target"):
        for sample, part in scopes(of_target):
            found = with_folded(part, "psnr_db", ["ssim", SHIFTED], pairs, report)
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


def comparison_rows(
    scores: pd.DataFrame,
    baseline_scores: pd.DataFrame,
    *,
    dataset: str,
    method: str,
    baseline: str,
    pairs: PairsSettings,
    report: ReportSettings,
    samples: bool = True,
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
        Confidence of the intervals.
    samples : bool
        Compare sample by sample too.

    Returns
    -------
    DataFrame
        ``COMPARISON_COLUMNS``. `difference_db`: the mean of the differences in PSNR (positive: the method is better)
        over the `patches` where both have one, with its interval over slides; NaN where fewer than half of a column's
        pairs have one, or, for an average of the grid, where that is so in one of its columns. Of all `pairs` that both
        restored: `share_worse`, in which the method loses more than `WORSE_DB` (or alters an image that equals the
        target), and `mean_loss_db`, the mean loss in those (NaN without any). `sample` None: all; `focal_offset_um`
        NaN: the protocol's average. The protocols `folded` and `folded_continuous` are for all samples alone.
    """
    # continuous draws are known by their number; NaN in both tables counts as equal
    both = scores[[*SAME, "psnr_db"]].merge(baseline_scores[[*SAME, "psnr_db"]], on=SAME, suffixes=("", "_baseline"))
    difference = both["psnr_db"] - both["psnr_db_baseline"]
    lost = difference < -WORSE_DB
    altered = both["psnr_db"].notna() & both["psnr_db_baseline"].isna()
    both = both.assign(
        difference=difference,
        worse=(lost | altered).astype(float),
        lost=lost.astype(float),
        loss=-difference.where(lost, 0),
    )
    parts = [pd.DataFrame(columns=list(COMPARISON_COLUMNS))]
    for target, of_target in both.groupby("target"):
        for sample, part in scopes(of_target) if samples else [(None, of_target)]:
            found = _compared(part, pairs, report, whole=sample is None)
            named = found.assign(dataset=dataset, sample=sample, method=method, baseline=baseline, target=target)
            parts.append(named[list(COMPARISON_COLUMNS)])
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _compared(part: pd.DataFrame, pairs: PairsSettings, report: ReportSettings, *, whole: bool) -> pd.DataFrame:
    """Rows of one target and scope: means of pairs that have a difference, shares of all of them."""
    make = with_folded if whole else summaries
    found = make(part.dropna(subset="difference"), "difference", [], pairs, report)
    shares = make(part, "worse", ["lost", "loss"], pairs, report)
    places = {key: place for place, key in enumerate(_keys(shares))}
    where = [places[key] for key in _keys(found)]

    def known(name: str, absent: float) -> np.ndarray:
        column = np.full(len(shares), absent)
        if where:
            column[where] = found[name]
        return column

    protocol, pairs_of = shares["protocol"].to_numpy(object), shares["rows"].to_numpy(int)
    few = known("valued", 0) < FEWEST * pairs_of
    of_grid = np.isin(protocol, GRID) & shares["focal_offset_um"].isna().to_numpy()
    few |= of_grid & np.isin(protocol, [*set(protocol[few])])
    limits = {f"{name}_db": np.where(few, np.nan, known(name, np.nan)) for name in ("mean", "low", "high")}
    return pd.DataFrame(
        {
            "protocol": shares["protocol"],
            "focal_offset_um": shares["focal_offset_um"],
            "difference_db": limits["mean_db"],
            "low_db": limits["low_db"],
            "high_db": limits["high_db"],
            "patches": known("patches", 0).astype(int),
            "slides": known("slides", 0).astype(int),
            "pairs": pairs_of,
            "share_worse": shares["mean"],
            "mean_loss_db": ratio(shares["loss"].to_numpy(float), shares["lost"].to_numpy(float)),
        }
    )


def _keys(rows: pd.DataFrame) -> list[tuple[str, float | None]]:
    """What a row is of; None: the protocol's average."""
    if rows.empty:
        return []
    offsets = (None if np.isnan(offset) else offset for offset in rows["focal_offset_um"].tolist())
    return list(zip(rows["protocol"].tolist(), offsets, strict=True))
