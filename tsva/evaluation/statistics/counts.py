"""Nuclei counted in restored patches beside those counted in focus: ImageJ's particles, and nuclei by their stain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tsva.evaluation.statistics.intervals import ratio
from tsva.evaluation.statistics.protocols import WHOLE_GRID, as_folded, scopes, summaries
from tsva.settings.acquisition import PairsSettings
from tsva.settings.evaluation import ReportSettings

COUNT_COLUMNS = (
    "dataset",
    "sample",
    "method",
    "protocol",
    "focal_offset_um",
    "patches",
    "slides",
    "count_restored",
    "count_truth",
    "true_nuclei",
    "bias",
    "bias_low",
    "bias_high",
    "agreement_low",
    "agreement_high",
    "absolute_error",
)
NUCLEI_COLUMNS = (
    "dataset",
    "sample",
    "method",
    "protocol",
    "focal_offset_um",
    "patches",
    "slides",
    "nuclei_restored",
    "nuclei_truth",
    "true_nuclei",
    "bias",
    "bias_low",
    "bias_high",
    "agreement_low",
    "agreement_high",
    "absolute_error",
    "error_difference",
    "error_difference_low",
    "error_difference_high",
    "precision",
    "recall",
    "f1",
    "true_precision",
    "true_recall",
    "true_f1",
    "in_focus_true_f1",
)
COUNTED = ["nuclei_restored", "nuclei_truth", "nuclei_matched"]
"""Columns of a table of counts without which there is nothing to say."""
TRUE = ["true_nuclei", "real_restored", "real_truth", "found_restored", "found_truth"]
"""Those that simulated tissue alone has."""
LIMITS_SD = 1.96
"""Bland and Altman's limits of agreement: 95 % of normally distributed differences lie between."""


def count_rows(
    counts: pd.DataFrame, *, dataset: str, method: str, pairs: PairsSettings, report: ReportSettings
) -> pd.DataFrame:
    """Mean counts, their error and their agreement.

    Parameters
    ----------
    counts : DataFrame
        ``count/<dataset>/<method>.tsv``.
    dataset, method : str
        Their names.
    pairs : PairsSettings
        Grid and Gaussian of the offset.
    report : ReportSettings
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        ``COUNT_COLUMNS``, for the paper's and the strict protocol. `bias` is the mean of restored less in-focus counts,
        with its interval over slides; `agreement_low` and `agreement_high` are Bland and Altman's limits for a single
        patch; `true_nuclei` is the mean of the nuclei that are really there (NaN if unknown). `sample` None: all;
        `focal_offset_um` NaN: the average.
    """
    error = counts["count_restored"] - counts["count_truth"]
    others = ["count_restored", "count_truth", "true_nuclei", "absolute_error"]
    table = counts[["sample", "slide", "patch", "focal_offset_um", *others[:-1]]].assign(
        error=error.astype(float), absolute_error=error.abs(), protocol="grid"
    )
    parts = [pd.DataFrame(columns=list(COUNT_COLUMNS))]
    for sample, part in scopes(table):
        found = summaries(part, "error", others, pairs, report)
        if found.empty:
            continue
        reach = LIMITS_SD * found["sd"]
        named = found.rename(columns={"mean": "bias", "low": "bias_low", "high": "bias_high"}).assign(
            dataset=dataset,
            sample=sample,
            method=method,
            agreement_low=found["mean"] - reach,
            agreement_high=found["mean"] + reach,
        )
        parts.append(named[list(COUNT_COLUMNS)])
    return pd.concat(parts[1:] or parts, ignore_index=True)


