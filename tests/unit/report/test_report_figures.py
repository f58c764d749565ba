"""Plots: colours and ids of the page, nothing where there is nothing."""

from __future__ import annotations

from typing import Any

from tsva.report import figures
from tsva.report.page import TEMPLATES
from tsva.report.svg import MUTED, SERIES, VARIABLES, svg


def draw(figure: Any) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [1, 2], color=SERIES[0], label="line", marker="o")
    axes.plot([0, 1], [2, 1], color=MUTED)
    axes.legend()


def test_plots_take_colours_and_ids_from_the_page() -> None:
    text = svg(draw, "one", 'a "label" & more', (3, 2))
    assert text.startswith("<svg ") and text.endswith("</svg>")
    assert 'aria-label="a &quot;label&quot; &amp; more"' in text
    assert "var(--series0)" in text and "var(--muted)" in text
    assert not [colour for colour in VARIABLES if colour in text]
    assert text == svg(draw, "one", 'a "label" & more', (3, 2))
    assert 'id="one-' in text and 'id="one-' not in svg(draw, "two", "", (3, 2))


def test_there_is_no_plot_of_nothing() -> None:
    summary = {"focus": {"offsets": {"fields": 0}}, "datasets": [], "training": []}
    assert figures.focal_positions(summary) is None
    assert figures.training(summary) is None


def test_every_figure_stands_in_a_template() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.jinja"))
    assert [name for name in figures.FIGURES if f"figures.{name}(" not in text] == []
    assert {"psnr_by_offset", "differences", "focal_positions", "training"} <= figures.FIGURES.keys()
