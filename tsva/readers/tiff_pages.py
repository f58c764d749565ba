"""Pages of TIFF files as 8- or 16-bit grey or RGB, whole or by region, and which pages are the planes of an image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from tifffile import PHOTOMETRIC, PLANARCONFIG, FileHandle, TiffFrame, TiffPage, TiffPageSeries

from tsva.errors import UserError
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb, from_ycbcr, unreadable, wrong_colours, wrong_depth
from tsva.readers.stored import Level
from tsva.readers.tiff import check_decoded, reading, segment_shape

SIZES = ("imagelength", "imagewidth", "imagedepth", "samplesperpixel", "rowsperstrip", "tilelength", "tilewidth")
"""Attributes of a page that tifffile takes from tags; a damaged tag may hold several numbers."""
JPEG = (6, 7)
"""Compressions whose decoder turns YCbCr into RGB."""
JPEG_2000_YCBCR = 33003
"""Aperio's; the stored samples are YCbCr, whatever colours the page's tag names."""


def read_page(page: TiffPage | TiffFrame, where: str, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """Decode a page.

    Parameters
    ----------
    page : TiffPage or TiffFrame
        Of a file opened by `open_tiff`.
    where : str
        The file, for messages.
    depths : tuple of int
        Bits per channel that are taken.

    Returns
    -------
    (Y, X, C) uint8 or uint16 array
        C is 1 or 3. White-is-zero is inverted and palettes are looked up, which loses nothing.

    Raises
    ------
    UserError
        If the page can't be decoded, or has another bit depth or colour space.
    """
    key = page.keyframe
    assert key is not None  # tifffile sets it when it reads the page
    check_page(key, where, depths)
    check_decoded(key.imagelength, key.imagewidth, where)
    with reading(where), file_of(page):
        pixels = page.asarray()
        if pixels.shape != key.shape:
            raise ValueError(f"{pixels.size} values, not {key.size}")
        if "S" in key.axes:
            pixels = np.moveaxis(pixels, key.axes.index("S"), -1)
        return as_shown(pixels, key, where, depths)


@contextmanager
def file_of(page: TiffPage | TiffFrame) -> Iterator[FileHandle]:
    """A page's file, open: the other files of a set are closed until they are asked for."""
    file = page.parent.filehandle
    closed = file.closed
    if closed:
        file.open()
    try:
        yield file
    finally:
        if closed:
            file.close()


def check_page(key: TiffPage, where: str, depths: tuple[int, ...] = (8,)) -> None:
    """Refuse other bit depths and colour spaces, and sizes that are no numbers, before anything is decoded."""
    for name in SIZES:
        if not isinstance(getattr(key, name), int):
            raise unreadable(where, ValueError(f"{name} is {getattr(key, name)!r}"))
    if key.bitspersample not in depths or key.dtype != np.dtype(f"u{key.bitspersample // 8}"):
        raise wrong_depth(where, f"{key.bitspersample} bits per channel ({key.dtype})")
    if key.imagedepth > 1:
        raise UserError(
            where,
            got=f"{key.imagedepth} planes within one TIFF page",
            wanted="one plane a page",
            do="Save it as a multi-page TIFF.",
        )
    decoded = key.photometric == PHOTOMETRIC.YCBCR and key.compression in (*JPEG, JPEG_2000_YCBCR)
    known = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE)
    if not decoded and key.photometric not in known:
        raise wrong_colours(where, getattr(key.photometric, "name", str(key.photometric)))
    if key.photometric == PHOTOMETRIC.PALETTE and key.bitspersample != 8:
        raise wrong_colours(where, f"a palette of {key.bitspersample} bits")


