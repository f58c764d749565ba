"""The summary's rows arranged as the page's tables; nothing is computed here but what stands beside what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tsva.evaluation.names import LEAD, NOTHING, OURS, Row, lead_of, method_name, offset, outcome, standing

Summary = Mapping[str, Any]

BELOW = {"sign": "▼", "words": "does not beat Y1 as captured"}
UNSURE = {"sign": "○", "words": "ahead of Y1 as captured, but the interval of the difference includes zero"}
PAPER_COUNTED = "dataset1"
"""Table II counts cells on this data set alone."""
AVERAGES = (
    ("continuous", "clean", "Continuous: offsets between the planes, against the noise-free target"),
    ("continuous", "captured", "Continuous, against the captured target"),
    ("strict", "captured", "Strict: no shot is the target plane"),
    ("paper", "captured", "Paper’s: all columns, those that hand over the target too"),
    ("strict", "clean", "Strict, against the noise-free target"),
    ("paper", "clean", "Paper’s, against the noise-free target"),
)
"""In the order of the page: the headline's first."""
WORSE = (
    ("folded_continuous", "continuous", "clean", "Offsets between the planes, noise-free target"),
    ("folded_continuous", "continuous", "captured", "Offsets between the planes, captured target"),
    ("folded", "strict", "captured", "Offsets of the grid, captured target"),
    ("folded", "strict", "clean", "Offsets of the grid, noise-free target"),
)
"""Protocols of the table of pairs made worse: by size of the offset, and on average."""


def dataset_tables(summary: Summary, dataset: Row) -> dict[str, Any]:
    """The tables of one data set: Table III's shape, the averages, and sample by sample."""
    name = dataset["dataset"]
    rows = Rows(summary, name)
    delta_um = summary["settings"]["pairs"]["delta_um"]
    return {
        "table3": _table3(
            rows, dataset, [row for row in summary["paper"]["table3"] if row["dataset"] == name], delta_um
        ),
        "averages": _averages(rows, dataset),
        "worse": _worse(rows, dataset),
        "by_sample": _samples(rows, dataset),
    }


class Rows:
    """Scores and comparisons of one data set, found by what they are about."""

    def __init__(self, summary: Summary, dataset: str) -> None:
        keys = ("sample", "method", "protocol", "target", "focal_offset_um")
        scores, comparisons = (
            [row for row in summary[part] if row["dataset"] == dataset] for part in ("scores", "comparisons")
        )
        self._scores = {tuple(row[key] for key in keys): row for row in scores}
        self._comparisons = {tuple(row[key] for key in ("baseline", *keys)): row for row in comparisons}
        by_offset = [row for row in self._scores.values() if row["focal_offset_um"] is not None]
        self.offsets = sorted({row["focal_offset_um"] for row in by_offset if "folded" not in row["protocol"]})
        self.sizes = sorted({row["focal_offset_um"] for row in by_offset if row["protocol"] == "folded"})

    def against(
        self, method: str, baseline: str, protocol: str, delta: float | None, target: str = "captured"
    ) -> Row | None:
        """The paired difference of two methods on all samples; None where there is none."""
        return self._comparisons.get((baseline, None, method, protocol, target, delta))

    def cell(
        self, method: str, protocol: str, target: str, delta: float | None, sample: str | None = None
    ) -> dict[str, Any] | None:
        """A score with the difference from Y1 and the mark that goes with it; None where there is none."""
        score = self._scores.get((sample, method, protocol, target, delta))
        if score is None:
            return None
        nothing = self._scores.get((sample, NOTHING, protocol, target, delta))
        against = self._comparisons.get((NOTHING, sample, method, protocol, target, delta))
        return {**score, "against": against, "mark": None if method == NOTHING else _mark(score, nothing, against)}


def _mark(score: Row, nothing: Row | None, against: Row | None) -> dict[str, str] | None:
    """A sign, with its words, where a method is not above doing nothing."""
    difference = None if against is None else against["difference_db"]
    if nothing is not None and nothing["identical_patches"] > score["identical_patches"]:
        if score["focal_offset_um"] is not None:
            words = f"Y1 equals the target in {nothing['identical_patches']} of {nothing['patches']} patches"
            return {"sign": BELOW["sign"], "words": words}
        # Y1's average leaves those patches out: a method below it is below all the more, one above it proves nothing
        return BELOW if difference is not None and difference <= 0 else None
    if difference is None:
        return None
    if difference <= 0:
        return BELOW
    return UNSURE if outcome(against) == "level" else None


