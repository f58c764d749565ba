"""Nuclei counted by their stain: the page's tables, and the sentence that goes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tsva.report.duels import Row
from tsva.report.names import NOTHING, lead_of, listed, method_name, plain, signed, sizes
from tsva.settings.pairs import PairsSettings

NOT_CLOSER = {"sign": "▼", "words": "not closer to the in-focus count than Y1 as captured"}
UNSURE = {"sign": "○", "words": "closer than Y1 as captured, but the interval of the difference includes zero"}


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
    return None if row is None else {**row, "mark": {"behind": NOT_CLOSER, "unsure": UNSURE}.get(_standing(row))}


def _standing(row: Row) -> str:
    """Against Y1: nothing to say, behind (or equal), unsure, ahead."""
    difference, high = row["error_difference"], row["error_difference_high"]
    if difference is None:
        return ""
    if difference >= 0:
        return "behind"
    return "ahead" if high is None or high < 0 else "unsure"


def in_words(nuclei: Sequence[Row], dataset: Row, pairs: PairsSettings) -> list[str]:
    """Whether restored counts are closer to those in focus than Y1's, and where they are not.

    Parameters
    ----------
    nuclei : sequence of mappings
        That part of the summary.
    dataset : mapping
        A row of its `datasets`.
    pairs : PairsSettings
        At which offsets a shot is the target plane.

    Returns
    -------
    list of str
        One sentence about the method that the verdict is about; none where there is nothing to compare.
    """
    rows, lead = _of(nuclei, dataset), lead_of(dataset["methods"])
    means = {row["method"]: row for row in rows if (row["protocol"], row["focal_offset_um"]) == ("strict", None)}
    ours, theirs = means.get(lead or ""), means.get(NOTHING)
    if ours is None or theirs is None or ours["error_difference"] is None:
        return []
    strict = {abs(delta) for delta in pairs.strict_offsets_um}
    folded = [
        row for row in rows if (row["method"], row["protocol"]) == (lead, "folded") and row["focal_offset_um"] in strict
    ]
    error, nothing = plain(ours["absolute_error"], 2), plain(theirs["absolute_error"], 2)
    return [
        f"Nuclei counted by stain: {method_name(ours['method'])} is off by {error} a patch in the strict average, "
        f"Y1 as captured by {nothing} ({_difference(ours)}); "
        f"{_where(folded)}; F1 of its matched detections is {_f1(ours)}, of Y1’s {_f1(theirs)}."
    ]


def _difference(row: Row) -> str:
    size = f"difference {signed(row['error_difference'], 2)}"
    low, high = row["error_difference_low"], row["error_difference_high"]
    if low is None or high is None:
        return f"{size}, no interval"
    unclear = ", which includes zero" if low <= 0 <= high else ""
    return f"{size}, interval {signed(low, 2)} to {signed(high, 2)}{unclear}"


def _where(folded: Sequence[Row]) -> str:
    """Columns in which restored counts are no closer, and those in which one cannot tell."""

    def at(standing: str) -> list[float]:
        return [row["focal_offset_um"] for row in folded if _standing(row) == standing]

    behind, unsure, ahead = at("behind"), at("unsure"), at("ahead")
    words = []
    if behind:
        where = f"at |ΔD| = {sizes(behind)}" if len(behind) < len(folded) else "at any strict |ΔD|"
        words.append(f"not closer to the in-focus counts than Y1 {where}")
    if unsure:
        words.append(f"closer at |ΔD| = {sizes(unsure)} with an interval that includes zero")
    if ahead:
        words.append(f"closer at |ΔD| = {sizes(ahead)}")
    return f"it is {listed(words)}"


def _f1(row: Row) -> str:
    return "–" if row["f1"] is None else plain(row["f1"], 2)
