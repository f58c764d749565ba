"""Plots as SVG that stands in the page itself, with colours of the page's style, and as SVG and PDF files."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

logging.getLogger("fontTools").setLevel(logging.WARNING)  # says how each font of a PDF was cut

INK, MUTED, GRID, BAND = "#1c1f23", "#5b6470", "#dfe2e6", "#eef0f2"
SERIES = ("#0072b2", "#c74f00", "#00795a", "#a8487f", "#7a5c00", "#3b3fa8")
"""After Okabe and Ito, darkened to a contrast of 4.5 to 1 on white: distinct for colour-blind readers."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
"""Series differ by marker too, not by colour alone."""
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", BAND: "--band"} | {
    colour: f"--series{index}" for index, colour in enumerate(SERIES)
}
"""Colours of files of their own, which in the page are variables of its style (light, dark, print)."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "pdf.fonttype": 3,
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True)
class Plot:
    """A figure and the numbers in it.

    Attributes
    ----------
    name : str
        Unique in a report: of its files, and what ids of its element begin with.
    label : str
        What a screen reader says of it.
    size_in : tuple of float
        Width and height in inches; in the page it scales to the width that it finds.
    draw : callable
        Draws on the empty figure that it is given.
    rows : sequence of mappings
        The numbers drawn, a row a point, for a CSV.
    """

    name: str
    label: str
    size_in: tuple[float, float]
    draw: Callable[[Figure], None]
    rows: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Drawing:
    """A figure as an element of the page (`element`), and as files of its own: `svg` (text) and `pdf` (bytes)."""

    element: str
    svg: str
    pdf: bytes


def drawing(plot: Plot) -> Drawing:
    """Draw a figure; the same input gives the same output."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": plot.name}):
        figure = Figure(figsize=plot.size_in, layout="constrained")
        plot.draw(figure)
        layout = figure.get_layout_engine()
        assert layout is not None
        layout.execute(figure)
        figure.set_layout_engine("none")  # the layout has been found; both files share it
        text, pdf = io.StringIO(), io.BytesIO()
        # savefig draws twice each time, to find out what a layout needs
        dpi = figure.dpi
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
        figure.dpi = dpi
        FigureCanvasPdf(figure).print_pdf(pdf, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return Drawing(_for_page(text.getvalue(), plot.name, plot.label), text.getvalue(), pdf.getvalue())


def _for_page(text: str, name: str, label: str) -> str:
    """Cut what surrounds the element, make its ids the page's own, and hand its colours and fonts to the style."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-")
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = text.replace("'DejaVu Sans'", "var(--font)")
    view = re.search(r'viewBox="[^"]*"', text)
    assert view is not None, "matplotlib writes a viewBox"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {view[0]} role="img"'
    return f'{head} aria-label="{escape(label, quote=True)}">' + text[text.index(">") + 1 :].strip()
