"""Where the patches of a field lie; focus judges the same places that pairs cuts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One whole patch of a field: grid row and column, and the pixel of its upper left corner."""

    row: int
    column: int
    y_px: int
    x_px: int


def places(height_px: int, width_px: int, patch_px: int) -> Iterator[Place]:
    """Whole patches side by side, centred in the field; a 1024×1224 field holds 4 rows of 5 at 224 pixels.

    Parameters
    ----------
    height_px, width_px : int
        Size of the field.
    patch_px : int
        Edge of a square patch.

    Yields
    ------
    Place
        Row by row. Nothing, if the field is smaller than one patch.
    """
    rows, columns = height_px // patch_px, width_px // patch_px
    top, left = (height_px - rows * patch_px) // 2, (width_px - columns * patch_px) // 2
    for row in range(rows):
        for column in range(columns):
            yield Place(row, column, top + row * patch_px, left + column * patch_px)
