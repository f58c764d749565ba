"""Aliasing: a camera's coarser sampling folds the specimen's fine spectrum; the sum over layers on the way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tsva.optics.camera import Grid
from tsva.optics.otf import share_to_knots

PIECE = 128
"""Frequencies of one bin of the transfer function's table that are multiplied at once."""
PIECES_AT_ONCE = 32
STRIP = 4096
"""Camera frequencies summed at once. What both loops work on stays in the processor's cache."""


@dataclass(frozen=True)
class Fold:
    """Fine frequencies below a cut-off and the fine sampling's limit, once each, by their bin of a table of radii.

    Attributes
    ----------
    source : (P * PIECE,) int array
        Place in the fine half spectrum, flattened; bins are filled up to whole pieces.
    sign : (P * PIECE,) float array
        Of the imaginary part: -1 where the half spectrum holds the conjugate.
    factor : (P * PIECE,) complex array
        The pixel's own transfer function, and the shift from fine samples to pixel centres; 0 where a bin is filled up.
    bins : (P,) int array
        The table's bin of each piece.
    within : (P, 2 * PIECE) float array
        Distance of each frequency from its bin's first knot, on the table's axis; twice, for real and imaginary part.
    ranks : list of (Y * (X // 2 + 1),) int arrays
        The camera's sampling folds several fine frequencies onto each of its own. For every camera frequency the places
        of these in this order, one in each array; P * PIECE where there is none.
    """

    source: np.ndarray
    sign: np.ndarray
    factor: np.ndarray
    bins: np.ndarray
    within: np.ndarray
    ranks: list[np.ndarray]

    def working_memory(self, planes: int) -> int:
        """Real numbers that `of_layers` needs for so many planes."""
        return (len(self.source) + 1) * 2 * planes

    def gather(self, spectrum: np.ndarray) -> np.ndarray:
        """(P, PIECE) complex: the values of a fine half spectrum, pixel and shift applied."""
        part = spectrum.ravel().take(self.source)
        part.imag *= self.sign  # half the time of conjugates in places
        part *= self.factor
        return part.reshape(-1, PIECE)

    def of_layers(self, folded: np.ndarray, matter: np.ndarray, transfer: np.ndarray, memory: np.ndarray) -> None:
        """The sum over layers of transfer function times spectrum, as the camera's half spectra.

        Parameters
        ----------
        folded : (Z or more, Y, X // 2 + 1) complex array
            Filled in place.
        matter : (P, L, PIECE) complex array
            Of `gather`, layer by layer.
        transfer : (B, 4, L, Z) float array
            Cubic polynomials of the transfer function in each of the table's bins, highest power first.
        memory : float array
            Of `working_memory`.
        """
        (pieces, layers, _), planes, real = matter.shape, transfer.shape[-1], matter.real.dtype
        # a row a frequency: the real parts of all planes, then the imaginary ones; a last row of nothing
        rows = memory[: self.working_memory(planes)].reshape(-1, 2 * planes)
        rows[-1] = 0
        products = rows[:-1].reshape(pieces, 2 * PIECE, planes)
        values = matter.view(real)
        terms = np.empty((PIECES_AT_ONCE, 4, layers, 2 * PIECE), real)
        for start in range(0, pieces, PIECES_AT_ONCE):
            here = slice(start, start + PIECES_AT_ONCE)
            t = self.within[here]
            powers = np.stack((t * t * t, t * t, t, np.ones_like(t)), axis=1)
            some = np.multiply(powers[:, :, None], values[here, None], out=terms[: len(t)])
            some = some.reshape(len(t), 4 * layers, 2 * PIECE).transpose(0, 2, 1)
            # stacked products this small stay on one thread of OpenBLAS: sharing them out takes longer than they do
            np.matmul(some, transfer[self.bins[here]].reshape(len(t), 4 * layers, planes), out=products[here])
        parts = folded.view(real).reshape(len(folded), -1, 2)
        for start in range(0, parts.shape[1], STRIP):
            strip = slice(start, start + STRIP)
            summed = rows.take(self.ranks[0][strip], axis=0)
            for rank in self.ranks[1:]:
                summed += rows.take(rank[strip], axis=0)
            parts[:planes, strip, 0] = summed[:, :planes].T
            parts[:planes, strip, 1] = summed[:, planes:].T


