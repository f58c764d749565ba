"""summary.json: strict, described by its schema, and right where it can be reckoned apart from the code."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from settings_file import settings_option

from tsva.acquisition.draws import bin_weights
from tsva.cli.evaluate import command
from tsva.errors import UserError
from tsva.evaluation import paper, slide_findings
from tsva.evaluation.inputs import DataSet, Slide
from tsva.evaluation.picture_files import point_spread
from tsva.evaluation.summary import tidy
from tsva.report.page import environment
from tsva.report.plots import FigureSet
from tsva.settings.acquisition import OpticsSettings, PairsSettings

DOCS = Path(__file__).parents[3] / "docs"
PAIRS = PairsSettings()
TABLE1 = {
    "remaining": {"graph": 1.3, "wiener_two_shot": 0.8, "burst": 0.9, "tsva": 0.5, "fusion": 0.4},
    "datasets": ("dataset1",),
    "sampled": ("graph",),
    "knowing": ("fusion",),
}


def test_the_schema_describes_the_summary(report: Callable[..., Any]) -> None:
    schema = json.loads((DOCS / "summary.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for facts in (
        {},
        {"datasets": ("dataset1",), "remaining": {}},
        {"datasets": (), "remaining": {}},
        {"nuclei": False, "datasets": ("dataset1",), "remaining": {"tsva": 0.5}},
        TABLE1,
    ):
        jsonschema.validate(report(**facts).summary, schema)
    wrong = copy.deepcopy(report().summary)
    wrong["scores"][0]["psnr"] = wrong["scores"][0].pop("psnr_db")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_every_key_is_in_the_docs(report: Callable[..., Any]) -> None:
    words = (DOCS / "summary.md").read_text(encoding="utf-8")
    summary = report(**TABLE1).summary
    parts = ("scores", "comparisons", "counts", "nuclei", "datasets", "methods", "verdict", "offsets", "errors")
    rows = [key for part in parts for key in summary[part][0]]
    rows += [key for part in ("training", "examples", "segmentations_shown") for key in summary[part][0]]
    assert not [key for key in {*summary, *rows} if f"`{key}`" not in words]


def test_identical_patches_are_null_and_counted(report: Callable[..., Any]) -> None:
    rows = [
        row
        for row in report().summary["scores"]
        if (row["method"], row["protocol"], row["target"], row["sample"]) == ("y1", "paper", "captured", None)
    ]
    handed_over = [
        row for row in rows if row["focal_offset_um"] is not None and abs(row["focal_offset_um"]) == PAIRS.delta_um
    ]
    assert len(handed_over) == 4  # two columns, two data sets
    assert all(row["psnr_db"] is None and row["identical_patches"] == row["patches"] == 6 for row in handed_over)
    assert all(row["identical_patches"] == 0 for row in rows if row["focal_offset_um"] in PAIRS.strict_offsets_um)


def test_the_strict_average_is_the_weighted_mean_of_the_scores(report: Callable[..., Any]) -> None:
    made = report()
    scores = pd.read_csv(made.results / "refocus" / "dataset1" / "tsva" / "scores.tsv", sep="\t")
    grid = scores[(scores["protocol"] == "grid") & (scores["target"] == "captured")]
    means = grid[grid["focal_offset_um"].abs() != PAIRS.delta_um].groupby("focal_offset_um")["psnr_db"].mean()
    weights = np.exp(-(means.index.to_numpy() ** 2) / 2)
    (row,) = (
        row
        for row in made.summary["scores"]
        if (row["dataset"], row["method"], row["protocol"], row["target"]) == ("dataset1", "tsva", "strict", "captured")
        and row["sample"] is None
        and row["focal_offset_um"] is None
    )
    exact = np.average(means, weights=bin_weights(means.index, 1.0, 0.5))
    assert row["psnr_db"] == pytest.approx(exact, abs=1e-6)  # the summary keeps six decimals
    # A bin of width h holds 1 + h²/24 (n² − 1) times what the density at its middle says: n² has the standard deviation
    # √2 and the means one below 10 dB, so that the two averages differ by less than 0.0104 · √2 · 10 = 0.15 dB.
    assert row["psnr_db"] == pytest.approx(np.average(means, weights=weights), abs=0.15)


def test_nothing_but_finite_numbers_comes_through() -> None:
    given = {"a": np.float64("nan"), "b": [np.inf, -np.inf, np.int64(3)], "c": (pd.NA, None, np.bool_(True)), 4: "x"}
    wanted = {"a": None, "b": [None, None, 3], "c": [None, None, True], "4": "x"}
    assert tidy(given) == wanted
    assert json.dumps(tidy(given), allow_nan=False) == json.dumps(wanted)
    assert tidy(np.array([1.23456789, 2.0])) == [1.234568, 2.0]


def test_table3_is_typed_in_right() -> None:
    """The printed averages are the Gaussian-weighted means of the printed columns (two decimals: within 0.02 dB)."""
    rows = paper.table3()
    assert len(rows) == 2 * 2 * 14
    weights = bin_weights(PAIRS.offsets_um, 1.0, 0.5)
    for dataset in ("dataset1", "dataset2"):
        for method in ("unet", "tsva"):
            found = {
                r["focal_offset_um"]: r["psnr_db"] for r in rows if (r["dataset"], r["method"]) == (dataset, method)
            }
            average = found.pop(None)
            assert list(found) == list(PAIRS.offsets_um)
            assert np.dot(weights, list(found.values())) == pytest.approx(average, abs=0.02)


def test_table2_has_the_papers_gaps() -> None:
    rows = {(row["abs_focal_offset_um"], row["sample"]): row for row in paper.table2()}
    assert len(rows) == 7 * 7
    assert rows[0.5, "Sample2"]["count_restored"] == 42.38
    assert rows[3.0, "Sample1"]["count_truth"] is None
    assert rows[None, None]["count_truth"] - rows[None, None]["count_restored"] == pytest.approx(
        0.12
    )  # as its text says


def test_the_axis_falls_as_the_closed_form_says() -> None:
    """Eq. 1 on the axis is sinc² of a quarter of Born & Wolf's u = 2 π NA² z / (n λ)."""
    optics = OpticsSettings()
    u = 2 * np.pi * optics.na**2 * 0.5 / (optics.refractive_index * optics.wavelengths_um[1])
    focus, away = point_spread(optics, 0.5)["on_axis"]
    assert focus == {"defocus_um": 0.0, "intensity": 1.0}
    assert away["intensity"] == pytest.approx((np.sin(u / 4) / (u / 4)) ** 2, rel=1e-9)


