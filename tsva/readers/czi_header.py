"""Whether a CZI file is consistent, before its library reads it: libCZI ends the process over some that are not.

Layout by Zeiss' "CZI (Zeiss image file) format", DS_ZISRAW-FileFormat 1.2.2: segments with a head of 32 bytes, a
directory of all sub-blocks, and in each sub-block a copy of its entry.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tsva.readers.inflate import check_unfolded
from tsva.readers.tiff import MOST_PIXELS

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
