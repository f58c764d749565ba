"""Everything that the report says, as numbers (summary.json), and the pictures that go with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from tsva.evaluation import paper, slide_findings
from tsva.evaluation.inputs import DataSet, Inputs, Training, advice_of
from tsva.evaluation.names import CONTROLS, NOTHING, OURS, lead_of, method_name
from tsva.evaluation.patch_pictures import (
    choose_examples,
    choose_segmentation,
    example_pictures,
    segmentation_pictures,
)
from tsva.evaluation.picture_files import Images, lateral_pictures, point_spread
from tsva.evaluation.quality import quality
from tsva.evaluation.slide_facts import slide_facts, slide_pictures
from tsva.evaluation.slide_pictures import choose_fields, choose_stacks, field_pictures, stack_pictures
from tsva.evaluation.statistics.counts import count_rows, nuclei_rows
from tsva.evaluation.statistics.estimates import error_rows, offset_rows
from tsva.evaluation.statistics.scores import comparison_rows, score_rows
from tsva.evaluation.verdict import answers, verdicts
from tsva.processes import all_of
from tsva.settings.methods import NETWORK_NAMES

Rows = Callable[[], pd.DataFrame]
"""A part of a table, not yet computed."""
Pictures = Callable[[Images], Any]
"""Draws pictures of names that no other call uses, and returns where they belong."""
EXAMPLES, COUNTED = "examples", "segmentations"
"""Pictures of each data set."""
VERSION = 3
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


KEPT: dict[str, set[tuple[str, str | None]]] = {
    "scores": {("strict", "captured"), ("folded", "captured")},
    "comparisons": {("strict", "captured")},
    "counts": {("paper", None)},
    "nuclei": set(),
}
"""Protocols and targets whose rows of single samples stay in the summary, as the page shows them; tables have all."""


def evaluate(
    inputs: Inputs, images: Images, processes: int = 1
) -> tuple[dict[str, Any], dict[str, Any], dict[str, pd.DataFrame]]:
    """Evaluate a run.

    Parameters
    ----------
    inputs : Inputs
        Tables and arrays of the stages before.
    images : Images
        Takes the pictures up.
    processes : int
        How many share statistics and pictures.

    Returns
    -------
    summary : dict
        Every number of the report, as docs/summary.md lists; numbers are finite or None, as strict JSON wants.
    pictures : dict
        Where the pictures belong, by names of their files: `examples` (by data set, as `example_pictures` returns),
        `segmentations` (by data set: the rows of `segmentation_pictures`), `stacks`, `fields` (as `stack_pictures` and
        `field_pictures` return), `slides` (as `slide_pictures`) and `optics` (lateral planes of the point spread
        function).
    tables : dict of str to DataFrame
        All rows of scores, comparisons, counts and nuclei, those of single samples too.
    """
    sets, pairs, slides_ = inputs.datasets, inputs.pairs, inputs.slides
    chosen = {d.name: choose_examples(d, inputs.report, pairs) for d in sets}
    counted = {d.name: choose_segmentation(d, chosen[d.name]) for d in sets}
    stacks, fields = choose_stacks(slides_, pairs), choose_fields(slides_)
    pictures, rows = _shared(
        {
            **{f"{EXAMPLES} {d.name}": partial(example_pictures, d, chosen[d.name], pairs) for d in sets},
            **{f"{COUNTED} {d.name}": partial(segmentation_pictures, d, counted[d.name], inputs) for d in sets},
            "stacks": partial(stack_pictures, slides_, stacks, pairs),
            "fields": partial(field_pictures, slides_, fields, pairs.z_step_um),
            "slides": partial(slide_pictures, slides_),
            "optics": partial(lateral_pictures, inputs.optics, pairs.delta_um),
        },
        inputs,
        images,
        processes,
    )
    examples, segmented = ({d.name: pictures.pop(f"{kind} {d.name}") for d in sets} for kind in (EXAMPLES, COUNTED))
    summary = summarise(inputs, rows)
    tables = {part: pd.DataFrame(summary[part]) for part in KEPT}
    summary |= {part: [row for row in summary[part] if _is_kept(part, row)] for part in KEPT}
    shown = {
        "examples": [
            {**example, "error_scale_grey_levels": examples[name]["scale_grey_levels"]}
            for name, found in chosen.items()
            for example in found
        ],
        "segmentations_shown": [
            {**example, **segmented[name]["counts"]} for name, example in counted.items() if example is not None
        ],
        "optics": point_spread(inputs.optics, pairs.delta_um),
        "advice": advice_of(inputs.advice),
        "stacks_shown": stacks,
        "fields_shown": fields,
    }
    rows_of = {name: found["rows"] for name, found in segmented.items()}
    return {**summary, **tidy(shown)}, tidy({EXAMPLES: examples, COUNTED: rows_of, **pictures}), tables


def _shared(
    pictures: Mapping[str, Pictures], inputs: Inputs, images: Images, processes: int
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """What each of the calls for pictures returns, and the rows of all tables; processes share both."""
    rows = _row_calls(inputs)
    calls: list[Callable[[], Any]] = [partial(_drawn, call) for call in pictures.values()]
    calls += [partial(_records, call) for part in rows.values() for call in part]
    found = iter(all_of(calls, processes))
    returned = {}
    for name in pictures:
        returned[name], drawn = next(found)
        images.take(drawn)
    return returned, {name: [row for _ in part for row in next(found)] for name, part in rows.items()}


def _drawn(call: Pictures) -> tuple[Any, Images]:
    images = Images()
    return call(images), images


def _is_kept(part: str, row: Mapping[str, Any]) -> bool:
    """Whether a row stays in the summary: all samples together, and what the page shows sample by sample."""
    if row["sample"] is None:
        return True
    of_average = part in ("scores", "comparisons") and row["protocol"] == "strict"
    if of_average and row["focal_offset_um"] is not None:
        return False
    return (row["protocol"], row.get("target")) in KEPT[part]


def summarise(inputs: Inputs, rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Everything that the report says, as plain values.

    Parameters
    ----------
    inputs : Inputs
        Tables and arrays of the stages before.
    rows : mapping of str to list
        Rows of all tables of methods, by the summary's key, tidy.

    Returns
    -------
    dict
        As docs/summary.md lists; numbers are finite or None, so that it can be written as strict JSON. The rows of
        `KEPT` are all there, those of single samples too.
    """
    datasets = [_dataset(dataset, inputs) for dataset in inputs.datasets]
    scores, comparisons, nuclei = rows["scores"], rows["comparisons"], rows["nuclei"]
    training = [_training(training, inputs.train) for training in inputs.training]
    confidence = inputs.report.confidence
    verdict = verdicts(datasets, scores, comparisons, nuclei, training, inputs.pairs, confidence)
    facts, found = tidy(slide_facts(inputs.slides)), tidy(slide_findings.focus(inputs.slides, inputs.pairs))
    parts = {
        "version": VERSION,
        "answer": answers(datasets, comparisons, verdict, confidence),
        "quality": quality(datasets, facts, found, training),
        "verdict": verdict,
        "datasets": datasets,
        "methods": _methods(inputs.datasets),
        "scores": scores,
        "comparisons": comparisons,
        "counts": rows["counts"],
        "nuclei": nuclei,
        "offsets": rows["offsets"],
        "errors": rows["errors"],
        "inputs": facts,
        "focus": found,
        "shift": slide_findings.shift(inputs.slides),
        "excluded": slide_findings.excluded(inputs.slides),
        "training": training,
        "run_times": list(inputs.run_times),
        "paper": {"table1": paper.table1(), "table2": paper.table2(), "table3": paper.table3()},
        "settings": {
            "seed": inputs.seed,
            "report": inputs.report.model_dump(include={"confidence", "examples", "worst"}),
            "pairs": inputs.pairs.model_dump(),
            "optics": inputs.optics.model_dump(),
            "count": inputs.count.model_dump(),
            "train": dict(inputs.train),
        },
        "run": dict(inputs.run),
    }
    return {name: part if name in rows else tidy(part) for name, part in parts.items()}


