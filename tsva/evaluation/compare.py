"""Runs compared: paired differences where the patches are the same, and side by side where they are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tsva.evaluation.names import MATCHED, NOTHING, headline_of, method_name, outcome
from tsva.evaluation.statistics.scores import comparison_rows
from tsva.settings.acquisition import PairsSettings
from tsva.settings.evaluation import ReportSettings

PLACE = ["slide", "field", "row", "column"]
"""What names a patch."""
PAIR = ["protocol", "target", "draw", "focal_offset_um"]
"""What names a score of a patch."""
SAME_DB = 1e-6
"""Patches are the same where doing nothing has the same PSNR in both runs, to the last digits that tables keep."""
STATES = {
    "ahead": "better",
    "behind": "worse",
    "level": "no clear change",
    "no interval": "no interval",
    "not compared": "not compared",
}
"""Outcomes in words."""


@dataclass(frozen=True)
class Run:
    """Scores of a run.

    Attributes
    ----------
    name : str
        What the page calls it.
    pairs : PairsSettings
        Its offsets.
    patches : mapping of str to DataFrame
        `pairs/<dataset>.tsv` by data set.
    scores : mapping of (str, str) to DataFrame
        `scores.tsv` by data set and method; doing nothing is among the methods.
    """

    name: str
    pairs: PairsSettings
    patches: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    scores: Mapping[tuple[str, str], pd.DataFrame] = field(default_factory=dict)


def compare(runs: Sequence[Run], report: ReportSettings, tolerance_db: float) -> dict[str, Any]:
    """Compare runs with the first of them.

    Parameters
    ----------
    runs : sequence of Run
        Two or more.
    report : ReportSettings
        Confidence of the intervals.
    tolerance_db : float
        A difference whose interval lies below zero is a regression where it is larger than this.

    Returns
    -------
    dict
        `runs`, `confidence`, `tolerance_db`, `regressions` (their number), `missing` (what a later run
        lacks) and `rows`: a row a run after the first, data set and method, with `patches` (that are the same),
        `protocol`, `target`, `gain_before_db` and `gain_after_db` (over doing nothing, of each run by itself),
        `worse_before` and `worse_after` (shares of pairs made worse), `difference_db`, `low_db`, `high_db` (paired,
        after less before; None without common patches), `by_size` (the same by |ΔD|), `state` and `regression`.
    """
    first, *others = runs
    rows = [
        _compared(first, other, dataset, method, report, tolerance_db)
        for other in others
        for dataset in first.patches
        if dataset in other.patches
        for method in _methods(first, dataset)
        if (dataset, method) in other.scores
    ]
    return {
        "runs": [run.name for run in runs],
        "confidence": report.confidence,
        "tolerance_db": tolerance_db,
        "regressions": sum(row["regression"] for row in rows),
        "missing": [
            {"run": other.name, "dataset": dataset, "method": method_name(method)}
            for other in others
            for dataset, method in first.scores
            if (dataset, method) not in other.scores
        ],
        "rows": rows,
    }


def _methods(run: Run, dataset: str) -> list[str]:
    return [method for found, method in run.scores if found == dataset and method not in (NOTHING, MATCHED)]


def _compared(
    before: Run, after: Run, dataset: str, method: str, report: ReportSettings, tolerance_db: float
) -> dict[str, Any]:
    common = same_patches(before, after, dataset)
    own = [_against_nothing(run, dataset, method, report) for run in (before, after)]
    protocol, target = headline_of(_plain(own[0]))
    alone = [_average(table, protocol, target) for table in own]
    row: dict[str, Any] = {
        "before": before.name,
        "after": after.name,
        "dataset": dataset,
        "method": method,
        "name": method_name(method),
        "protocol": protocol,
        "target": target,
        "patches": len(common),
        "gain_before_db": alone[0].get("difference_db"),
        "gain_after_db": alone[1].get("difference_db"),
        "worse_before": alone[0].get("share_worse"),
        "worse_after": alone[1].get("share_worse"),
        "difference_db": None,
        "low_db": None,
        "high_db": None,
        "by_size": [],
    }
    if len(common) and before.pairs == after.pairs:
        tables = [
            _renumbered(run.scores[dataset, method], common[f"patch_{when}"])
            for when, run in (("before", before), ("after", after))
        ]
        paired = comparison_rows(
            tables[1],
            tables[0],
            dataset=dataset,
            method=method,
            baseline=method,
            pairs=before.pairs,
            report=report,
            samples=False,
        )
        paired = paired[paired["sample"].isna()]
        keys = ["difference_db", "low_db", "high_db"]
        row |= {key: value for key, value in _average(paired, protocol, target).items() if key in keys}
        folded = "folded" if protocol == "strict" else f"folded_{protocol}"
        sizes = paired[(paired["protocol"] == folded) & (paired["target"] == target)]
        row["by_size"] = _plain(sizes[["focal_offset_um", *keys]])
    found = outcome(row)
    lost = found == "behind" and row["difference_db"] < -tolerance_db
    return {**row, "state": STATES[found] if row["difference_db"] is not None else "side by side", "regression": lost}


def same_patches(before: Run, after: Run, dataset: str) -> pd.DataFrame:
    """Patches that both runs have, pixel for pixel.

    Parameters
    ----------
    before, after : Run
        Two runs.
    dataset : str
        That both have.

    Returns
    -------
    DataFrame
        `patch_before`, `patch_after`: rows of the runs' tables of patches. A patch is the same where it lies at the
        same place of the same slide, and doing nothing has the same PSNR at every offset that both runs scored.
    """
    tables = [run.patches[dataset][PLACE].assign(patch=range(len(run.patches[dataset]))) for run in (before, after)]
    both = tables[0].merge(tables[1], on=PLACE, suffixes=("_before", "_after"))
    scores = [
        run.scores[dataset, NOTHING][["patch", *PAIR, "psnr_db"]].rename(columns={"patch": f"patch_{when}"})
        for when, run in (("before", before), ("after", after))
    ]
    found = both.merge(scores[0], on="patch_before").merge(
        scores[1], on=["patch_after", *PAIR], suffixes=("_before", "_after")
    )
    values = found[["psnr_db_before", "psnr_db_after"]].to_numpy(float)
    equal = np.isclose(values[:, 0], values[:, 1], rtol=0, atol=SAME_DB, equal_nan=True)
    alike = found.assign(equal=equal).groupby(["patch_before", "patch_after"], sort=True)["equal"].all()
    return alike[alike].reset_index()[["patch_before", "patch_after"]]


def _renumbered(scores: pd.DataFrame, patches: pd.Series) -> pd.DataFrame:
    """Scores of these patches alone, numbered in their order."""
    numbers = {patch: number for number, patch in enumerate(patches)}
    kept = scores[scores["patch"].isin(numbers)]
    return kept.assign(patch=kept["patch"].map(numbers))


def _against_nothing(run: Run, dataset: str, method: str, report: ReportSettings) -> pd.DataFrame:
    nothing, scores = run.scores[dataset, NOTHING], run.scores[dataset, method]
    rows = comparison_rows(
        scores, nothing, dataset=dataset, method=method, baseline=NOTHING, pairs=run.pairs, report=report, samples=False
    )
    return rows[rows["sample"].isna()]


def _average(rows: pd.DataFrame, protocol: str, target: str) -> dict[str, Any]:
    found = rows[(rows["protocol"] == protocol) & (rows["target"] == target) & rows["focal_offset_um"].isna()]
    return _plain(found)[0] if len(found) else {}


def _plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows.to_dict("records")
    ]
