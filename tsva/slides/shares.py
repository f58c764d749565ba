"""How much of the restoration goes into each cell of a slide, as far as units have been judged.

What is blended in a cell depends on the cells around it, so that each unit's neighbours are judged, too. Units that
come in order find those above and to the left judged already.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.slides.grid import Box, CellGrid, Unit, box_of


@dataclass(frozen=True)
class Shares:
    """Shares of cells that were judged together, (r, k) float32 from a row and a column on."""

    row: int
    column: int
    share: np.ndarray

    def place(self, cells: tuple[slice, slice]) -> tuple[slice, slice]:
        """Where rows and columns of the slide's cells lie among these."""
        rows, columns = cells
        return (
            slice(rows.start - self.row, rows.stop - self.row),
            slice(columns.start - self.column, columns.stop - self.column),
        )


class KnownShares:
    """Shares of a slide's cells, known from the units that were restored.

    A unit's own cells count as that unit judged them; of others the first judgement counts. So what is known follows
    from the units alone, in whichever run they were restored.

    Parameters
    ----------
    grid : CellGrid
    in_order : bool
        Whether all units come, in their order; otherwise each one is judged with all that is around it.
    """

    def __init__(self, grid: CellGrid, in_order: bool) -> None:
        self._grid, self._in_order = grid, in_order
        self._share = np.full(grid.shape, np.nan, np.float32)

    def to_judge(self, unit: Unit) -> Box:
        """The least box about a unit's cells and those around them that are not known."""
        if not self._in_order:
            return unit.judged
        area = _cells(self._grid, unit.judged)
        wanted = Shares(area[0].start, area[1].start, np.isnan(self._share[area]))
        wanted.share[wanted.place(_cells(self._grid, unit.core))] = True
        return box_of(wanted.share, (wanted.row, wanted.column)).within(unit.judged)

    def add(self, unit: Unit, shares: Shares) -> None:
        """Take in what was judged of and around a unit."""
        height, width = shares.share.shape
        known = self._share[shares.row : shares.row + height, shares.column : shares.column + width]
        counts = np.isnan(known) if self._in_order else np.ones(known.shape, bool)
        counts[shares.place(_cells(self._grid, unit.core))] = True
        np.copyto(known, shares.share, where=counts)

    def window(self, unit: Unit) -> np.ndarray:
        """Of a unit's cells and of one around them; those at the slide's edge stand for the ones beyond."""
        at = [
            np.clip(np.arange(cells.start - 1, cells.stop + 1), 0, count - 1)
            for cells, count in zip(_cells(self._grid, unit.core), self._grid.shape, strict=True)
        ]
        return np.asarray(self._share[np.ix_(*at)])


def _cells(grid: CellGrid, box: Box) -> tuple[slice, slice]:
    return grid.touched(box.y, box.x, box.height, box.width)
