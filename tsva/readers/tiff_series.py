"""The planes of a TIFF file that belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from tifffile import TiffFrame, TiffPage, TiffPageSeries

from tsva.errors import UserError
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb, unreadable
from tsva.readers.stored import Level
from tsva.readers.tiff import reading
from tsva.readers.tiff_pages import as_shown, check_page, mapped, read_page, read_region

PLANE_AXES = "ZIQ"
"""Axes that may count planes: Z, or the unnamed ones of plain multi-page files."""


class PageReader:
    """A `PlaneReader` of pages; channels that are pages of their own are put together.

    Parameters
    ----------
    where : str
        The file, for messages.
    planes : sequence of sequences of pages
        The pages of each plane, of a file opened by `open_tiff`.

    Raises
    ------
    UserError
        If a page is not there, or its pixels are of an unsupported kind.
    """

    def __init__(self, where: str, planes: Sequence[Sequence[TiffPage | TiffFrame | None]]) -> None:
        self._where, self._planes = where, planes
        first = planes[0][0]
        if first is not None and first.keyframe is not None:
            check_page(first.keyframe, where, BOTH_DEPTHS)

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        if level:
            raise ValueError("one level")
        channels = [self._page(page, top, left, height, width) for page in self._planes[plane]]
        if len(channels) == 1:
            return channels[0]
        return as_grey_or_rgb(np.concatenate(channels, axis=-1), self._where, BOTH_DEPTHS)

    def _page(self, page: TiffPage | TiffFrame | None, top: int, left: int, height: int, width: int) -> np.ndarray:
        if page is None or page.keyframe is None:
            raise unreadable(self._where, "a page that its header promises is not there")
        whole = (top, left, height, width) == (0, 0, page.keyframe.imagelength, page.keyframe.imagewidth)
        if whole and not page.keyframe.is_final:
            return read_page(page, self._where, BOTH_DEPTHS)  # decodes strips side by side
        return read_region(page, self._where, top, left, height, width, BOTH_DEPTHS)


class MappedReader:
    """A `PlaneReader` of a series that lies in its file in one piece, which may have but one page header (ImageJ)."""

    def __init__(self, path: Path, series: TiffPageSeries, colours: tuple[int, ...] | None = None) -> None:
        self._where, self._key = str(path), series.keyframe
        check_page(self._key, self._where, BOTH_DEPTHS)
        self._numbers = _page_numbers(series, self._where)
        self._numbers = self._numbers if colours is None else self._numbers[:, list(colours)]
        assert series.dataoffset is not None  # what made `reader_of` choose this class
        self._file, self._start = self._key.parent.filehandle, series.dataoffset
        self._stored_as = np.dtype(f"{self._key.parent.byteorder}u{self._key.bitspersample // 8}")
        self._page_bytes = math.prod(self._key.shape) * self._stored_as.itemsize
        if path.stat().st_size < self._start + self._numbers.size * self._page_bytes:
            raise unreadable(self._where, "its pixels end too early")

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        if level:
            raise ValueError("one level")
        channels = [self._part(index, top, left, height, width) for index in self._numbers[plane]]
        if len(channels) == 1:
            return channels[0]
        return as_grey_or_rgb(np.concatenate(channels, axis=-1), self._where, BOTH_DEPTHS)

    def _part(self, index: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        # page by page, so that what was read isn't held any longer
        with reading(self._where):
            place = self._start + int(index) * self._page_bytes
            stored = mapped(self._file, self._stored_as, place, self._key.shape)
        pixels = np.moveaxis(stored, self._key.axes.index("S"), -1) if "S" in self._key.axes else stored[..., None]
        pixels = pixels[top : top + height, left : left + width]
        # a small part is copied in the machine's order of bytes; 8-bit parts stay mapped
        return as_shown(pixels.astype(pixels.dtype.newbyteorder("="), copy=False), self._key, self._where, BOTH_DEPTHS)


class SeriesReader:
    """A `PlaneReader` of all levels of a series of an open file.

    Parameters
    ----------
    series, path, colours
        As of `reader_of`.

    Raises
    ------
    UserError
        If axes or pixels are of an unsupported kind.
    """

    def __init__(self, series: TiffPageSeries, path: Path, colours: tuple[int, ...] | None = None) -> None:
        self._open = cache(lambda level: reader_of(series.levels[level], path, colours))
        self._open(0)

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        return self._open(level).read(plane, top, left, height, width)


def levels_of(series: TiffPageSeries, where: str) -> tuple[Level, ...]:
    """Resolutions of a series."""
    finest = series.keyframe
    with reading(where):
        return tuple(
            Level(page.imagelength, page.imagewidth, finest.imagewidth / page.imagewidth)
            for page in (level.keyframe for level in series.levels)
        )


def reader_of(series: TiffPageSeries, path: Path, colours: tuple[int, ...] | None = None) -> PageReader | MappedReader:
    """The reader that suits a series of a file opened by `open_tiff`.

    Parameters
    ----------
    series : TiffPageSeries
        Of the file.
    path : Path
        The file.
    colours : tuple of int, optional
        Which of its channels are red, green and blue, where they are pages of their own.

    Raises
    ------
    UserError
        If its axes or pixels are of an unsupported kind.
    """
    where = str(path)
    with reading(where):
        is_mapped = series.dataoffset is not None and not _in_several_files(series)
    if is_mapped:
        return MappedReader(path, series, colours)
    numbers = _page_numbers(series, where)
    with reading(where):  # a damaged header may promise more pages than there are
        pages = list(series.pages)
        planes = [[pages[i] for i in (plane if colours is None else plane[list(colours)])] for plane in numbers]
    return PageReader(where, planes)


def _in_several_files(series: TiffPageSeries) -> bool:
    return len({page.parent.filehandle.path for page in series.pages if page is not None}) > 1


def count_planes(series: TiffPageSeries, where: str) -> int:
    """Number of planes of a series.

    Raises
    ------
    UserError
        If it has further axes, such as time.
    """
    axis = _plane_axis(series, where)
    return 1 if axis is None else series.shape[axis]


def count_channels(series: TiffPageSeries) -> int:
    """Number of channels, whether they are samples of a page or pages of their own."""
    return int(np.prod([size for name, size in zip(series.axes, series.shape, strict=True) if name in "CS"]))


def _page_numbers(series: TiffPageSeries, where: str) -> np.ndarray:
    """(planes, pages of a plane) numbers of the pages."""
    z_axis = _plane_axis(series, where)
    shape = series.shape[: len(series.axes) - len(series.keyframe.axes)]
    pages = np.arange(int(np.prod(shape))).reshape(shape or 1)
    return pages.reshape(1, -1) if z_axis is None else np.moveaxis(pages, z_axis, 0).reshape(shape[z_axis], -1)


def _plane_axis(series: TiffPageSeries, where: str) -> int | None:
    """Which axis counts planes; None if there is a single plane."""
    counting = [i for i, name in enumerate(series.axes) if name not in "YXSC" and series.shape[i] > 1]
    known = [i for i in counting if series.axes[i] in PLANE_AXES and i < len(series.axes) - len(series.keyframe.axes)]
    if len(counting) > 1 or counting != known:
        raise UserError(
            where,
            got=f"axes {series.axes} of sizes {'×'.join(map(str, series.shape))}",
            wanted="planes along z alone",
            do="Save one z-stack a file (Fiji: Image > Hyperstacks > Re-order).",
        )
    return counting[0] if counting else None
