"""Everything that the report says, as numbers: what summary.json holds and the page prints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from tsva.evaluation.statistics import comparison_rows, count_rows, error_rows, nuclei_rows, offset_rows, score_rows
from tsva.report import paper, slides
from tsva.report.inputs import DataSet, Inputs, Training
from tsva.report.names import NOTHING, OURS, lead_of, method_name
from tsva.report.nuclei import in_words
from tsva.report.verdict import verdicts

VERSION = 1
"""Of summary.json's layout; docs/summary.md says what changed."""
TRAINING_FACTS = (
    "parameters",
    "multiply_accumulates_224",
    "training_patches",
    "verification_patches",
    "steps",
    "best_step",
    "verification_psnr_db",
    "verification_y1_psnr_db",
    "seconds",
)
LOG_COLUMNS = ("step", "training_loss", "verification_loss", "verification_psnr_db", "verification_y1_psnr_db")


def summarise(inputs: Inputs) -> dict[str, Any]:
    """Everything that the report says, as plain values.

    Parameters
    ----------
    inputs : Inputs
        Tables and arrays of the stages before.

    Returns
    -------
    dict
        As docs/summary.md lists; numbers are finite or None, so that it can be written as strict JSON.
    """
    datasets = [_dataset(dataset, inputs) for dataset in inputs.datasets]
    scores, comparisons = _records(_scores(inputs)), _records(_comparisons(inputs))
    training = [_training(training, inputs.train) for training in inputs.training]
    nuclei = _records(_nuclei(inputs))
    verdict = verdicts(datasets, scores, comparisons, training, inputs.pairs, inputs.report.confidence)
    for row, dataset in zip(verdict, datasets, strict=True):
        row["sentences"] += in_words(nuclei, dataset, inputs.pairs)
    return tidy(
        {
            "version": VERSION,
            "verdict": verdict,
            "datasets": datasets,
            "methods": _methods(inputs.datasets),
            "scores": scores,
            "comparisons": comparisons,
            "counts": _records(_counts(inputs)),
            "nuclei": nuclei,
            "offsets": _records(_offsets(inputs)),
            "errors": _records(_errors(inputs)),
            "focus": slides.focus(inputs.slides, inputs.pairs),
            "shift": slides.shift(inputs.slides),
            "excluded": slides.excluded(inputs.slides),
            "training": training,
            "paper": {"table1": paper.table1(), "table2": paper.table2(), "table3": paper.table3()},
            "settings": {
                "seed": inputs.seed,
                "report": inputs.report.model_dump(),
                "pairs": inputs.pairs.model_dump(),
                "optics": inputs.optics.model_dump(),
                "count": inputs.count.model_dump(),
                "train": dict(inputs.train),
            },
            "run": dict(inputs.run),
        }
    )


def _dataset(dataset: DataSet, inputs: Inputs) -> dict[str, Any]:
    patches = dataset.patches
    names = list(dict.fromkeys(patches["slide"]))
    return {
        "dataset": dataset.name,
        "methods": list(dataset.methods),
        "patches": len(patches),
        "slides": len(names),
        "patients": int(patches["patient"].nunique()),
        "samples": _samples(patches["sample"]),
        "sources": sorted({slide.source for slide in inputs.slides if slide.name in names and slide.source}),
        "has_clean": bool((patches["has_clean"] == 1).any()),
        "own_plane_patches": int((patches["own_focus_plane"] == patches["focus_plane"]).sum()),
        "drawn_offsets": slides.drawn_offsets(dataset, inputs.pairs),
    }


def _samples(samples: Iterable[str]) -> list[str]:
    """Names without repeats, Sample2 before Sample10."""
    return sorted(set(samples), key=lambda name: [part.zfill(9) if part.isdigit() else part for part in _parts(name)])


def _parts(name: str) -> list[str]:
    """A name cut where digits begin or end."""
    cuts = [0, *(i for i in range(1, len(name)) if name[i].isdigit() != name[i - 1].isdigit()), len(name)]
    return [name[start:end] for start, end in pairwise(cuts)]


def _methods(datasets: Iterable[DataSet]) -> list[dict[str, Any]]:
    """Rows of the tables, with the time that the median patch took."""
    return [
        {
            "dataset": dataset.name,
            "method": method,
            "name": method_name(method),
            "seconds_per_patch": float(result.scores["seconds"].median()) if len(result.scores) else None,
            **_failures(result.scores),
        }
        for dataset in datasets
        for method, result in dataset.methods.items()
    ]


