"""Images of layered specimens at many stage positions, in the Fourier domain (eqs. 2 and 3).

Every layer is transformed once at its own fine sampling. A plane's spectrum is the sum over the layers of spectrum
times transfer function; because the transfer function depends on the radius alone, frequencies are sorted by radius
and the sum over layers becomes a small matrix product for each radial bin. The camera's coarser sampling folds the
spectrum, so that the transform back has the camera's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.fft
from scipy.interpolate import CubicSpline

from tsva.optics.frame import Grid
from tsva.optics.layers import focal_heights, layer_heights, layer_weights
from tsva.optics.otf import OtfTable, share_to_knots
from tsva.specimen import Specimen

PLANES_AT_ONCE = 16
"""Bounds the memory of the spectra on their way back; more is no faster."""
PRODUCT_SIZE = 200_000
"""Multiplications in one matrix product. OpenBLAS shares out larger ones among threads, which for products this small
takes longer than the product, and very much longer where the cores have other work."""


def image_layers(
    layers: Callable[[int], Iterable[np.ndarray]],
    heights_um: np.ndarray,
    z_um: np.ndarray,
    table: OtfTable,
    grid: Grid,
    *,
    dtype: type = np.float32,
    threads: int = 1,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Image absorbing layers, colour by colour and plane by plane.

    Parameters
    ----------
    layers : callable
        Gives, for a colour (0, 1, 2), what each layer takes away of the light: L arrays of the fine sampling. Only one
        is held at a time.
    heights_um : (L,) float array
        Stage positions at which the layers are in focus.
    z_um : (Z,) float array
        Stage positions of the planes.
    table : OtfTable
        The microscope's transfer functions.
    grid : Grid
        Sampling; the specimen is continued periodically, so leave a margin.
    dtype : type
        Of computation and result: numpy.float32 or numpy.float64.
    threads : int
        Of the Fourier transforms.

    Yields
    ------
    plane, channel : int
        Indices; all planes of a colour come before the next colour.
    image : (Y, X) array
        Transmitted over incident intensity, averaged over each camera pixel: one less what the layers take away.
    """
    z_um = np.atleast_1d(z_um)
    defocus = np.subtract.outer(z_um, heights_um)
    for channel in range(3):
        if len(heights_um) == 0:
            yield from ((plane, channel, np.ones(grid.shape_px, dtype)) for plane in range(len(z_um)))
            continue
        transfer = CubicSpline(table.knots(), table.at_knots(channel, defocus.ravel())).c
        transfer = np.ascontiguousarray(transfer.reshape(4, -1, *defocus.shape).transpose(1, 2, 0, 3), dtype)
        bands = _bands(grid, table.cutoffs[channel], transfer.shape[0])
        matter = [np.empty((len(heights_um), len(band.source)), np.result_type(dtype, np.complex64)) for band in bands]
        for index, layer in enumerate(layers(channel)):
            spectrum = scipy.fft.rfft2(np.asarray(layer, dtype), workers=threads)
            for band, part in zip(bands, matter, strict=True):
                part[index] = band.gather(spectrum)
        # Working memory is taken once: fresh pages cost as much as the arithmetic on them.
        folded = np.empty((PLANES_AT_ONCE, grid.shape_px[0], grid.shape_px[1] // 2 + 1), matter[0].dtype)
        products = np.empty((PLANES_AT_ONCE, max(part.shape[1] for part in matter) + 1), matter[0].dtype)
        for start in range(0, len(z_um), PLANES_AT_ONCE):
            some = transfer[:, start : start + PLANES_AT_ONCE]
            folded[:] = 0
            for band, part in zip(bands, matter, strict=True):
                band.add_to(folded, part, some, products)
            for index in range(some.shape[1]):
                yield start + index, channel, 1 - scipy.fft.irfft2(folded[index], grid.shape_px, workers=threads)


def image_specimen(
    specimen: Specimen,
    surface_um: np.ndarray,
    z_um: np.ndarray,
    table: Callable[[float], OtfTable],
    grid: Grid,
    *,
    spacing_um: float,
    threads: int = 1,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Image a specimen on its focal surface; further parameters and what it yields as in `image_layers`.

    Parameters
    ----------
    specimen : Specimen
        Sampled `grid.fine` times as finely as the camera.
    surface_um : (Y, X) float array
        Focal surface at the specimen's samples.
    table : callable
        Gives a table of transfer functions that reaches as far as it is told, in µm.
    spacing_um : float
        Distance between layers.

    Raises
    ------
    ValueError
        If specimen and grid don't fit.
    """
    if specimen.transmittance.shape[:2] != tuple(grid.fine * edge for edge in grid.shape_px):
        raise ValueError(f"a specimen of {specimen.transmittance.shape} on a camera of {grid.shape_px} × {grid.fine}")
    if abs(specimen.pixel_um * grid.fine / grid.pixel_um - 1) > 1e-6:
        raise ValueError(f"samples of {specimen.pixel_um} µm; wanted {grid.pixel_um} / {grid.fine}")
    heights = layer_heights(specimen, surface_um, spacing_um)
    reach = float(np.abs(np.subtract.outer(np.atleast_1d(z_um), heights)).max(initial=0))
    middles = focal_heights(specimen, surface_um)

    def layers(channel: int) -> Iterator[np.ndarray]:
        taken = 1 - specimen.transmittance[:, :, channel]
        # Weights are computed anew for every colour: that is quicker than the pages to keep them in.
        for weight in layer_weights(middles, specimen.thickness_um, heights, spacing_um):
            weight *= taken
            yield weight

    return image_layers(layers, heights, z_um, table(reach), grid, threads=threads)


@dataclass(frozen=True)
class _Band:
    """Fine frequencies that the camera's sampling folds onto its own, one each; sorted by radius.

    Attributes
    ----------
    source : (N,) int array
        Their place in the fine half spectrum, flattened.
    mirrored : bool or (N,) bool array
        Where the half spectrum holds the conjugate.
    factor : (N,) complex array
        The pixel's own transfer function, and the shift from fine samples to pixel centres.
    bins : (B + 1,) int array
        Where each radial bin begins.
    fraction : (N,) float array
        Place within the bin, in units of the table's axis.
    back : (Y * (X // 2 + 1),) int array
        For every camera frequency, its place in the sorted order; N where light carries nothing.
    """

    source: np.ndarray
    mirrored: np.ndarray
    factor: np.ndarray
    bins: np.ndarray
    fraction: np.ndarray
    back: np.ndarray

    def gather(self, spectrum: np.ndarray) -> np.ndarray:
        """A layer's fine half spectrum in sorted order, (N,)."""
        part = spectrum.ravel()[self.source]
        np.conjugate(part, out=part, where=self.mirrored)
        part *= self.factor.astype(part.dtype)
        return part

    def add_to(self, folded: np.ndarray, matter: np.ndarray, transfer: np.ndarray, products: np.ndarray) -> None:
        """Add the sum over layers of transfer function times spectrum to the camera's half spectra.

        Parameters
        ----------
        folded : (Z or more, Y, X // 2 + 1) complex array
            Changed in place.
        matter : (L, N) complex array
            Sorted spectra.
        transfer : (B, Z, 4, L) float array
            Cubic polynomials of the transfer function in each radial bin, highest power first.
        products : (Z or more, N + 1 or more) complex array
            Working memory.
        """
        (layers, count), planes, real = matter.shape, transfer.shape[1], matter.real.dtype
        t = self.fraction.astype(real)
        powers = np.stack((t * t * t, t * t, t, np.ones_like(t)))
        piece = max(8, PRODUCT_SIZE // (8 * planes * layers))
        for index, (first, last) in enumerate(pairwise(self.bins)):
            polynomials = transfer[index].reshape(planes, 4 * layers)
            for start in range(first, last, piece):
                here = slice(start, min(start + piece, last))
                terms = (powers[:, None, here] * matter[:, here]).reshape(4 * layers, -1)
                products[:planes, here] = (polynomials @ terms.view(real)).view(matter.dtype)
        products[:, count] = 0
        for plane, product in zip(folded, products[:planes], strict=False):
            plane += product.take(self.back).reshape(plane.shape)


def _bands(grid: Grid, cutoff: float, bin_count: int) -> list[_Band]:
    """All frequencies below the cut-off and the fine sampling's limit, by how the camera folds them."""
    rows, columns = grid.shape_px
    bands = []
    for fold_y in range(grid.fine):
        for fold_x in range(grid.fine):
            row = np.arange(rows) + fold_y * rows
            column = np.arange(columns // 2 + 1) + fold_x * columns
            band = _band(grid, row, column, cutoff, bin_count)
            if len(band.source):
                bands.append(band)
    return bands


def _band(grid: Grid, row: np.ndarray, column: np.ndarray, cutoff: float, bin_count: int) -> _Band:
    fine_rows, fine_columns = (grid.fine * edge for edge in grid.shape_px)
    signed_row = np.where(row < fine_rows / 2, row, row - fine_rows)
    signed_column = np.where(column < fine_columns / 2, column, column - fine_columns)
    step = grid.pixel_um / grid.fine
    f_y = signed_row[:, None] / (fine_rows * step)
    f_x = signed_column[None, :] / (fine_columns * step)
    position = share_to_knots(np.hypot(f_y, f_x) / cutoff) * bin_count
    # At the fine sampling's own limit a shift by half a sample has no meaning: nothing is carried there.
    carried = (position < bin_count) & (2 * np.abs(signed_row) < fine_rows)[:, None]
    carried &= 2 * np.abs(signed_column) < fine_columns

    places = np.flatnonzero(carried)
    position = position.ravel()[places]
    order = np.argsort(position, kind="stable")
    places, position = places[order], position[order]
    at_row, at_column = signed_row[places // len(column)], signed_column[places % len(column)]
    mirrored = at_column < 0
    source_row = np.where(mirrored, -at_row, at_row) % fine_rows
    shift = np.pi * (1 - 1 / grid.fine) * grid.pixel_um
    f_y, f_x = f_y.ravel()[places // len(column)], f_x.ravel()[places % len(column)]
    back = np.full(carried.size, len(places))
    back[places] = np.arange(len(places))
    return _Band(
        source=source_row * (fine_columns // 2 + 1) + np.abs(at_column),
        mirrored=mirrored,
        factor=np.sinc(f_y * grid.pixel_um)
        * np.sinc(f_x * grid.pixel_um)
        * np.exp(1j * shift * (f_y + f_x))
        / grid.fine**2,
        bins=np.searchsorted(position, np.arange(bin_count + 1)),
        fraction=(position - np.floor(position)) / bin_count,
        back=back,
    )
