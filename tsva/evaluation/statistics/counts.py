"""Table II's numbers: nuclei counted in restored patches beside those counted in focus."""

from __future__ import annotations

import pandas as pd

from tsva.evaluation.statistics.protocols import scopes, summaries
from tsva.settings.pairs import PairsSettings
from tsva.settings.report import ReportSettings

COLUMNS = (
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
LIMITS_SD = 1.96
"""Bland and Altman's limits of agreement: 95 % of normally distributed differences lie between."""


def count_rows(
    counts: pd.DataFrame, *, dataset: str, method: str, pairs: PairsSettings, report: ReportSettings, seed: int
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
        Bootstrap.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        ``COLUMNS``, for the paper's and the strict protocol. `bias` is the mean of restored less in-focus counts, with
        its interval over slides; `agreement_low` and `agreement_high` are Bland and Altman's limits for a single patch;
        `true_nuclei` is the mean of the nuclei that are really there (NaN if unknown). `sample` None: all;
        `focal_offset_um` NaN: the average.
    """
    error = counts["count_restored"] - counts["count_truth"]
    table = counts.assign(error=error.astype(float), absolute_error=error.abs(), protocol="grid")
    others = ["count_restored", "count_truth", "true_nuclei", "absolute_error"]
    parts = [pd.DataFrame(columns=list(COLUMNS))]
    for sample, part in scopes(table):
        found = summaries(part, "error", others, pairs, report, seed=seed, key=[dataset, sample or "", "counts"])
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
        parts.append(named[list(COLUMNS)])
    return pd.concat(parts[1:] or parts, ignore_index=True)