def as_shown(pixels: np.ndarray, key: TiffPage, where: str, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """(Y, X, 1 or 3) grey or RGB of stored values: inverts white-is-zero, looks up palettes, drops full opacity."""
    if key.compression == JPEG_2000_YCBCR and pixels.ndim == 3 and pixels.shape[2] == 3:
        return from_ycbcr(pixels, where)
    if key.photometric == PHOTOMETRIC.MINISWHITE:
        pixels = np.iinfo(pixels.dtype).max - pixels
    elif key.photometric == PHOTOMETRIC.PALETTE and key.colormap is not None:
        # TIFF palettes are 16-bit; their upper byte is the 8-bit colour
        pixels = (key.colormap >> 8).astype(np.uint8).T[pixels.reshape(pixels.shape[:2])]
    return as_grey_or_rgb(pixels, where, depths)


def read_region(
    page: TiffPage | TiffFrame,
    where: str,
    top: int,
    left: int,
    height: int,
    width: int,
    depths: tuple[int, ...] = (8,),
) -> np.ndarray:
    """Decode a part of a page.

    Parameters
    ----------
    page : TiffPage or TiffFrame
        Of a file opened by `open_tiff`, and checked by `check_page`.
    where : str
        The file, for messages.
    top, left, height, width : int
        The part, within the page.
    depths : tuple of int
        Bits per channel that are taken.

    Returns
    -------
    (height, width, C) uint8 or uint16 array
        C is 1 or 3.

    Raises
    ------
    UserError
        If it can't be decoded.
    """
    key = page.keyframe
    assert key is not None  # tifffile sets it when it reads the page
    with reading(where):
        is_mapped = key.is_final and _in_one_piece(page)
    if not is_mapped:
        check_decoded(*segment_shape(key), where)
        check_decoded(height, width, where)
    with reading(where):
        if is_mapped:
            pixels = _mapped(page, key)[top : top + height, left : left + width]
            pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        else:
            pixels = _decoded(page, key, top, left, height, width)
        return as_shown(pixels, key, where, depths)


def _in_one_piece(page: TiffPage | TiffFrame) -> bool:
    """Whether a page's strips follow each other; tifffile answers for the first page of a stack alone."""
    starts, lengths = np.array(page.dataoffsets), np.array(page.databytecounts)
    return page.parent.filehandle.is_file and bool(np.all(starts[:-1] + lengths[:-1] == starts[1:]))


def mapped(file: FileHandle, stored_as: np.dtype, start: int, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels of an open file that lie in one piece, as an array of `shape`; what is not looked at is not read."""
    return np.asarray(np.memmap(file, stored_as, "r", start, shape))


def _mapped(page: TiffPage | TiffFrame, key: TiffPage) -> np.ndarray:
    file = page.parent.filehandle
    stored_as = np.dtype(f"{page.parent.byteorder}u{key.bitspersample // 8}")
    with file_of(page):
        stored = mapped(file, stored_as, page.dataoffsets[0], key.shape)
    return np.moveaxis(stored, key.axes.index("S"), -1) if "S" in key.axes else stored[..., None]


def _decoded(page: TiffPage | TiffFrame, key: TiffPage, top: int, left: int, height: int, width: int) -> np.ndarray:
    out = np.zeros((height, width, key.samplesperpixel), f"u{key.bitspersample // 8}")
    for index in _segments(key, top, left, height, width):
        data = _stored(page, index)
        segment, (sample, _, y, x, _), (_, rows, columns, _) = key.decode(
            data, index, jpegtables=page.jpegtables, jpegheader=key.jpegheader
        )
        if segment is None:
            raise ValueError(f"segment {index} is empty")
        first_row, last_row = max(y, top), min(y + rows, top + height)
        first_column, last_column = max(x, left), min(x + columns, left + width)
        samples = slice(sample, sample + segment.shape[3])
        out[first_row - top : last_row - top, first_column - left : last_column - left, samples] = segment[
            0, first_row - y : last_row - y, first_column - x : last_column - x
        ]
    return out


def _stored(page: TiffPage | TiffFrame, index: int) -> bytes:
    """A segment's bytes."""
    with file_of(page) as file:
        file.seek(page.dataoffsets[index])
        return bytes(file.read(page.databytecounts[index]))


def _segments(key: TiffPage, top: int, left: int, height: int, width: int) -> list[int]:
    """Numbers of the strips or tiles that a region touches; planar images have one set of them a channel."""
    tall, wide = segment_shape(key)
    across, down = -(-key.imagewidth // wide), -(-key.imagelength // tall)
    sets = key.samplesperpixel if key.planarconfig == PLANARCONFIG.SEPARATE else 1
    return [
        channel * across * down + row * across + column
        for channel in range(sets)
        for row in range(top // tall, -(-(top + height) // tall))
        for column in range(left // wide, -(-(left + width) // wide))
    ]


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
