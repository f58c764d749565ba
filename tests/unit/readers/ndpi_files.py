"""Files laid out as Hamamatsu's scanners do: no such slide with focal planes is free to be had."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SHORT, LONG, ASCII, RATIONAL, SLONG, FLOAT = 3, 4, 2, 5, 9, 11
FORMATS = {SHORT: "<%dH", LONG: "<%dI", SLONG: "<%di", FLOAT: "<%df", RATIONAL: "<%dI"}


def jpeg(pixels: np.ndarray, *, blocks: int | None = None) -> bytes:
    """Without chroma reduction; with a restart mark after so many blocks of 8×8, as the scanner's software writes."""
    out = io.BytesIO()
    restart = {"restart_marker_blocks": blocks} if blocks is not None else {}
    Image.fromarray(pixels).save(out, "JPEG", quality=95, subsampling=0, **restart)
    return out.getvalue()


def mcu_starts(data: bytes) -> list[int]:
    """Where the parts between restart marks start."""
    scan = data.index(b"\xff\xda")
    start = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    marks = [i + 2 for i in range(start, len(data) - 1) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]
    return [start, *marks]


class Page:
    """One picture of a slide."""

    def __init__(self, pixels: np.ndarray, magnification: float, z_nm: int, *, blocks: int | None = None) -> None:
        self.data = jpeg(pixels, blocks=blocks)
        height, width = pixels.shape[:2]
        self.tags: list[tuple[int, int, Sequence[float] | bytes]] = [
            (256, LONG, [width]),
            (257, LONG, [height]),
            (258, SHORT, [8, 8, 8]),
            (259, SHORT, [7]),
            (262, SHORT, [6]),
            (271, ASCII, b"Hamamatsu\0"),
            (273, LONG, [0]),
            (277, SHORT, [3]),
            (278, LONG, [height]),
            (279, LONG, [len(self.data)]),
            (282, RATIONAL, [10_000_000, 227]),
            (283, RATIONAL, [10_000_000, 227]),
            (296, SHORT, [3]),
            (65420, LONG, [1]),
            (65421, FLOAT, [magnification]),
            (65424, SLONG, [z_nm]),
        ]
        if blocks is not None:
            self.tags.append((65426, LONG, mcu_starts(self.data)))


def write_ndpi(path: Path, pages: Sequence[Page]) -> None:
    """Little-endian, 8-byte offsets of pages, and the upper halves of all values after each page's tags."""
    out = bytearray(struct.pack("<2sHQ", b"II", 42, 0))
    link = 4
    for page in pages:
        at = len(out)
        out += page.data + bytes(len(page.data) % 2)
        entries = []
        for code, kind, values in page.tags:
            told = values
            if code == 273:
                told = [at]
            raw = told if isinstance(told, bytes) else struct.pack(FORMATS[kind] % len(told), *told)
            count = len(told) // 2 if kind == RATIONAL else len(told)
            if len(raw) > 4:
                where = len(out)
                out += raw + bytes(len(raw) % 2)
                raw = struct.pack("<I", where)
            entries.append(struct.pack("<HHI", code, kind, count) + raw.ljust(4, b"\0"))
        struct.pack_into("<Q", out, link, len(out))
        out += struct.pack("<H", len(entries)) + b"".join(entries)
        link = len(out)
        out += bytes(8 + 4 * len(entries))
    path.write_bytes(out)
