"""Checks that come before a format's library: of what it would unfold, of CZI, and of the library itself.

Layout of CZI by Zeiss' "CZI (Zeiss image file) format", DS_ZISRAW-FileFormat 1.2.2: segments with a head of 32 bytes, a
directory of all sub-blocks, and in each sub-block a copy of its entry. libCZI ends the process over some files that are
not consistent.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, NamedTuple

from tsva.errors import UserError
from tsva.readers.pixels import unreadable
from tsva.readers.tiff import MOST_PIXELS


def needed(module: str, extra: str, where: str) -> ModuleType:
    """Import a module of an optional dependency.

    Raises
    ------
    UserError
        If it isn't installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(
            where,
            got=f"a file that {module.split('.')[0]} reads, which is not installed",
            wanted=f"the extra {extra!r}",
            do=f"Install it (pip install 'tsva[{extra}]'), or export as OME-TIFF.",
        ) from None


@contextmanager
def reading_by_library(where: str) -> Iterator[None]:
    """Report whatever a library raises within the block as a damaged file: these ones raise anything over damage.

    Raises
    ------
    UserError
        Names the file.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise unreadable(where, error) from None


COMPRESSORS = ("blosc", "gzip", "lz4", "zlib", "zstd")
"""All that OME-Zarr writers use. Whatever else a header names is refused: one of numcodecs' codecs is pickle."""
INFLATED = ("gzip", "zlib")
EITHER_HEADER = 32 + zlib.MAX_WBITS
"""For zlib: take gzip's header or its own."""
ZSTD_MAGIC, ZSTD_BLOCK = 0xFD2FB528, 2**17
"""RFC 8878, 3.1.1; no block unfolds to more."""
RAW, RLE = 0, 1
CHECK_BYTES = 4
MOST_UNTOLD = 2**28
"""Bytes where a zstd frame doesn't say its size: any chunk that is decoded at once has less."""
UNUSED_BYTES = b"\0"


def inflate(data: bytes, most: int) -> bytes:
    """Unfold gzip or zlib data, all members of it.

    Raises
    ------
    ValueError
        If it is more than `most` bytes, or damaged.
    """
    out = bytearray()
    while data.strip(UNUSED_BYTES):
        stream = zlib.decompressobj(EITHER_HEADER)
        try:
            out += stream.decompress(data, most + 1 - len(out))
        except zlib.error as error:
            raise ValueError(f"a damaged chunk: {error}") from None
        if len(out) > most:
            raise too_much(len(out), most)
        if not stream.eof:
            raise ValueError("a chunk that is cut off")
        data = stream.unused_data
    return bytes(out)


def check_unfolded(codec: str, data: bytes, most: int) -> None:
    """Refuse blosc, lz4 or zstd data that unfolds to more than `most` bytes, by its headers alone.

    Raises
    ------
    ValueError
        If so, or if the headers are damaged.
    """
    if codec == "zstd" and len(data) >= 6:
        size, is_exact = _zstd_bytes(data)
        most = most if is_exact else max(most, MOST_UNTOLD)
    elif codec == "blosc" and len(data) >= 16:
        size = struct.unpack_from("<I", data, 4)[0]
    elif codec == "lz4" and len(data) >= 4:
        size = struct.unpack_from("<I", data)[0]
    else:
        raise ValueError("a chunk that is cut off")
    if size > most:
        raise too_much(size, most)


def too_much(size: int, most: int) -> ValueError:
    """The message for a bomb."""
    return ValueError(f"a chunk that unfolds to {size} bytes or more, not {most}")


def _zstd_bytes(data: bytes) -> tuple[int, bool]:
    """Bytes that a zstd frame says it unfolds to, or the most that its blocks may hold; and whether it says so."""
    magic, descriptor = struct.unpack_from("<IB", data)
    if magic != ZSTD_MAGIC:
        raise ValueError("a damaged chunk")
    is_single, place = bool(descriptor & 0x20), 5
    place += (0 if is_single else 1) + (0, 1, 2, 4)[descriptor & 3]
    size_bytes = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    if size_bytes:
        size = int.from_bytes(data[place : place + size_bytes], "little")
        return (size + 256 if size_bytes == 2 else size), True
    found, is_last = 0, False
    while not is_last:
        if place + 3 > len(data):
            raise ValueError("a chunk that is cut off")
        head = int.from_bytes(data[place : place + 3], "little")
        is_last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        place += 3 + (1 if kind == RLE else size)
        found += size if kind in (RAW, RLE) else ZSTD_BLOCK
    if place + (CHECK_BYTES if descriptor & 4 else 0) != len(data):
        raise ValueError("a damaged chunk")  # a second frame, which would unfold too
    return found, False


