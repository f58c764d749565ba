"""The planes of a TIFF file that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tifffile import TiffPage, TiffPageSeries

from tsva.errors import UserError
from tsva.io.pixels import as_grey_or_rgb, unreadable
from tsva.io.tiff import as_shown, check_page, read_page, reading

PLANE_AXES = "ZIQ"
"""Axes that may count planes: Z, or the unnamed ones of plain multi-page files."""


def planes_of(series: TiffPageSeries, path: Path, order: Iterable[int]) -> Iterator[np.ndarray]:
    """Planes of a series one by one; channels that are pages of their own are put together.

    Parameters
    ----------
    series : TiffPageSeries
        Of a file opened by `open_tiff`.
    path : Path
        The file.
    order : iterable of int
        Numbers of the planes.

    Yields
    ------
    (Y, X, C) uint8 array
        C is 1 or 3.
    """
    where, key = str(path), series.keyframe
    check_page(key, where)
    z_axis = _plane_axis(series, where)
    shape = series.shape[: len(series.axes) - len(key.axes)]
    # one row of page numbers a plane
    pages = np.arange(int(np.prod(shape))).reshape(shape or 1)
    pages = pages.reshape(1, -1) if z_axis is None else np.moveaxis(pages, z_axis, 0).reshape(shape[z_axis], -1)
    mapped = None
    if series.dataoffset is not None:
        with reading(where):
            mapped = np.memmap(path, np.uint8, "r", series.dataoffset, (pages.size, *key.shape))
    for plane in order:
        channels = [
            _page(series, index, where) if mapped is None else _mapped(mapped[index], key, where)
            for index in pages[plane]
        ]
        yield channels[0] if len(channels) == 1 else as_grey_or_rgb(np.concatenate(channels, axis=-1), where)


def count_planes(series: TiffPageSeries, where: str) -> int:
    """Number of planes of a series.

    Raises
    ------
    UserError
        If it has further axes, such as time.
    """
    axis = _plane_axis(series, where)
    return 1 if axis is None else series.shape[axis]


def _mapped(stored: np.ndarray, key: TiffPage, where: str) -> np.ndarray:
    pixels = np.asarray(stored)
    return as_shown(np.moveaxis(pixels, key.axes.index("S"), -1) if "S" in key.axes else pixels, key, where)


def _page(series: TiffPageSeries, index: int, where: str) -> np.ndarray:
    page = series.pages[index]
    if page is None:
        raise unreadable(where, f"page {index + 1} is not in the file")
    return read_page(page, where)


def _plane_axis(series: TiffPageSeries, where: str) -> int | None:
    """Which axis counts planes; None if there is a single plane."""
    counting = [i for i, name in enumerate(series.axes) if name not in "YXSC" and series.shape[i] > 1]
    known = [i for i in counting if series.axes[i] in PLANE_AXES and i < len(series.axes) - len(series.keyframe.axes)]
    if len(counting) > 1 or counting != known:
        raise UserError(
            where, got=f"axes {series.axes} of sizes {'×'.join(map(str, series.shape))}",
            wanted="planes along z alone", do="Save one z-stack a file (Fiji: Image > Hyperstacks > Re-order).",
        )  # fmt: skip
    return counting[0] if counting else None