def _row_calls(inputs: Inputs) -> dict[str, list[Rows]]:
    """Parts of all tables of methods, by the summary's key; what takes longest comes first."""
    return {
        "nuclei": _nuclei(inputs),
        "comparisons": _comparisons(inputs),
        "scores": _scores(inputs),
        "counts": _counts(inputs),
        "offsets": _offsets(inputs),
        "errors": _errors(inputs),
    }


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
        "own_plane_patches": int((patches["own_focus_plane"] == patches["target_plane"]).sum()),
        "drawn_offsets": slide_findings.drawn_offsets(dataset, inputs.pairs),
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


def _scores(inputs: Inputs) -> list[Rows]:
    return [
        partial(
            score_rows,
            result.scores,
            dataset=dataset.name,
            method=method,
            pairs=inputs.pairs,
            report=inputs.report,
        )
        for dataset in inputs.datasets
        for method, result in dataset.methods.items()
    ]


def _comparisons(inputs: Inputs) -> list[Rows]:
    """Every method against doing nothing; the lead and our own method against all others; networks against controls."""
    tables: list[Rows] = []
    for dataset in inputs.datasets:
        lead = lead_of(dataset.methods)
        applied = [method for method in dataset.methods if method != NOTHING]
        paired = [(method, NOTHING) for method in applied]
        leads = [method for method in dict.fromkeys((lead, OURS)) if method in applied]
        paired += [(first, method) for first in leads for method in applied if method != first]
        others = [method for method in applied if method in NETWORK_NAMES and method not in (*leads, *CONTROLS)]
        paired += [(network, control) for network in others for control in CONTROLS if control in applied]
        tables += [
            partial(
                comparison_rows,
                dataset.methods[method].scores,
                dataset.methods[baseline].scores,
                dataset=dataset.name,
                method=method,
                baseline=baseline,
                pairs=inputs.pairs,
                report=inputs.report,
                samples=baseline == NOTHING,
            )
            for method, baseline in paired
        ]
    return tables


