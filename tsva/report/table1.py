"""Table I's shape: every method by size of the offset and by sample, the paper's numbers under ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tsva.report.duels import Row
from tsva.report.layout import Rows
from tsva.report.names import LEAD, OURS, method_name

PAPER_COMPARED = "dataset1"
"""Table I is about this data set alone."""


def table1(summary: Mapping[str, Any], dataset: Row) -> dict[str, Any]:
    """Arrange one data set's scores as the paper's Table I, with what it left out.

    Parameters
    ----------
    summary : mapping
        As :func:`tsva.report.tables.summarise` returns.
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
