"""Plots as SVG in the page and as files, all figures of a report, and small curves.

SVG in a page has the colours of the page's style. Figures are noted where the page asks for them, drawn together, and
kept as files. A small curve has a few hundred bytes: one for each slide of a page that may have hundreds.
"""

from __future__ import annotations

import csv
import io
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tsva.processes import all_of

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


class FigureSet:
    """Figures by name, as attributes that a template calls: ``figures.training(summary)``.

    Parameters
    ----------
    figures : mapping of str to callable
        Each returns a `Plot`, or None where there is nothing to draw.

    Attributes
    ----------
    files : dict of str to bytes
        SVG, PDF and CSV of each figure that was drawn so far.
    """

    def __init__(self, figures: Mapping[str, Callable[..., Plot | None]]) -> None:
        self._figures = figures
        self._noted: dict[str, Plot] = {}
        self.files: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Callable[..., Markup | None]:
        if name.startswith("_") or name not in self._figures:
            raise AttributeError(name)

        def noted(*arguments: Any, **named: Any) -> Markup | None:
            plot = self._figures[name](*arguments, **named)
            return None if plot is None else self._note(plot)

        return noted

    def _note(self, plot: Plot) -> Markup:
        self._noted[plot.name] = plot
        return Markup(_mark(plot.name))  # of our own making

    def filled(self, *texts: str, processes: int = 1) -> list[str]:
        """Texts with each figure that they asked for in its place; so many processes draw them."""
        drawn = all_of([partial(drawing, plot) for plot in self._noted.values()], processes)
        for plot, found in zip(self._noted.values(), drawn, strict=True):
            self.files[f"{plot.name}.svg"] = found.svg.encode()
            self.files[f"{plot.name}.pdf"] = found.pdf
            if plot.rows:
                self.files[f"{plot.name}.csv"] = as_csv(plot.rows)
            texts = tuple(text.replace(_mark(plot.name), found.element) for text in texts)
        return list(texts)


def _mark(name: str) -> str:
    """Stands where a figure will be; names of figures are our own."""
    return f"<!-- figure {name} -->"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV under the names of all their keys; an empty cell where a row has no number."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


WIDTH, HEIGHT = 230, 118
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 30
"""Margins that hold the axes' numbers and names, in pixels."""

Line = tuple[Sequence[float | None], Sequence[float | None]]


def curve(
    lines: Sequence[Line], x_name: str, y_name: str, marks: Sequence[float] = (), label: str = "", dots: bool = False
) -> Markup | None:
    """Draw lines over a common axis.

    Parameters
    ----------
    lines : sequence of (x, y)
        Values; None or NaN leaves a point out.
    x_name, y_name : str
        What the axes show, with units.
    marks : sequence of float
        Positions on the x axis that are marked, such as the plane found in focus.
    label : str
        What a screen reader says.
    dots : bool
        Draw points instead of lines.

    Returns
    -------
    Markup or None
        An ``<svg>`` element with colours of the page's style; None where there are fewer than two points.
    """
    known = [_known(*line) for line in lines]
    points = [point for line in known for point in line]
    if len(points) < 2:
        return None
    x_ends, y_ends = _ends([x for x, _ in points]), _ends([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - x_ends[0]) / (x_ends[1] - x_ends[0]) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y_ends[0]) / (y_ends[1] - y_ends[0]) * (HEIGHT - TOP - BOTTOM),
        )

    parts = [
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">',
        f'<path class="frame" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>',
    ]
    for mark in marks:
        if x_ends[0] <= mark <= x_ends[1]:
            parts.append(f'<path class="mark" d="M{at(mark, 0)[0]:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    for number, line in enumerate(known):
        places = [at(*point) for point in line]
        if dots:
            parts += [f'<circle class="s{number % 6}" cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>' for x, y in places]
        elif places:
            parts.append(
                f'<polyline class="s{number % 6}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
            )
    middle = HEIGHT - BOTTOM
    parts += [
        *(_text(LEFT - 4, place, "end", text) for place, text in zip((middle, TOP + 8), _numbers(y_ends), strict=True)),
        _text(LEFT, middle + 12, "middle", _numbers(x_ends)[0]),
        _text(WIDTH - RIGHT, middle + 12, "end", _numbers(x_ends)[1]),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5, "middle", x_name),
        _text(-(TOP + middle) / 2, 11, "middle", y_name, ' transform="rotate(-90)"'),
    ]
    return Markup("".join(parts) + "</svg>")  # of our own making, names escaped


def _known(x: Sequence[float | None], y: Sequence[float | None]) -> list[tuple[float, float]]:
    pairs = zip(x, y, strict=True)
    return [(a, b) for a, b in pairs if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _text(x: float, y: float, anchor: str, text: str, more: str = "") -> str:
    return f'<text{more} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _numbers(ends: tuple[float, float]) -> tuple[str, str]:
    """Both ends of an axis, with as many digits as distinguish them: two of their difference, and at least three."""
    low, high = ends
    ahead = math.floor(math.log10(max(abs(low), abs(high), 1e-300))) + 1
    digits = max(3, ahead - math.floor(math.log10(high - low)) + 1)
    return _number(low, digits), _number(high, digits)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}g}".replace("-", "−")