def _table3(rows: Rows, dataset: Row, printed: Sequence[Row], delta_um: float) -> dict[str, Any]:
    """Methods by ΔD, each with the paper's row under it where the paper has one."""
    heads: list[float | None] = [*rows.offsets, None]
    papers = {(row["method"], row["focal_offset_um"]): row for row in printed}
    plain = "unet" if "unet" in dataset["methods"] else "unet_residual"
    body = []
    for method in dataset["methods"]:
        paper = {LEAD: LEAD, plain: "unet"}.get(method)
        body.append(
            {
                "method": method,
                "cells": [rows.cell(method, "paper", "captured", delta) for delta in heads],
                "paper": [papers.get((paper, delta)) for delta in heads] if paper and papers else None,
                "paper_name": f"paper’s {method_name(paper)}" if paper else None,
            }
        )
    return {
        "heads": [
            {
                "name": "Average" if delta is None else offset(delta),
                "handed_over": delta is not None and math.isclose(abs(delta), delta_um),
            }
            for delta in heads
        ],
        "rows": body,
    }


def _averages(rows: Rows, dataset: Row) -> list[dict[str, Any]]:
    """Methods by protocol and target: the average over ΔD."""
    groups = []
    for protocol, target, head in AVERAGES:
        cells = [(method, rows.cell(method, protocol, target, None)) for method in dataset["methods"]]
        found = [{"method": method, "cell": cell} for method, cell in cells if cell is not None]
        if found:
            groups.append({"protocol": protocol, "target": target, "head": head, "rows": found})
    return groups


def _worse(rows: Rows, dataset: Row) -> list[dict[str, Any]]:
    """Share of pairs made worse than Y1, and the mean loss in these, by size of the offset and on average."""
    groups = []
    for by_size, protocol, target, head in WORSE:
        found = [
            {
                "method": method,
                "cells": [
                    *(rows.against(method, NOTHING, by_size, size_um, target) for size_um in rows.sizes),
                    rows.against(method, NOTHING, protocol, None, target),
                ],
            }
            for method in dataset["methods"]
            if method != NOTHING
        ]
        known = [row for row in found if row["cells"][-1] is not None]
        if known:
            groups.append({"protocol": protocol, "target": target, "head": head, "sizes": rows.sizes, "rows": known})
    return groups


def _samples(rows: Rows, dataset: Row) -> list[dict[str, Any]]:
    """Samples by methods: the strict average."""
    return [
        {
            "sample": sample,
            "cells": [rows.cell(method, "strict", "captured", None, sample) for method in dataset["methods"]],
        }
        for sample in dataset["samples"]
    ]


def count_table(summary: Summary, dataset: Row) -> dict[str, Any] | None:
    """Table II's shape for the lead method, and how every method's counts agree; None without counts."""
    rows = [row for row in summary["counts"] if row["dataset"] == dataset["dataset"]]
    if not rows:
        return None
    found = {(row["method"], row["protocol"], row["sample"], row["focal_offset_um"]): row for row in rows}
    shown = lead_of(dataset["methods"]) or NOTHING
    samples: list[str | None] = [*dataset["samples"], None]
    deltas = sorted({row["focal_offset_um"] for row in rows} - {None})
    printed = {(row["abs_focal_offset_um"], row["sample"]): row for row in summary["paper"]["table2"]}
    has_paper = dataset["dataset"] == PAPER_COUNTED and shown == LEAD
    return {
        "method": shown,
        "samples": samples,
        "rows": [
            {
                "name": "Average" if delta is None else offset(delta),
                "cells": [found.get((shown, "paper", sample, delta)) for sample in samples],
                "paper": [printed.get((delta, sample)) for sample in samples]
                if has_paper and (delta, None) in printed
                else None,
            }
            for delta in [*deltas, None]
        ],
        "agreement": [
            {"method": method, "cell": found.get((method, "strict", None, None))} for method in dataset["methods"]
        ],
    }


