"""Stacks, focal surfaces and patches on the page: a row a kind, n as in the table, surfaces where known."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from tsva.evaluation.names import offset
from tsva.stage_files import read_table


def test_every_kind_has_its_row_on_the_page(report: Callable[..., Any]) -> None:
    made = report()
    shown = made.summary["stacks_shown"]
    assert [row["sample"] for row in shown] == ["Sample1", "Sample2", "Sample3"]  # of both data sets: alike
    cells = made.table("contact").of(part="tbody")
    labels = [row[0] for row in cells if len(row) == 1]
    for row, label in zip(shown, labels, strict=True):
        assert label.startswith(f"{row['sample']} ")
        assert f"slide {row['slide']}, field {row['field']}" in label and f"bar {row['bar_um']:.0f} µm" in label
    (heads,) = made.table("contact").of(part="thead")
    assert heads == [f"{offset(defocus)} µm" for defocus in (-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3)]
    assert [len(row) for row in cells if len(row) > 1] == [len(heads)] * len(shown)
    pictured = re.findall(r'alt="(Sample\d), slide [^"]+ µm from focus"', made.inputs)
    assert pictured == [row["sample"] for row in shown for _ in heads]


def test_the_sheet_names_what_a_kind_is(report: Callable[..., Any]) -> None:
    head = "slide\tpatient\tsample\trole\tsource\ttissue\tstain\tmicroscope\n"
    rows = [
        f"dataset1_slide{number}\tp{number}\tSample{number + 1}\tdataset1\tsimulated\tfatty\t{stain}\tother\n"
        for number, stain in enumerate(("lab_a", "lab_a", "lab_b"))
    ]
    made = report(datasets=("dataset1",), remaining={}, sheet=head + "".join(rows))
    labels = [row[0] for row in made.table("contact").of(part="tbody") if len(row) == 1]
    assert [label.split(" Dataset")[0] for label in labels] == ["Sample1 : fatty", "Sample3 : fatty"]
    assert "stain lab_b, microscope other" in labels[1]


def test_n_on_the_patches_is_the_tables(report: Callable[..., Any]) -> None:
    made = report()
    tables = [read_table(made.results / "pairs" / f"{name}.tsv") for name in ("dataset1", "dataset2")]
    drawn = pd.concat(tables)
    figures = re.findall(r'<figure data-slide="(.*?)" data-field="(.*?)">(.*?)</figure>', made.inputs, re.DOTALL)
    assert [found[0] for found in figures] == [row["slide"] for row in made.summary["fields_shown"]]
    for name, field, inside in figures:
        rows = drawn[(drawn["slide"] == name) & (drawn["field"] == field)]
        assert re.findall(r"<text[^>]*>(.*?)</text>", inside) == [offset(n) for n in rows["focal_offset_um"]]
        assert inside.count("<rect") == len(rows)


def test_surfaces_are_true_or_absent(report: Callable[..., Any]) -> None:
    made = report()
    for row in made.summary["fields_shown"]:
        number = int(row["slide"][-1])
        found = [row[f"surface_{name}_um"] for name in ("low", "high", "mean")]
        assert found == pytest.approx([number, number + 1, number + 0.5], abs=1e-6)
        assert f"{number:.2f} to {number + 1:.2f} µm, mean {number + 0.5:.2f} µm; focus found 0.00 µm" in made.inputs
    real = report(datasets=("dataset1",), remaining={"tsva": 0.5}, simulated=False)
    assert {row["surface_mean_um"] for row in real.summary["fields_shown"]} == {None}
    assert 'class="surface"' not in real.inputs and "focal surface" not in real.inputs
    assert real.inputs.count('class="mosaic"') == len(real.summary["fields_shown"]) == 3
