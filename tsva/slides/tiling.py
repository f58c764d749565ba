"""How a slide is cut for its way through the network: cores side by side, and what is read around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

JUDGED_PX = 64
"""Around a core, results are judged so far: one cell, as the blend in a cell depends on its neighbours' verdicts."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the slide's pixels."""

    y: int
    x: int
    height: int
    width: int

    def grown(self, margin: int, shape: tuple[int, int]) -> Box:
        """With so many pixels more on each side, within a slide of this shape."""
        y, x = max(self.y - margin, 0), max(self.x - margin, 0)
        bottom, right = min(self.y + self.height + margin, shape[0]), min(self.x + self.width + margin, shape[1])
        return Box(y, x, bottom - y, right - x)

    def cut(self, pixels: np.ndarray, frame: Box) -> np.ndarray:
        """This part of pixels, (Y, X, …), that cover `frame`."""
        y, x = self.y - frame.y, self.x - frame.x
        return pixels[y : y + self.height, x : x + self.width]


@dataclass(frozen=True)
class Unit:
    """What goes through the network at once.

    Attributes
    ----------
    row, column : int
        In the grid of units.
    core : Box
        What is kept.
    judged : Box
        What is judged: the core and `JUDGED_PX` around it, in whole cells of the network.
    restored : Box
        What the network gets: `judged` and its halo.
    read : Box
        What is read: `restored`, and what aligning the shots needs around it.
    """

    row: int
    column: int
    core: Box
    judged: Box
    restored: Box
    read: Box


def units(
    shape: tuple[int, int],
    core_px: int,
    *,
    halo_px: int,
    multiple: int,
    align_px: int,
    origin: tuple[int, int] = (0, 0),
) -> Iterator[Unit]:
    """All units of a slide, row by row.

    Parameters
    ----------
    shape : (int, int)
        Of the slide.
    core_px : int
        Edge of the cores: whole cells of trust and of the network.
    halo_px, multiple : int
        Of the network.
    align_px : int
        Margin that aligning needs.
    origin : (int, int)
        Where the grid of cores begins, in (-core_px, 0]: whole cells of trust. The result does not depend on it.
    """
    judged_px, halo = (-(-margin // multiple) * multiple for margin in (JUDGED_PX, halo_px))
    for row, top in enumerate(range(origin[0], shape[0], core_px)):
        for column, left in enumerate(range(origin[1], shape[1], core_px)):
            y, x = max(top, 0), max(left, 0)
            core = Box(y, x, min(top + core_px, shape[0]) - y, min(left + core_px, shape[1]) - x)
            judged = core.grown(judged_px, shape)
            restored = judged.grown(halo, shape)
            yield Unit(row, column, core, judged, restored, restored.grown(align_px, shape))