@lru_cache(maxsize=6)
def fold_of(grid: Grid, cutoff: float, bins: int, dtype: np.dtype) -> Fold:
    """Every fine frequency below a cut-off and below the fine sampling's limit, once.

    Parameters
    ----------
    grid : Grid
        Sampling of camera and specimen.
    cutoff : float
        Where the table of transfer functions ends, cycles per µm.
    bins : int
        Of the table, evenly spaced on the axis of `share_to_knots`.
    dtype : numpy dtype
        Complex type of the spectra.
    """
    parts = [_part(grid, y, x, cutoff, dtype) for y in range(grid.fine) for x in range(grid.fine)]
    radius, source, mirrored, factor = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("radius", "source", "mirrored", "factor")
    )
    position = share_to_knots(radius / cutoff) * bins
    bin_of = np.minimum(position.astype(int), bins - 1)
    order = np.argsort(position, kind="stable")
    pieces_of = -(-np.bincount(bin_of, minlength=bins) // PIECE)
    first = np.concatenate(([0], np.cumsum(pieces_of)[:-1])) * PIECE
    sorted_bin = bin_of[order]
    starts = np.searchsorted(sorted_bin, np.arange(bins))
    place = np.empty(len(order), int)
    place[order] = first[sorted_bin] + np.arange(len(order)) - starts[sorted_bin]
    whole = int(pieces_of.sum()) * PIECE

    def placed(values: np.ndarray) -> np.ndarray:
        filled = np.zeros(whole, values.dtype)
        filled[place] = values
        return filled

    real = dtype.type(0).real.dtype
    within = placed((position - bin_of) / bins).astype(real)
    ends = np.cumsum([len(part.radius) for part in parts])
    known = np.append(place, whole)
    ranks = [
        known[np.where(part.at < len(part.radius), end - len(part.radius) + part.at, len(place))]
        for part, end in zip(parts, ends, strict=True)
        if len(part.radius)
    ]
    return Fold(
        source=placed(source),
        sign=placed(np.where(mirrored, -1, 1)).astype(real),
        factor=placed(factor),
        bins=np.repeat(np.arange(bins), pieces_of),
        within=np.repeat(within, 2).reshape(-1, 2 * PIECE),
        ranks=ranks,
    )


@dataclass(frozen=True)
class _Part:
    """Of a `Fold`, at most one fine frequency for each of the camera's; `at` is the one for each, or their number."""

    radius: np.ndarray
    source: np.ndarray
    mirrored: np.ndarray
    factor: np.ndarray
    at: np.ndarray


def _part(grid: Grid, fold_y: int, fold_x: int, highest: float, dtype: np.dtype) -> _Part:
    rows, columns = grid.shape_px
    row, f_y, factor_y = _axis(np.arange(rows) + fold_y * rows, rows, grid)
    column, f_x, factor_x = _axis(np.arange(columns // 2 + 1) + fold_x * columns, columns, grid)
    radius = np.hypot(f_y[:, None], f_x).ravel()
    # At the fine sampling's own limit a shift by half a sample has no meaning: nothing is carried there.
    carried = np.logical_and.outer(factor_y != 0, factor_x != 0).ravel() & (radius < highest)
    places = np.flatnonzero(carried)
    at_row, at_column = np.divmod(places, len(column))
    mirrored = column[at_column] < 0
    source_row = np.where(mirrored, -row[at_row], row[at_row]) % (grid.fine * rows)
    at = np.full(carried.size, len(places))
    at[places] = np.arange(len(places))
    return _Part(
        radius=radius[places],
        source=source_row * (grid.fine * columns // 2 + 1) + np.abs(column[at_column]),
        mirrored=mirrored,
        factor=(factor_y[at_row] * factor_x[at_column]).astype(dtype),
        at=at,
    )


def _axis(index: np.ndarray, edge_px: int, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signed index, frequency, and factor (pixel, shift, change of length) of fine frequencies along one axis."""
    fine_edge = grid.fine * edge_px
    signed = np.where(index < fine_edge / 2, index, index - fine_edge)
    frequency = signed / (edge_px * grid.pixel_um)
    shift_um = (1 - 1 / grid.fine) / 2 * grid.pixel_um
    factor = np.sinc(frequency * grid.pixel_um) * np.exp(2j * np.pi * shift_um * frequency) / grid.fine
    factor[2 * np.abs(signed) == fine_edge] = 0
    return signed, frequency, factor
