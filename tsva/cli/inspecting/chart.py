"""A curve drawn with characters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN = " #"
"""For terminals and files that know no more than ASCII."""
WIDEST_BAR = 6


def chart(
    z_um: Sequence[float],
    values: Sequence[float],
    mark: int | None,
    *,
    width: int,
    height: int = 8,
    plain: bool = False,
) -> list[str]:
    """Draw bars, a plane each, from zero up.

    Parameters
    ----------
    z_um : sequence of float
        Position of each plane, rising; bars stand side by side, however far apart the planes are.
    values : sequence of float
        At least one, none below zero. Where there are more than columns, each bar is the highest of its neighbours.
    mark : int or None
        The plane to point at.
    width, height : int
        Characters in a line, and lines of bars.
    plain : bool
        Draw in ASCII.

    Returns
    -------
    list of str
        Lines of at most `width` characters: the bars, the mark and the positions.
    """
    steps = PLAIN if plain else BLOCKS
    top = max(values)
    label = f"{top:.3g}"
    room = max(width - len(label) - 2, 1)
    groups = np.array_split(np.arange(len(values)), min(room, len(values)))
    bar = max(1, min(WIDEST_BAR, room // len(groups)))
    gap = " " if bar > 2 else ""
    heights = [max(values[i] for i in group) / top if top > 0 else 0.0 for group in groups]
    lines = []
    for line in range(height, 0, -1):
        cells = [steps[_eighths(share * height - (line - 1), len(steps) - 1)] for share in heights]
        edge = label if line == height else "0" if line == 1 else ""
        lines.append(f"{edge:>{len(label)}} |" + "".join(cell * (bar - len(gap)) + gap for cell in cells).rstrip())
    pad = " " * (len(label) + 2)
    if mark is not None:
        place = next(number for number, group in enumerate(groups) if mark in group)
        lines.append(pad + " " * (place * bar + (bar - len(gap) - 1) // 2) + ("^" if plain else "▲"))
    lines.append(pad + _axis(z_um, len(groups) * bar - len(gap), plain))
    return [line[:width] for line in lines]


def _eighths(share: float, most: int) -> int:
    """How much of a line a bar fills: with blocks, anything above nothing shows; in ASCII, a half or more does."""
    filled = math.ceil(share * most - 1e-9) if most > 1 else math.floor(share + 0.5)
    return min(max(filled, 0), most)


def _axis(z_um: Sequence[float], width: int, plain: bool) -> str:
    first, last = f"{z_um[0]:g}", f"{z_um[-1]:g} {'um' if plain else 'µm'}"
    return first if len(z_um) == 1 else first + " " * max(width - len(first) - len(last), 1) + last
