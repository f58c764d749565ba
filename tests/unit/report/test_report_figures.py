"""Figures: colours and ids of the page, files of their own with the same numbers, nothing where there is nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from tsva.report.figures import FIGURES
from tsva.report.page import TEMPLATES
from tsva.report.plots import MUTED, SERIES, VARIABLES, FigureSet, Plot, as_csv, curve, drawing


def draw(figure: Any) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [1, 2], color=SERIES[0], label="line", marker="o")
    axes.plot([0, 1], [2, 1], color=MUTED)
    axes.set(xlabel="z (µm)")
    axes.legend()


def plot(name: str, label: str = "") -> Plot:
    return Plot(name, label, (3, 2), draw, [{"x": 0, "y": 1.5}, {"x": 1, "z": None}])


def test_the_page_gives_a_plot_its_colours_and_ids() -> None:
    text = drawing(plot("one", 'a "label" & more')).element
    assert text.startswith("<svg ") and text.endswith("</svg>")
    assert 'aria-label="a &quot;label&quot; &amp; more"' in text
    assert "var(--series0)" in text and "var(--muted)" in text
    assert not [colour for colour in VARIABLES if colour in text]
    assert text == drawing(plot("one", 'a "label" & more')).element
    assert 'id="one-' in text and 'id="one-' not in drawing(plot("two")).element


def test_files_stand_alone_with_the_light_colours() -> None:
    found = drawing(plot("one"))
    ElementTree.fromstring(found.svg)
    assert SERIES[0] in found.svg and "var(" not in found.svg
    assert found.pdf.startswith(b"%PDF") and found.pdf == drawing(plot("one")).pdf


def test_the_style_has_the_colours_of_the_files() -> None:
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"(--\w+): (#\w{6})", style[: style.index("@media")]))
    assert {variable: light[variable] for variable in VARIABLES.values()} == {v: c for c, v in VARIABLES.items()}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_series_stands_out_from_its_ground(theme: str) -> None:
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    cut = style.index("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"(--\w+): (#\w{6})", style[:cut] if theme == "light" else style[cut : cut + 900]))
    ground = luminance(found["--card"])
    for name in [f"--series{number}" for number in range(len(SERIES))] + [
        "--ink",
        "--muted",
        "--accent",
        "--good",
        "--bad",
    ]:
        high, low = sorted((luminance(found[name]), ground), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


@pytest.mark.parametrize("processes", [1, 2])
def test_a_book_puts_figures_where_they_were_asked_for_and_keeps_them(processes: int) -> None:
    figure_set = FigureSet({"some": lambda name: plot(name), "none": lambda: None})
    assert figure_set.none() is None
    texts = [
        f"before {figure_set.some('one')} between {figure_set.some('two')} after",
        f"again {figure_set.some('one')}",
    ]
    whole, again = figure_set.filled(*texts, processes=processes)
    assert re.fullmatch(r"before <svg.*</svg> between <svg.*</svg> after", whole, re.DOTALL)
    assert again.removeprefix("again ") == whole[len("before ") : whole.index(" between ")]
    assert sorted(figure_set.files) == [f"{name}.{kind}" for name in ("one", "two") for kind in ("csv", "pdf", "svg")]
    assert list(csv.DictReader(io.StringIO(figure_set.files["one.csv"].decode()))) == [
        {"x": "0", "y": "1.5", "z": ""},
        {"x": "1", "y": "", "z": ""},
    ]
    with pytest.raises(AttributeError):
        figure_set.unknown  # noqa: B018


def test_csv_quotes_what_needs_it() -> None:
    assert as_csv([{"name": 'a,"b"', "x": None}]) == b'name,x\n"a,""b""",\n'


def test_a_curve_spans_its_axes_and_leaves_gaps_out() -> None:
    text = curve([([0.0, 1.0, 2.0], [5.0, None, 7.0])], "z (µm)", "level", [1.0], "two points")
    assert text is not None
    svg = ElementTree.fromstring(str(text))
    (line,) = svg.iterfind("polyline")
    first, last = ([float(part) for part in point.split(",")] for point in (line.get("points") or "").split())
    assert first[0] < last[0] and first[1] > last[1]  # y grows upwards
    (mark,) = (path for path in svg.iterfind("path") if path.get("class") == "mark")
    middle = float(re.findall(r"M([\d.]+)", mark.get("d") or "")[0])
    assert middle == pytest.approx((first[0] + last[0]) / 2)
    assert [found.text for found in svg.iterfind("text")] == ["5", "7", "0", "2", "z (µm)", "level"]
    assert curve([([0.0], [1.0])], "x", "y") is None


def test_ends_of_an_axis_are_told_apart() -> None:
    text = str(curve([([0.0, 1.0], [99.96, 100.02])], "z (µm)", "% of median"))
    assert ">99.96<" in text and ">100.02<" in text
    text = str(curve([([-6.5, 6.5], [0.0, 0.03])], "z (µm)", "scale (%)"))
    assert ">0<" in text and ">0.03<" in text and ">−6.5<" in text and ">6.5<" in text


def test_there_is_no_plot_of_nothing() -> None:
    summary = {"focus": {"offsets": {"fields": 0}}, "datasets": [], "training": [], "answer": [], "run_times": []}
    for name in ("focal_positions", "training", "gain_by_size", "run_times"):
        assert FIGURES[name](summary) is None


def test_every_figure_stands_in_a_template() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.jinja"))
    assert [name for name in FIGURES if f"figures.{name}(" not in text] == []
    assert {"psnr_by_offset", "differences", "focal_positions", "training"} <= FIGURES.keys()


def test_figures_print_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    text = (made.results / "report/figures/gain-by-size.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    wanted = [
        row
        for row in made.summary["comparisons"]
        if (row["baseline"], row["protocol"], row["target"], row["sample"])
        == ("y1", "folded_continuous", "clean", None)
    ]
    assert len(rows) == len(wanted) > 0
    for row, found in zip(wanted, rows, strict=True):
        assert float(found["difference_db"]) == row["difference_db"] and found["method"] == row["method"]
    names = {path.stem for path in (made.results / "report/figures").iterdir()}
    for name in names:
        assert {path.suffix for path in (made.results / "report/figures").glob(f"{name}.*")} == {".svg", ".pdf", ".csv"}