HEAD_BYTES, ENTRY_BYTES, DIMENSION_BYTES, FIXED_BYTES = 32, 32, 20, 16
POSITIONS_AT, DIRECTORY_HEAD, METADATA_HEAD, LEAST_HEAD = 52, 128, 256, 256
"""Where the file's segment holds the positions of directory and metadata; bytes before other segments' own content."""
PIXEL_BYTES = {0: 1, 1: 2, 3: 3, 4: 6}
"""Grey and colour of 8 and 16 bits."""
UNCOMPRESSED, ZSTD_0, ZSTD_1 = 0, 5, 6
MOST_DIMENSIONS, MOST_PLACES = 16, 10_000
"""Of an entry; and along any axis but those that count pixels and mosaic tiles."""
FREE_AXES = (b"X", b"Y", b"M")


class Entry(NamedTuple):
    """What an entry says of its sub-block."""

    pixel_type: int
    position: int
    compression: int
    dimensions: bytes

    def stored(self) -> tuple[int, int]:
        """Height and width as they are stored."""
        stored = {}
        for name, start, size, _, kept in struct.iter_unpack("<4siifi", self.dimensions):
            axis = name.rstrip(b"\0")
            if axis not in FREE_AXES and not (0 <= start < MOST_PLACES and 0 <= size < MOST_PLACES):
                raise ValueError(f"a tile at {start} of axis {axis.decode(errors='replace')}")
            stored[axis] = kept or size
        return stored.get(b"Y", 0), stored.get(b"X", 0)


def check_czi(path: Path) -> None:
    """Follow all positions in a file, without reading its pixels.

    Raises
    ------
    ValueError
        If one leads out of the file, or entries and sub-blocks contradict each other or the size of the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = _segment(file, 0, b"ZISRAWFILE", size, POSITIONS_AT + 16)
        directory, metadata = struct.unpack_from("<qq", start, POSITIONS_AT)
        head = _segment(file, metadata, b"ZISRAWMETADATA", size, METADATA_HEAD)
        if metadata + HEAD_BYTES + METADATA_HEAD + struct.unpack_from("<I", head)[0] > size:
            raise ValueError("its metadata end too early")
        (count,) = struct.unpack_from("<I", _segment(file, directory, b"ZISRAWDIRECTORY", size, DIRECTORY_HEAD))
        if not 0 < count <= size // ENTRY_BYTES:
            raise ValueError(f"a directory of {count} tiles")
        for entry in [_entry(file) for _ in range(count)]:
            _check_tile(file, entry, size)


def _segment(file: BinaryIO, position: int, name: bytes, size: int, wanted: int) -> bytes:
    """The first bytes of a segment's content."""
    if not 0 <= position <= size - HEAD_BYTES - wanted:
        raise ValueError(f"{name.decode()} lies beyond its end")
    file.seek(position)
    head = file.read(HEAD_BYTES)
    allocated, _ = struct.unpack_from("<qq", head, 16)
    if head[:16].rstrip(b"\0") != name or not 0 <= allocated <= size - position - HEAD_BYTES:
        raise ValueError(f"{name.decode()} is damaged")
    return file.read(wanted)


def _entry(file: BinaryIO) -> Entry:
    """The entry that starts here."""
    schema, pixel_type, position, _, compression, _, dimensions = struct.unpack("<2siqii6sI", file.read(ENTRY_BYTES))
    if schema != b"DV" or dimensions > MOST_DIMENSIONS:
        raise ValueError("an entry of its directory is damaged")
    return Entry(pixel_type, position, compression, file.read(dimensions * DIMENSION_BYTES))


def _check_tile(file: BinaryIO, entry: Entry, size: int) -> None:
    """Compare a sub-block with its entry, and its length with the pixels that it should hold."""
    head = _segment(file, entry.position, b"ZISRAWSUBBLOCK", size, FIXED_BYTES)
    metadata_bytes, _, data_bytes = struct.unpack("<IIq", head)
    own = _entry(file)
    if (own.pixel_type, own.compression, own.dimensions) != (entry.pixel_type, entry.compression, entry.dimensions):
        raise ValueError("a tile is not what its directory says")
    height, width = entry.stored()
    if entry.pixel_type not in PIXEL_BYTES or min(height, width) < 1 or height * width > MOST_PIXELS:
        raise ValueError(f"a tile of {height}×{width} pixels of type {entry.pixel_type}")
    fixed = max(LEAST_HEAD, FIXED_BYTES + ENTRY_BYTES + len(entry.dimensions))
    data = entry.position + HEAD_BYTES + fixed + metadata_bytes
    if not 0 < data_bytes <= size - data:
        raise ValueError("a tile ends too early")
    most = height * width * PIXEL_BYTES[entry.pixel_type]
    if entry.compression == UNCOMPRESSED and data_bytes < most:
        raise ValueError(f"{data_bytes} bytes for a tile of {height}×{width} pixels")
    if entry.compression in (ZSTD_0, ZSTD_1):
        file.seek(data)
        # a header of its own, as long as its first byte says
        skip = file.read(1)[0] if entry.compression == ZSTD_1 else 0
        file.seek(data + skip)
        check_unfolded("zstd", file.read(data_bytes - skip), most)
