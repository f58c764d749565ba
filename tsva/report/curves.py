"""Small curves as SVG of a few hundred bytes: one for each slide of a page that may have hundreds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

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