PAPER_COMPARED = "dataset1"
"""Table I is about this data set alone."""


def table1(summary: Mapping[str, Any], dataset: Row) -> dict[str, Any]:
    """Arrange one data set's scores as the paper's Table I, with what it left out.

    Parameters
    ----------
    summary : mapping
        As :func:`tsva.evaluation.summary.evaluate` returns.
    dataset : mapping
        One of its `datasets`.

    Returns
    -------
    dict
        `samples`, `leads` (methods that all others are set against) and `groups`, one for each size of the offset:
        `delta_um`, `handed_over`, `rows` (`method`, `cells` by sample, `whole`, `against` by lead, `facts`, `paper`).
    """
    name, samples = dataset["dataset"], list(dataset["samples"])
    rows = Rows(summary, name)
    facts = {row["method"]: row for row in summary["methods"] if row["dataset"] == name}
    leads = [method for method in (LEAD, OURS) if method in dataset["methods"]]
    printed = _printed(summary) if name == PAPER_COMPARED else {}
    delta_um, strict_away = summary["settings"]["pairs"]["delta_um"], 1e-6
    return {
        "samples": samples,
        "leads": leads,
        "groups": [
            {
                "delta_um": delta,
                "handed_over": abs(delta - delta_um) < strict_away,
                "rows": [
                    {
                        "method": method,
                        "cells": [rows.cell(method, "folded", "captured", delta, sample) for sample in samples],
                        "whole": rows.cell(method, "folded", "captured", delta),
                        "against": [rows.against(lead, method, "folded", delta) for lead in leads],
                        "facts": facts[method],
                        "paper": _paper(printed, delta, method, samples),
                        "paper_name": f"paper’s {method_name(method)}",
                    }
                    for method in dataset["methods"]
                    if rows.cell(method, "folded", "captured", delta) is not None
                ],
            }
            for delta in rows.sizes
        ],
    }


def _printed(summary: Mapping[str, Any]) -> dict[tuple[float, str, str | None], Row]:
    return {(row["abs_focal_offset_um"], row["method"], row["sample"]): row for row in summary["paper"]["table1"]}


def _paper(
    printed: Mapping[tuple[float, str, str | None], Row], delta: float, method: str, samples: list[str]
) -> list[Row | None] | None:
    """The paper's cells under ours, its average the last; None where it has no such row."""
    cells = [printed.get((delta, method, sample)) for sample in [*samples, None]]
    return cells if any(cell is not None for cell in cells) else None


NOT_CLOSER = {"sign": "▼", "words": "not closer to the in-focus count than Y1 as captured"}
CLOSER_UNSURE = {"sign": "○", "words": "closer than Y1 as captured, but the interval of the difference includes zero"}


def nuclei_table(summary: Mapping[str, Any], dataset: Row) -> dict[str, Any] | None:
    """Error and matched detections of every method by |ΔD|, and in the strict average; None without nuclei."""
    rows = _of(summary["nuclei"], dataset)
    found = {(row["method"], row["protocol"], row["focal_offset_um"]): row for row in rows}
    methods = [method for method in dataset["methods"] if any(row["method"] == method for row in rows)]
    if not methods:
        return None
    deltas = sorted({row["focal_offset_um"] for row in rows if row["protocol"] == "folded"})
    handed_over = summary["settings"]["pairs"]["delta_um"]
    heads = [("folded", delta) for delta in deltas] + [("strict", None)]
    cells = {method: [_marked(found.get((method, protocol, delta))) for protocol, delta in heads] for method in methods}
    return {
        "heads": [{"focal_offset_um": delta, "handed_over": delta == handed_over} for _, delta in heads],
        "rows": [{"method": method, "cells": cells[method], "strict": cells[method][-1]} for method in methods],
    }


def _of(rows: Sequence[Row], dataset: Row) -> list[Row]:
    return [row for row in rows if row["dataset"] == dataset["dataset"] and row["sample"] is None]


def _marked(row: Row | None) -> dict[str, Any] | None:
    return None if row is None else {**row, "mark": {"behind": NOT_CLOSER, "unsure": CLOSER_UNSURE}.get(standing(row))}
