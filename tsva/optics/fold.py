"""How a camera's coarser sampling folds the specimen's fine spectrum, and the sum over layers on the way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from tsva.optics.camera import Grid
from tsva.optics.otf import share_to_knots

PRODUCT_SIZE = 200_000
"""Multiplications in one matrix product. OpenBLAS shares out larger ones among threads, which for products this small
takes longer than the product, and very much longer where the cores have other work."""


@dataclass(frozen=True)
class Fold:
    """Fine frequencies below the highest cut-off and the fine sampling's limit, once each, in order of their radius.

    Attributes
    ----------
    radius : (N,) float array
        Spatial frequency, cycles per µm, rising.
    source : (N,) int array
        Place in the fine half spectrum, flattened.
    mirrored : (N,) bool array
        Where the half spectrum holds the conjugate.
    factor : (N,) complex array
        The pixel's own transfer function, and the shift from fine samples to pixel centres.
    ranks : list of (Y * (X // 2 + 1),) int arrays
        The camera's sampling folds several fine frequencies onto each of its own. For every camera frequency the places
        of these in this order, one in each array; N where there is none.
    """

    radius: np.ndarray
    source: np.ndarray
    mirrored: np.ndarray
    factor: np.ndarray
    ranks: list[np.ndarray]

    def gather(self, spectrum: np.ndarray, count: int) -> np.ndarray:
        """(count,) complex: the first values of a fine half spectrum, pixel and shift applied."""
        part = spectrum.ravel()[self.source[:count]]
        np.conjugate(part, out=part, where=self.mirrored[:count])
        part *= self.factor[:count]
        return part

    def add_to(
        self, folded: np.ndarray, matter: np.ndarray, cutoff: float, transfer: np.ndarray, products: np.ndarray
    ) -> None:
        """Add the sum over layers of transfer function times spectrum to the camera's half spectra.

        Parameters
        ----------
        folded : (Z or more, Y, X // 2 + 1) complex array
            Changed in place.
        matter : (L, N') complex array
            Of `gather`: what lies below the cut-off.
        cutoff : float
            Where the table of transfer functions ends, cycles per µm.
        transfer : (B, Z, 4, L) float array
            Cubic polynomials of the transfer function in each of the table's bins, highest power first.
        products : (Z or more, N' + 1 or more) complex array
            Working memory.
        """
        (layers, count), planes, real = matter.shape, transfer.shape[1], matter.real.dtype
        bins = transfer.shape[0]
        position = share_to_knots(self.radius[:count] / cutoff) * bins
        borders = np.searchsorted(position, np.arange(bins + 1))
        t = ((position - np.floor(position)) / bins).astype(real)
        powers = np.stack((t * t * t, t * t, t, np.ones_like(t)))
        piece = max(8, PRODUCT_SIZE // (8 * planes * layers))
        for index, (first, last) in enumerate(pairwise(borders)):
            polynomials = transfer[index].reshape(planes, 4 * layers)
            for start in range(first, last, piece):
                here = slice(start, min(start + piece, last))
                terms = (powers[:, None, here] * matter[:, here]).reshape(4 * layers, -1)
                products[:planes, here] = (polynomials @ terms.view(real)).view(matter.dtype)
        products[:, count] = 0
        backs = [np.minimum(rank, count) for rank in self.ranks if rank.min() < count]
        for plane, product in zip(folded, products[:planes], strict=False):
            for back in backs:
                plane += product.take(back).reshape(plane.shape)


@lru_cache(maxsize=2)
def fold_of(grid: Grid, highest: float, dtype: np.dtype) -> Fold:
    """Every fine frequency below `highest` (cycles per µm) and below the fine sampling's limit, once.

    Parameters
    ----------
    grid : Grid
        Sampling of camera and specimen.
    highest : float
        Highest cut-off among the colours.
    dtype : numpy dtype
        Complex type of the spectra.
    """
    parts = [_part(grid, y, x, highest, dtype) for y in range(grid.fine) for x in range(grid.fine)]
    radius, source, mirrored, factor = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("radius", "source", "mirrored", "factor")
    )
    order = np.argsort(radius, kind="stable")
    rank = np.empty(len(order) + 1, int)
    rank[order], rank[-1] = np.arange(len(order)), len(order)
    ends = np.cumsum([len(part.radius) for part in parts])
    ranks = [
        rank[np.where(part.at < len(part.radius), end - len(part.radius) + part.at, len(order))]
        for part, end in zip(parts, ends, strict=True)
    ]
    return Fold(radius[order], source[order], mirrored[order], factor[order], ranks)


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