def nuclei_rows(
    counts: pd.DataFrame,
    baseline: pd.DataFrame | None,
    *,
    dataset: str,
    method: str,
    pairs: PairsSettings,
    report: ReportSettings,
) -> pd.DataFrame:
    """Counts by stain against those in focus, and matched detections.

    Parameters
    ----------
    counts : DataFrame
        ``count/<dataset>/<method>.tsv``.
    baseline : DataFrame or None
        The same of Y1 as captured; None for Y1 itself.
    dataset, method : str
        Their names.
    pairs : PairsSettings
        Grid and Gaussian of the offset.
    report : ReportSettings
        Confidence of the intervals.

    Returns
    -------
    DataFrame
        ``NUCLEI_COLUMNS``; no rows where nuclei were not counted by stain. `protocol`: paper, strict, and folded
        (columns at −ΔD and +ΔD taken together; `focal_offset_um` is their size, and there is no average).
        `error_difference` is the mean absolute error less the baseline's on the same patches (NaN without one).
        `precision`, `recall` and `f1` hold restored against in-focus detections, `true_…` restored against true nuclei
        (NaN if unknown), `in_focus_true_f1` in-focus detections against true nuclei. They are ratios of sums over
        patches; in an average, of the offsets' weighted means. Intervals are over slides; limits of agreement are
        Bland and Altman's for a single patch.
    """
    parts = [pd.DataFrame(columns=list(NUCLEI_COLUMNS))]
    if not {*COUNTED} <= {*counts.columns}:
        return parts[0]
    for sample, part in scopes(_paired(counts, baseline)):
        sizes = part.assign(focal_offset_um=part["focal_offset_um"].abs())
        together = as_folded(_rows(sizes, pairs, report, only=[WHOLE_GRID]))
        found = pd.concat([_rows(part, pairs, report), together], ignore_index=True)
        if len(found):
            parts.append(found.assign(dataset=dataset, sample=sample, method=method)[list(NUCLEI_COLUMNS)])
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _paired(counts: pd.DataFrame, baseline: pd.DataFrame | None) -> pd.DataFrame:
    """Counts with their errors, and the baseline's error on the same patch at the same offset."""
    same = ["patch", "focal_offset_um"]
    table = counts.reindex(columns=[*same, "slide", "sample", *COUNTED, *TRUE]).astype(
        dict.fromkeys([*COUNTED, *TRUE], float)
    )
    if baseline is not None and {*COUNTED} <= {*baseline.columns}:
        table = table.merge(baseline[same].assign(theirs=_error(baseline).abs()), on=same, how="left")
    table = table.assign(error=_error(table), protocol="grid")
    absolute, known = table["error"].abs(), table["true_nuclei"].notna()
    return table.assign(
        absolute_error=absolute,
        error_difference=absolute - table.get("theirs", np.nan),
        # of the patches whose true nuclei are known
        known_restored=table["nuclei_restored"].where(known),
        known_truth=table["nuclei_truth"].where(known),
    )


def _error(table: pd.DataFrame) -> pd.Series:
    return table["nuclei_restored"].astype(float) - table["nuclei_truth"].astype(float)


def _rows(
    table: pd.DataFrame,
    pairs: PairsSettings,
    report: ReportSettings,
    only: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Rows by protocol and offset, without their names."""
    others = [*COUNTED, *TRUE, "absolute_error", "known_restored", "known_truth"]
    found = summaries(table, "error", others, pairs, report, only=only)
    if found.empty:
        return found
    against = summaries(table, "error_difference", [], pairs, report, only=only)
    # the same rows in the same order: a row without a value counts as a row
    theirs = {"mean": "error_difference", "low": "error_difference_low", "high": "error_difference_high"}
    compared = {name: against[column].to_numpy() for column, name in theirs.items()}
    reach = LIMITS_SD * found["sd"]
    limits = {"agreement_low": found["mean"] - reach, "agreement_high": found["mean"] + reach}
    return found.assign(**limits, **_ratios(found), **compared).rename(
        columns={"mean": "bias", "low": "bias_low", "high": "bias_high"}
    )


def _ratios(means: pd.DataFrame) -> dict[str, np.ndarray]:
    """Precision, recall and F1, from means over the same patches: of these the number of patches cancels out."""

    def share(part: str, whole: str) -> np.ndarray:
        return ratio(means[part].to_numpy(float), means[whole].to_numpy(float))

    precision, recall = share("nuclei_matched", "nuclei_restored"), share("nuclei_matched", "nuclei_truth")
    true_precision, true_recall = share("real_restored", "known_restored"), share("found_restored", "true_nuclei")
    return {
        "precision": precision,
        "recall": recall,
        "f1": _f1(precision, recall),
        "true_precision": true_precision,
        "true_recall": true_recall,
        "true_f1": _f1(true_precision, true_recall),
        "in_focus_true_f1": _f1(share("real_truth", "known_truth"), share("found_truth", "true_nuclei")),
    }


def _f1(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Harmonic mean; 0 where one of them is 0 and the other undefined (nothing detected, or nothing there)."""
    defined = ~(np.isnan(precision) & np.isnan(recall))
    one, other = np.nan_to_num(precision), np.nan_to_num(recall)
    harmonic = np.where(one + other > 0, ratio(2 * one * other, one + other), 0)
    return np.where(defined, harmonic, np.nan)
