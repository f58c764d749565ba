"""Regions of TIFF pages: only the strips or tiles that a region touches are read and decoded."""

from __future__ import annotations

import numpy as np
from tifffile import PLANARCONFIG, FileHandle, TiffFrame, TiffPage

from tsva.readers.tiff import (
    as_shown,
    check_decoded,
    file_of,
    reading,
    segment_shape,
)


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