def _failures(scores: pd.DataFrame) -> dict[str, Any]:
    """How many pairs were restored, how many of them failed, and why."""
    rows = scores[scores["target"] == "captured"]
    reasons = rows["failure"][rows["failure"] != ""] if "failure" in rows else pd.Series(dtype=str)
    return {
        "pairs": len(rows),
        "failed": len(reasons),
        "failures": [{"reason": reason, "number": int(number)} for reason, number in reasons.value_counts().items()],
    }


def _scores(inputs: Inputs) -> list[pd.DataFrame]:
    return [
        score_rows(
            result.scores,
            dataset=dataset.name,
            method=method,
            pairs=inputs.pairs,
            report=inputs.report,
            seed=inputs.seed,
        )
        for dataset in inputs.datasets
        for method, result in dataset.methods.items()
    ]


def _comparisons(inputs: Inputs) -> list[pd.DataFrame]:
    """Every method against doing nothing; the lead method, and our own, against every other."""
    tables = []
    for dataset in inputs.datasets:
        lead = lead_of(dataset.methods)
        applied = [method for method in dataset.methods if method != NOTHING]
        duels = [(method, NOTHING) for method in applied]
        leads = [method for method in dict.fromkeys((lead, OURS)) if method in applied]
        duels += [(first, method) for first in leads for method in applied if method != first]
        tables += [
            comparison_rows(
                dataset.methods[method].scores,
                dataset.methods[baseline].scores,
                dataset=dataset.name,
                method=method,
                baseline=baseline,
                pairs=inputs.pairs,
                report=inputs.report,
                seed=inputs.seed,
            )
            for method, baseline in duels
        ]
    return tables


def _counts(inputs: Inputs) -> list[pd.DataFrame]:
    return [
        count_rows(
            result.counts,
            dataset=dataset.name,
            method=method,
            pairs=inputs.pairs,
            report=inputs.report,
            seed=inputs.seed,
        )
        for dataset in inputs.datasets
        for method, result in dataset.methods.items()
        if result.counts is not None
    ]


def _nuclei(inputs: Inputs) -> list[pd.DataFrame]:
    """Nuclei by stain, each method beside doing nothing."""
    tables = []
    for dataset in inputs.datasets:
        counted = {method: result.counts for method, result in dataset.methods.items() if result.counts is not None}
        tables += [
            nuclei_rows(
                counts,
                None if method == NOTHING else counted.get(NOTHING),
                dataset=dataset.name,
                method=method,
                pairs=inputs.pairs,
                report=inputs.report,
                seed=inputs.seed,
            )
            for method, counts in counted.items()
        ]
    return tables


def _offsets(inputs: Inputs) -> list[pd.DataFrame]:
    return [
        offset_rows(result.scores, dataset.patches, inputs.pairs, dataset=dataset.name, method=method)
        for dataset in inputs.datasets
        for method, result in dataset.methods.items()
    ]


def _errors(inputs: Inputs) -> list[pd.DataFrame]:
    return [
        error_rows(result.scores, inputs.pairs, dataset=dataset.name, method=method)
        for dataset in inputs.datasets
        for method, result in dataset.methods.items()
    ]


def _training(training: Training, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A network's summary as its stage wrote it, the recipe's name, and its log in columns."""
    log, facts = training.log, training.summary
    multiplied = facts.get("multiply_accumulates_224")
    return {
        **dict.fromkeys(TRAINING_FACTS),
        "recipe": recipe.get("recipe"),
        **facts,
        "network": training.network,
        "name": method_name(training.network),
        "gmac": None if multiplied is None else multiplied / 1e9,
        "log": {column: log[column].tolist() for column in LOG_COLUMNS if column in log},
    }


def _records(tables: list[pd.DataFrame]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tidy([row for table in tables for row in table.to_dict("records")])
    return rows


def tidy(value: Any) -> Any:
    """Plain values that strict JSON can hold: NumPy's and pandas' made Python's, NaN and infinity made None."""
    if isinstance(value, Mapping):
        return {str(key): tidy(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [tidy(item) for item in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return value