def _counts(inputs: Inputs) -> list[Rows]:
    return [
        partial(
            count_rows,
            result.counts,
            dataset=dataset.name,
            method=method,
            pairs=inputs.pairs,
            report=inputs.report,
        )
        for dataset in inputs.datasets
        for method, result in dataset.methods.items()
        if result.counts is not None
    ]


def _nuclei(inputs: Inputs) -> list[Rows]:
    """Nuclei by stain, each method beside doing nothing."""
    tables: list[Rows] = []
    for dataset in inputs.datasets:
        counted = {method: result.counts for method, result in dataset.methods.items() if result.counts is not None}
        tables += [
            partial(
                nuclei_rows,
                counts,
                None if method == NOTHING else counted.get(NOTHING),
                dataset=dataset.name,
                method=method,
                pairs=inputs.pairs,
                report=inputs.report,
            )
            for method, counts in counted.items()
        ]
    return tables


def _offsets(inputs: Inputs) -> list[Rows]:
    return [
        partial(offset_rows, result.scores, dataset.patches, inputs.pairs, dataset=dataset.name, method=method)
        for dataset in inputs.datasets
        for method, result in dataset.methods.items()
    ]


def _errors(inputs: Inputs) -> list[Rows]:
    return [
        partial(error_rows, result.scores, inputs.pairs, dataset=dataset.name, method=method)
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


def _records(table: Rows) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tidy(table().to_dict("records"))
    return rows


def tidy(value: Any) -> Any:
    """Plain values that strict JSON can hold: NumPy's and pandas' made Python's, NaN and infinity made None."""
    kind = type(value)  # a summary has a million values, most of which are of these three types
    if kind is str:
        return value
    if kind is float:
        return round(value, 6) if math.isfinite(value) else None
    if kind is dict:
        return {str(key): tidy(item) for key, item in value.items()}
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
