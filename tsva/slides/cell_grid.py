"""The grid of cells that a slide is measured and judged on: fixed to the slide, whatever blocks it is read in."""

from __future__ import annotations

from dataclasses import dataclass

CELL_PX = 64
"""Edge of a cell: 22 µm at 0.345 µm a pixel, two or three nuclei."""


@dataclass(frozen=True)
class CellGrid:
    """Cells of `CELL_PX` pixels from the slide's upper left corner on; those at the far edges may be smaller.

    Attributes
    ----------
    height, width : int
        Of the slide, in pixels.
    """

    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return -(-self.height // CELL_PX), -(-self.width // CELL_PX)

    def pixels(self, row: int, column: int) -> tuple[slice, slice]:
        """Pixels of a cell."""
        y, x = row * CELL_PX, column * CELL_PX
        return slice(y, min(y + CELL_PX, self.height)), slice(x, min(x + CELL_PX, self.width))

    def within(self, y: int, x: int, height: int, width: int) -> tuple[slice, slice]:
        """Cells that lie wholly in a region of the slide; a cell that the slide's edge cuts counts as what is there."""
        return _within(y, height, self.height), _within(x, width, self.width)

    def touched(self, y: int, x: int, height: int, width: int) -> tuple[slice, slice]:
        """Cells that a region of the slide has a pixel of."""
        return (
            slice(y // CELL_PX, -(-(y + height) // CELL_PX)),
            slice(x // CELL_PX, -(-(x + width) // CELL_PX)),
        )


def _within(start: int, length: int, whole: int) -> slice:
    first = -(-start // CELL_PX)
    stop = start + length
    last = -(-whole // CELL_PX) if stop >= whole else stop // CELL_PX
    return slice(first, max(first, last))
