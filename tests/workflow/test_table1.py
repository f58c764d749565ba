"""Table I by its target: every baseline, slow ones on a sample, and the networks that the paper compares.

A slide has been taken out of the sheet before: what was made of its data set is in no table.
"""

from __future__ import annotations

import json

import pytest
from test_regeneration_of_data import without
from tiny_workflow import Workflow

from tsva.stage_files import read_table

pytestmark = pytest.mark.workflow
ALL = [
    "y1",
    "y1_matched",
    "mean",
    "denoise",
    "noise_free",
    "focus_stack",
    "richardson_lucy",
    "wiener_one_shot",
    "wiener_two_shot",
    "wiener_true_optics",
    "wiener_blind",
    "learned_linear",
    "learned_linear_blind",
    "dark_channel",
    "graph",
    "burst",
    "tsva",
]


def test_table1_has_every_method_and_leaves_nothing_to_do(workflow: Workflow) -> None:
    without(workflow, "D1")
    workflow.run("table1")
    results = workflow.folder / "results"
    summary = json.loads((results / "table1/summary.json").read_text())
    assert [row["method"] for row in summary["methods"]] == ALL
    for part in ("datasets", "methods", "comparisons", "counts"):
        assert {row["dataset"] for row in summary[part]} == {"dataset1"}
    folded = [row for row in summary["scores"] if row["protocol"] == "folded" and row["sample"] is None]
    # shots without noise are known between the planes alone
    assert {row["method"] for row in folded} == {*ALL} - {"noise_free"}
    between = [row for row in summary["scores"] if row["protocol"] == "continuous" and row["sample"] is None]
    assert "noise_free" in {row["method"] for row in between}
    for method, whole in (("dark_channel", False), ("mean", True)):
        scores = read_table(results / f"refocus/dataset1/{method}/scores.tsv")
        grid = scores[(scores["protocol"] == "grid") & (scores["target"] == "captured")]
        patches = read_table(results / "pairs/dataset1.tsv")
        assert len(grid) == 7 * (len(patches) if whole else 1)
        assert (scores["protocol"] == "continuous").any() == whole
        counts = read_table(results / f"count/dataset1/{method}.tsv")
        assert len(counts) == len(grid)
    assert not list(results.glob("refocus_batch/*/*/*")), "batches are temporary"
    assert not workflow.planned("table1")
    # the default report stands, and the network of our own comes with the target for everything
    planned = workflow.planned("all_methods")
    assert planned["train:fusion"] == 1 and planned["train:unet_residual"] == 1 and not planned["train:tsva"]
    assert not [job for job in planned if "D1" in job or "dataset2" in job]
