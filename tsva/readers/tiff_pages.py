"""Pages of TIFF files as 8- or 16-bit grey or RGB: whole, or the strips and tiles that a region touches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from tifffile import PHOTOMETRIC, PLANARCONFIG, FileHandle, TiffFrame, TiffPage

from tsva.errors import UserError
from tsva.readers.pixels import as_grey_or_rgb, from_ycbcr, unreadable, wrong_colours, wrong_depth
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
    """Grey or RGB of stored values: inverts white-is-zero, looks up palettes, drops full opacity."""
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
    """Pixels of an open file that lie in one piece, without reading what is not looked at."""
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
