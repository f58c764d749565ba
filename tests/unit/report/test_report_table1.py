"""Table I's shape, samples of slow methods, failures, and what methods know of offsets and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from test_report_page import only, printed

TABLE1 = {
    "remaining": {"graph": 1.3, "wiener_two_shot": 0.8, "burst": 0.9, "tsva": 0.5, "fusion": 0.4},
    "datasets": ("dataset1",),
    "sampled": ("graph",),
    "knowing": ("fusion",),
}
METHODS = ["y1", *TABLE1["remaining"]]


@pytest.fixture
def made(report: Callable[..., Any]) -> Any:
    return report(**TABLE1)


def test_every_size_has_every_method_with_the_paper_beneath(made: Any) -> None:
    table = made.table("table1", "dataset1")
    for size in ("0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0"):
        rows = [found["method"] for found, _ in table.rows if found.get("size") == size and "method" in found]
        assert rows == METHODS
    papers = [cells for found, cells in table.rows if found.get("size") == "1.0" and found["class"] == "paper"]
    assert [cells[0] for cells in papers] == ["paper’s Graph deblurring", "paper’s Burst U-Net", "paper’s TSVA"]
    # the paper's row of TSVA at 1 µm: 37.13 ± 0.34 on Sample 1, 39.93 ± 1.34 on average
    assert papers[-1][1].split() == ["37.13", "±", "0.34"] and papers[-1][4].split() == ["39.93", "±", "1.34"]


def test_cells_are_the_folded_scores_and_differences(made: Any) -> None:
    scores, comparisons = made.summary["scores"], made.summary["comparisons"]
    for found, cells in made.table("table1", "dataset1").rows:
        if found.get("method") not in ("burst", "graph"):
            continue
        key = {"protocol": "folded", "target": "captured", "focal_offset_um": float(found["size"]), "sample": None}
        row = only(scores, method=found["method"], **key)
        assert cells[4].split()[0] == f"{row['psnr_db']:.2f}" and f"± {row['psnr_sd_db']:.2f}" in cells[4]
        for lead, cell in zip(("tsva", "fusion"), cells[5:7], strict=True):
            paired = only(comparisons, method=lead, baseline=found["method"], **key)
            assert cell.split()[:1] == printed(paired["difference_db"], plus=True)


def test_a_sample_prints_its_size_and_both_psnrs(made: Any) -> None:
    table = made.table("table1", "dataset1")
    pairs = {
        found["method"]: cells[-2] for found, cells in table.rows if found.get("size") == "2.0" and "method" in found
    }
    # the same at every size
    assert pairs == {"y1": "6", "graph": "3", "wiener_two_shot": "6", "burst": "6", "tsva": "6", "fusion": "6"}
    (cells,) = table.of(method="graph", size="2.0")
    row = only(
        made.summary["scores"], method="graph", protocol="folded", target="captured", focal_offset_um=2.0, sample=None
    )
    assert row["psnr_shifted_db"] == pytest.approx(row["psnr_db"] + 0.5)
    assert f"shifted: {row['psnr_shifted_db']:.2f}" in cells[4]
    (other,) = table.of(method="tsva", size="2.0")
    assert "shifted" not in other[4]


def test_what_is_worse_than_nothing_is_marked_and_named(made: Any) -> None:
    (cells,) = made.table("table1", "dataset1").of(method="graph", size="2.0")
    assert "▼" in cells[4]
    (verdict,) = made.summary["verdict"]
    assert "Graph deblurring is no better than doing nothing." in verdict["sentences"]
    (best,) = (words for words in verdict["sentences"] if words.startswith("Of the methods without training"))
    assert "Wiener, two shots (known ΔD) comes first: +" in best


def test_failures_are_shown_with_their_reason(made: Any) -> None:
    row = only(made.summary["methods"], method="graph")
    assert row["pairs"] == 3 * 13 and row["failed"] == 3
    assert row["failures"] == [{"reason": "the kernel <collapsed>", "number": 3}]
    assert "Graph deblurring 3 of 39 pairs (3 × the kernel &lt;collapsed&gt;)" in " ".join(made.page.split())
    assert only(made.summary["methods"], method="tsva")["failed"] == 0


def test_pictures_show_what_was_restored_there(made: Any) -> None:
    for example in made.summary["examples"]:
        assert [row["method"] for row in example["scores"]] == [
            "y1",
            "wiener_two_shot",
            "burst",
            "tsva",
            "fusion",
        ]


def test_offsets_and_errors_are_printed(made: Any) -> None:
    (row,) = made.summary["offsets"]
    assert (row["method"], row["size_within"], row["bias_um"]) == ("fusion", 1, pytest.approx(0.1))
    (cells,) = made.table("offsets", "dataset1").of(method="fusion")
    assert cells[1:3] == [str(row["pairs"]), "100.0 %"] and cells[5] == "+0.100"
    errors = made.summary["errors"]
    assert all(group["rmse"] == pytest.approx(group["predicted_rmse"], rel=1e-4) for group in errors)
    assert [cells[-1] for cells in made.table("errors", "dataset1").of(method="fusion")] == ["1.00"] * len(errors)


def test_methods_without_such_knowledge_have_no_such_tables(report: Callable[..., Any]) -> None:
    kinds = {table.kind for table in report().tables}
    assert not kinds & {"offsets", "errors"}
