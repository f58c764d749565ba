"""Nuclei by stain on the page: its tables are the summary's, and its sentence says where nothing was gained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_report_page import numbers, only, printed

from tsva.evaluation.remarks import nuclei_in_words
from tsva.report.page_tables import nuclei_table
from tsva.settings.acquisition import PairsSettings

PAIRS = PairsSettings()
SIZES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


def test_errors_by_size_print_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    table = made.table("nuclei", "dataset1")
    (head,) = table.of(part="thead")
    assert head[1:] == [*(f"{size:.1f}" for size in SIZES), "Strict"]
    for method in ("y1", "tsva", "unet"):
        (cells,) = table.of(method=method)
        for delta, cell in zip([*SIZES, None], cells[1:], strict=True):
            key = {"dataset": "dataset1", "method": method, "sample": None, "focal_offset_um": delta}
            row = only(made.summary["nuclei"], protocol="strict" if delta is None else "folded", **key)
            assert numbers(cell.replace("F1:", "")) == printed(row["absolute_error"], row["f1"])


def test_detections_print_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    table = made.table("detections", "dataset2")
    for method in ("y1", "tsva", "unet"):
        (cells,) = table.of(method=method)
        key = {"dataset": "dataset2", "method": method, "sample": None, "focal_offset_um": None}
        row = only(made.summary["nuclei"], protocol="strict", **key)
        wanted = printed(row["nuclei_restored"], row["nuclei_truth"], row["true_nuclei"])
        signed = ("bias", "bias_low", "bias_high", "agreement_low", "agreement_high")
        signed += ("error_difference", "error_difference_low", "error_difference_high")
        wanted += printed(*(row[key] for key in signed), plus=True)
        ratios = ("precision", "recall", "f1", "true_precision", "true_recall", "true_f1")
        assert numbers(" ".join(cells[1:])) == wanted + printed(*(row[key] for key in ratios))
        assert f"In-focus images reach F1: {row['in_focus_true_f1']:.2f}" in table.caption


def test_the_summary_is_the_table_of_counts(report: Callable[..., Any]) -> None:
    made = report()
    ours, theirs = (
        pd.read_csv(made.results / "count" / "dataset1" / f"{method}.tsv", sep="\t") for method in ("tsva", "y1")
    )
    at = ours["focal_offset_um"].abs() == 2.5
    error, nothing = ((part["nuclei_restored"] - part["nuclei_truth"]).abs()[at].mean() for part in (ours, theirs))
    key = {"dataset": "dataset1", "method": "tsva", "sample": None, "focal_offset_um": 2.5}
    row = only(made.summary["nuclei"], protocol="folded", **key)
    assert row["absolute_error"] == pytest.approx(error, abs=1e-6)  # the summary keeps six decimals
    assert row["error_difference"] == pytest.approx(error - nothing, abs=1e-6)
    assert row["error_difference"] < 0


def test_tables_from_before_have_no_nuclei(report: Callable[..., Any]) -> None:
    made = report(nuclei=False, datasets=("dataset1",), remaining={"tsva": 0.5})
    assert made.summary["nuclei"] == []
    assert not {"nuclei", "detections"} & {table.kind for table in made.tables}
    assert made.table("counts", "dataset1")
    assert "Nuclei counted by stain" not in made.page


def test_real_slides_and_one_slide(report: Callable[..., Any]) -> None:
    made = report(datasets=("dataset1",), remaining={"tsva": 0.5}, slides=1, simulated=False)
    rows = made.summary["nuclei"]
    assert all(row["true_f1"] is None and row["f1"] is not None for row in rows)
    assert all(row["bias_low"] is None and row["error_difference_low"] is None for row in rows)
    (cells,) = made.table("detections", "dataset1").of(method="tsva")
    assert cells[-1] == "– / – / –"
    assert (
        "no interval); it is closer at |ΔD| = 0, 1, 1.5, 2, 2.5 and 3 µm" in made.summary["verdict"][0]["sentences"][-1]
    )


def row(method: str, delta: float | None, difference: float | None, reach: float | None = 0.1) -> dict[str, Any]:
    """A row of the summary's nuclei with an interval of this reach; the strict average has no ΔD."""
    known = None if difference is None or reach is None else difference
    return {
        "dataset": "dataset1",
        "sample": None,
        "method": method,
        "protocol": "strict" if delta is None else "folded",
        "focal_offset_um": delta,
        "absolute_error": 1 + (difference or 0),
        "error_difference": difference,
        "f1": 0.9,
        "error_difference_low": None if known is None else known - reach,
        "error_difference_high": None if known is None else known + reach,
    }


def said(differences: Mapping[float, float], mean: float, reach: float | None = 0.1) -> str:
    rows = [row("y1", None, None), row("tsva", None, mean, reach)]
    rows += [row("tsva", delta, difference, reach) for delta, difference in differences.items()]
    (sentence,) = nuclei_in_words(rows, {"dataset": "dataset1", "methods": ["y1", "tsva"]}, PAIRS)
    return sentence


def test_the_sentence_says_where_nothing_was_gained() -> None:
    text = said({0.0: 0.2, 0.5: -0.9, 1.0: 0.0, 2.0: -0.05, 3.0: -0.5}, -0.05)
    assert "TSVA is off by 0.95 a patch in the strict average, Y1 as captured by 1.00" in text
    assert "(difference −0.05, interval −0.15 to +0.05, which includes zero)" in text
    assert (
        "it is not closer to the in-focus counts than Y1 at |ΔD| = 0 and 1 µm, "
        "closer at |ΔD| = 2 µm with an interval that includes zero and closer at |ΔD| = 3 µm;"
    ) in text  # at 0.5 µm a shot is the target
    assert "is 0.90, of Y1’s 0.90." in text


def test_worse_everywhere_is_said_so() -> None:
    text = said({1.0: 0.3, 2.0: 0.2}, 0.25)
    assert "not closer to the in-focus counts than Y1 at any strict |ΔD|;" in text
    assert "includes zero" not in text
    assert "is closer" not in text


def test_without_a_method_or_counts_nothing_is_said() -> None:
    assert nuclei_in_words([row("y1", None, None)], {"dataset": "dataset1", "methods": ["y1"]}, PAIRS) == []
    assert nuclei_in_words([], {"dataset": "dataset1", "methods": ["y1", "tsva"]}, PAIRS) == []
    uncompared = [row("y1", None, None), row("tsva", None, None)]
    assert nuclei_in_words(uncompared, {"dataset": "dataset1", "methods": ["y1", "tsva"]}, PAIRS) == []


def test_marks_are_for_what_is_not_closer() -> None:
    rows = [row("y1", 1.0, None), row("tsva", 0.5, 0.0), row("tsva", 1.0, -0.05), row("tsva", 2.0, -0.5)]
    summary = {"nuclei": rows, "settings": {"pairs": PAIRS.model_dump()}}
    table = nuclei_table(summary, {"dataset": "dataset1", "methods": ["y1", "tsva"]})
    assert table is not None
    nothing, ours = ([cell and (cell["mark"] or {}).get("sign") for cell in part["cells"]] for part in table["rows"])
    assert ours == ["▼", "○", None, None]
    assert nothing == [None] * 4
    assert [head["handed_over"] for head in table["heads"]] == [True, False, False, False]
    assert np.isclose(table["rows"][1]["cells"][2]["absolute_error"], 0.5)
