"""Sharpness curves drawn with characters, and with pictures of the planes as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsva.atomic import fresh_file
from tsva.cli.inspecting.fitness import FieldVerdict
from tsva.settings.acquisition import PairsSettings

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


mpl.use("Agg")
INK, BAND, MARK = "#1b1b1b", "#d9e6f2", "#b3261e"
CROP_PX = 224


def draw_stacks(path: Path, fields: Sequence[FieldVerdict], pairs: PairsSettings) -> None:
    """Draw a row for each field: its curve with what offsets can reach, and crops at three heights.

    Parameters
    ----------
    path : Path
        PNG.
    fields : sequence of FieldVerdict
        Those with a stack are drawn; at least one.
    pairs : PairsSettings
        Its reach is shaded.
    """
    drawn = [field for field in fields if field.stack is not None]
    figure = Figure(figsize=(12, 3.1 * len(drawn)), layout="constrained")
    grid = figure.add_gridspec(len(drawn), 4, width_ratios=(2.2, 1, 1, 1))
    reach_um = pairs.offset_max_um + pairs.delta_um
    for line, field in enumerate(drawn):
        stack = field.stack
        assert stack is not None
        sharpest = int(np.argmax(field.brenner))
        focus_um = stack.z_um[sharpest]
        axes = figure.add_subplot(grid[line, 0])
        axes.axvspan(focus_um - reach_um, focus_um + reach_um, color=BAND, label=f"offsets reach ±{reach_um:g} µm")
        axes.axvline(
            focus_um, color=MARK, lw=1, label=f"{'in focus' if field.verdict == 'ok' else 'sharpest'}: {focus_um:g} µm"
        )
        axes.plot(stack.z_um, field.brenner, "o-", color=INK, ms=3, lw=1)
        axes.set(title=f"{field.name}: {field.verdict}", xlabel="z (µm)", ylabel="Brenner gradient")
        axes.set_ylim(0, 1.4 * max(field.brenner))  # room for the legend
        axes.legend(fontsize=8, loc="upper right")
        top, left = _busiest(stack.planes[sharpest])
        for column, plane in enumerate(_three_planes(stack.z_um, sharpest, reach_um), start=1):
            if plane is None:
                continue
            crop = stack.planes[plane, top : top + CROP_PX, left : left + CROP_PX]
            _show(figure.add_subplot(grid[line, column]), crop, f"z = {stack.z_um[plane]:g} µm")
    _save(figure, path)


def draw_fields(path: Path, fields: Sequence[tuple[str, np.ndarray, str]]) -> None:
    """Draw fields (name, (Y, X, C) pixels, reason) of a sharp image side by side; those left out carry the reason."""
    shown = fields[:4]
    figure = Figure(figsize=(3.2 * len(shown), 3.9), layout="constrained")
    for number, (name, pixels, reason) in enumerate(shown, start=1):
        _show(figure.add_subplot(1, len(shown), number), pixels, f"{name}\n{reason or 'usable'}")
    _save(figure, path)


def _three_planes(z_um: np.ndarray, sharpest: int, reach_um: float) -> tuple[int | None, int, int | None]:
    """The sharpest plane, and on either side the plane nearest to the end of the reach, where there is one."""
    below, above = np.arange(sharpest), np.arange(sharpest + 1, len(z_um))
    away = np.abs(np.abs(z_um - z_um[sharpest]) - reach_um)
    ends = [int(side[np.argmin(away[side])]) if len(side) else None for side in (below, above)]
    return ends[0], sharpest, ends[1]


def _busiest(plane: np.ndarray) -> tuple[int, int]:
    """Corner of the crop with the most contrast, so that it is tissue that is shown."""
    height, width = plane.shape[:2]
    corners = [
        (y, x)
        for y in range(0, max(height - CROP_PX, 0) + 1, CROP_PX // 2)
        for x in range(0, max(width - CROP_PX, 0) + 1, CROP_PX // 2)
    ]
    return max(corners, key=lambda corner: _contrast(plane, *corner))


def _contrast(plane: np.ndarray, y: int, x: int) -> float:
    return float(np.abs(np.diff(plane[y : y + CROP_PX : 2, x : x + CROP_PX, 0].astype(np.int16), axis=1)).mean())


def _show(axes: Axes, pixels: np.ndarray, title: str) -> None:
    axes.imshow(pixels[..., 0] if pixels.shape[2] == 1 else pixels, cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, fontsize=9)
    axes.axis("off")


def _save(figure: Figure, path: Path) -> None:
    with fresh_file(path) as part:
        figure.savefig(part, dpi=110, format="png", metadata={"Software": None})
