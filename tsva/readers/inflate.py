"""How much compressed chunks of a Zarr array unfold to, known before the memory for it is taken."""

from __future__ import annotations

import struct
import zlib

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
        told, is_exact = _zstd_bytes(data)
        most = most if is_exact else max(most, MOST_UNTOLD)
    elif codec == "blosc" and len(data) >= 16:
        told = struct.unpack_from("<I", data, 4)[0]
    elif codec == "lz4" and len(data) >= 4:
        told = struct.unpack_from("<I", data)[0]
    else:
        raise ValueError("a chunk that is cut off")
    if told > most:
        raise too_much(told, most)


def too_much(told: int, most: int) -> ValueError:
    """The message for a bomb."""
    return ValueError(f"a chunk that unfolds to {told} bytes or more, not {most}")


def _zstd_bytes(data: bytes) -> tuple[int, bool]:
    """Bytes that a zstd frame says it unfolds to, or the most that its blocks may hold; and whether it says so."""
    magic, descriptor = struct.unpack_from("<IB", data)
    if magic != ZSTD_MAGIC:
        raise ValueError("a damaged chunk")
    is_single, place = bool(descriptor & 0x20), 5
    place += (0 if is_single else 1) + (0, 1, 2, 4)[descriptor & 3]
    size_bytes = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    if size_bytes:
        told = int.from_bytes(data[place : place + size_bytes], "little")
        return (told + 256 if size_bytes == 2 else told), True
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