def focus_table(offsets: list[float], verdicts: list[str] | None = None) -> pd.DataFrame:
    verdicts = verdicts or ["ok"] * len(offsets)
    names = [f"f{index}" for index in range(len(offsets))]
    reasons = ["" if verdict == "ok" else f"it is {verdict}" for verdict in verdicts]
    facts = {"field": names, "verdict": verdicts, "reason": reasons, "focal_offset_um": offsets}
    return pd.DataFrame(facts | {"max_shift_px": [float(index) for index in range(len(offsets))]})


def test_focal_offsets_are_counted_about_their_planes() -> None:
    tables = [focus_table([np.nan, 0.24, -0.26, 1.0]), focus_table([np.nan, -30.0, 0.0], ["ok", "ok", "blank"])]
    found = slide_findings.focus([Slide(str(index), fields=table) for index, table in enumerate(tables)], PAIRS)
    offsets = found["offsets"]
    counted = {row["focal_offset_um"]: row["fields"] for row in offsets["histogram"] if row["fields"]}
    assert counted == {0.0: 1, -0.5: 1, 1.0: 1}
    assert (offsets["fields"], offsets["beyond"]) == (4, 1)  # -30 µm lies 60 steps out, and 40 are drawn
    assert sum(row["expected_fields"] for row in offsets["histogram"]) == pytest.approx(4)
    assert offsets["mean_um"] == pytest.approx((0.24 - 0.26 + 1 - 30) / 4)
    assert {row["verdict"]: row["fields"] for row in found["verdicts"]} == {
        "ok": 6,
        "blank": 1,
        "edge": 0,
        "no peak": 0,
    }


def test_drawn_offsets_add_up() -> None:
    patches = pd.DataFrame({"focal_offset_um": [0.0, 0.0, -0.5, 3.0]})
    rows = slide_findings.drawn_offsets(DataSet("dataset1", patches, {}), PAIRS)
    assert {row["focal_offset_um"]: row["patches"] for row in rows if row["patches"]} == {-0.5: 1, 0.0: 2, 3.0: 1}
    assert sum(row["expected_patches"] for row in rows) == pytest.approx(4)


