"""Plots as SVG that stands in the page itself and takes its colours (light, dark, print) from the page's style."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import Any

import matplotlib
from matplotlib.figure import Figure

INK, MUTED, GRID, BAND = "#010203", "#010204", "#010205", "#010206"
SERIES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006")
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Series differ by marker too, not by colour alone."""
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", BAND: "--band"} | {
    colour: f"--series{index}" for index, colour in enumerate(SERIES)
}
"""Colours that are written by matplotlib and read as variables of the page's style."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
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


def svg(draw: Callable[[Figure], None], name: str, label: str, size_in: tuple[float, float]) -> str:
    """Draw a figure and return it as an SVG element for the page.

    Parameters
    ----------
    draw : callable
        Draws on the empty figure that it is given.
    name : str
        Unique on the page; the element's ids begin with it.
    label : str
        What a screen reader says of it.
    size_in : tuple of float
        Width and height in inches; the element scales to the width that it finds.

    Returns
    -------
    str
        One ``<svg>`` element; the same input gives the same text.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size_in, layout="constrained")
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _for_page(buffer.getvalue(), name, label)


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