def test_the_largest_shift_is_of_a_usable_field() -> None:
    found = slide_findings.shift(
        [Slide("s", fields=focus_table([np.nan, 0.1, 0.2], ["ok", "ok", "blank"])), Slide("t")]
    )
    assert found == {"fields": 2, "largest": {"slide": "s", "field": "f1", "max_shift_px": 1.0}, "median_px": 0.5}
    assert slide_findings.shift([])["largest"] is None


def test_brightness_names_the_widest_field_and_the_matched_slides() -> None:
    steady = pd.DataFrame(
        {"field": ["f0", "f1"], "brightness_spread": [0.001, np.nan], "brightness_matched": [0, None]}
    )
    lamp = pd.DataFrame({"field": ["f0", "f1"], "brightness_spread": [0.02, 0.12], "brightness_matched": [1, 1]})
    found = slide_findings.focus([Slide("s", ingest=steady), Slide("t", ingest=lamp), Slide("u")], PAIRS)["brightness"]
    assert found == {"matched": ["t"], "widest": {"slide": "t", "field": "f1", "brightness_spread": 0.12}}
    assert slide_findings.focus([], PAIRS)["brightness"] == {"matched": [], "widest": None}


def _nothing(name: str) -> bytes:
    raise AssertionError(f"{name} is not to be read")


def test_every_table_says_that_brightness_was_matched() -> None:
    text = '{% import "macros.jinja" as m %}{% call m.scroll("label") %}<table></table>{% endcall %}'
    page = environment(_nothing, FigureSet({}), matched=["A", "B"]).from_string(text).render()
    assert "Brightness of planes matched before anything else in A and B (ingest.match_brightness)." in page
    assert "matched" not in environment(_nothing, FigureSet({}), matched=[]).from_string(text).render()


def test_what_was_left_out_is_listed_once() -> None:
    ingest = pd.DataFrame({"field": ["f0", "f1"], "reason": ["", "truncated"]})
    columns = ["field", "row", "column", "reason"]
    rows = [("f1", pd.NA, pd.NA, "truncated"), ("f0", 1, 2, "blank"), ("f0", 1, 3, "blank")]
    excluded = pd.DataFrame(rows, columns=columns).astype({"row": "Int64", "column": "Int64"})
    with_pairs = Slide("s", ingest=ingest, fields=focus_table([np.nan, 0.0], ["ok", "edge"]), excluded=excluded)
    without = Slide("t", fields=focus_table([np.nan, 0.0], ["ok", "edge"]))
    found = slide_findings.excluded([with_pairs, without])
    assert (found["fields"], found["patches"]) == (2, 2)
    assert [(row["stage"], row["slide"], row["field"], row["column"]) for row in found["list"]] == [
        ("ingest", "s", "f1", None),
        ("pairs", "s", "f0", 2),
        ("pairs", "s", "f0", 3),
        ("focus", "t", "f1", None),
    ]
    assert {(row["unit"], row["reason"], row["number"]) for row in found["reasons"]} == {
        ("field", "truncated", 1),
        ("field", "it is edge", 1),
        ("patch", "blank", 2),
    }


def test_reasons_are_merged_where_figures_alone_differ() -> None:
    assert slide_findings.merged(["tissue on 3.0%, less than 5%"] * 2) == "tissue on 3.0%, less than 5%"
    given = ["tissue on 3.0%, less than 5%", "tissue on 10.5%, less than 5%", "tissue on -4%, less than 5%"]
    assert slide_findings.merged(given) == "tissue on -4 to 10.5%, less than 5%"
    assert slide_findings.merged(["blank"]) == "blank"


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["--dataset", "dataset1", "--method", "tsva"], "--method"),
        (["--dataset", "dataset1", "--method", "y1"], "dataset1.tsv"),
        (settings_option(run=[1]), "key run"),
        (settings_option(train="{"), "key train"),
    ],
)
def test_mistakes_are_reported_where_they_are(tmp_path: Path, arguments: list[str], where: str) -> None:
    common = ["--seed", "1", "--results", str(tmp_path), "--out", str(tmp_path / "report")]
    with pytest.raises(UserError) as caught:
        CliRunner().invoke(command, [*common, *arguments], catch_exceptions=False)
    assert caught.value.where.endswith(where)
    assert not (tmp_path / "report").exists()
