"""Damaged and hostile files: whole ones of every kind, changed where it hurts."""

from __future__ import annotations

import io
import json
import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from changes import EXTREMES, HEADERS, changed_json, dicom_element, ndpi_tag, swap_file
from formats import Whole, whole_formats
from PIL import Image

from tsva.acquisition.stack import Stack
from tsva.readers.stack_file import write_stack
from tsva.settings.sheet import SlideRow

WORDS = ("0", "-1", "1e999", "nan", "999999999999", "µm", "..", "/etc/passwd", "<script>", "\0", "&amp;", "")
KEYS = ('SizeZ="', 'SizeC="', 'SizeT="', 'SizeX="', 'PhysicalSizeX="', 'PositionZ="', "images=", "slices=")
APERIO = "Aperio Image Library v11.2.1\r\n64x48 [0,0 64x48] (32x32) JPEG/RGB Q=30|AppMag = 20|MPP = 0.4990"


def whole_files() -> dict[str, Whole]:
    """A small file or folder of every kind that is read."""
    planes = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3)).astype(np.uint8)
    tiled: dict[str, Any] = {"photometric": "rgb", "tile": (32, 32)}
    files: dict[str, Whole] = {
        "plain": _tiff(planes, photometric="rgb"),
        "grey": _tiff(planes[..., 0], photometric="minisblack"),
        "imagej": _tiff(planes, imagej=True, metadata={"spacing": 0.5, "unit": "um"}),
        "zlib": _tiff(planes, photometric="rgb", compression="zlib", metadata=None),
        "lzw": _tiff(planes[0], photometric="rgb", compression="lzw", rowsperstrip=16),
        "jpeg": _tiff(planes, compression="jpeg", **tiled),
        "bigtiff": _tiff(planes, photometric="rgb", bigtiff=True),
        "aperio": _tiff(planes[0], compression="jpeg", description=APERIO, metadata=None, **tiled),
    }
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.ome.tif"
        write_stack(own, Stack(planes, np.arange(3) * 0.5, 0.345))
        files["own"] = own.read_bytes()
    for kind in ("PNG", "JPEG", "BMP"):
        with io.BytesIO() as file:
            Image.fromarray(planes[0]).save(file, kind)
            files[kind] = file.getvalue()
    return files | whole_formats()


def _tiff(planes: np.ndarray, **options: Any) -> bytes:
    with io.BytesIO() as file:
        tifffile.imwrite(file, planes, **options)
        return file.getvalue()


def changed(whole: Whole, draw: random.Random) -> Whole:
    """The file, or some of a folder's files, with one to four changes."""
    if isinstance(whole, dict):
        return _changed_folder(dict(whole), draw)
    data = bytearray(whole)
    ways = CHANGES
    if data[128:132] == b"DICM":
        ways = (*CHANGES, *[dicom_element] * 9)
    elif len(data) > 8 and data[:4] == b"II*\0" and not any(data[8:12]):  # the upper half of an offset
        ways = (*CHANGES, *[ndpi_tag] * 9)
    for _ in range(draw.randint(1, 4)):
        draw.choice(ways)(data, draw)
    if data.startswith(b"\x89PNG") and draw.random() < 0.7:
        _mend_header_check(data)
    return bytes(data)


def _changed_folder(files: dict[str, bytes], draw: random.Random) -> dict[str, bytes]:
    for _ in range(draw.randint(1, 4)):
        # headers are few and hurt most
        headers = [name for name in sorted(files) if name.endswith(HEADERS)]
        name = draw.choice(headers if headers and draw.random() < 0.6 else sorted(files))
        way = draw.random()
        if name.endswith(HEADERS) and way < 0.7:
            files[name] = changed_json(files[name], draw)
        elif way < 0.85:
            data = bytearray(files[name])
            draw.choice((_byte, _byte, _number, _number, _cut, _doubled))(data, draw)
            files[name] = bytes(data)
        else:
            swap_file(files, draw)
        if not files:
            break
    return files


def _byte(data: bytearray, draw: random.Random) -> None:
    if data:
        place = draw.randrange(min(len(data), 800))
        data[place if draw.random() < 0.6 else -1 - place] = draw.randrange(256)


def _number(data: bytearray, draw: random.Random) -> None:
    """An extreme number where headers keep theirs."""
    size, code = draw.choice(((2, "H"), (4, "I"), (8, "Q")))
    if len(data) > 16:
        place = draw.randrange(min(len(data), 800)) if draw.random() < 0.7 else draw.randrange(len(data))
        value = draw.choice(EXTREMES) % 2 ** (8 * size)
        data[place : place + size] = struct.pack(draw.choice("<>") + code, value)


def _tag(data: bytearray, draw: random.Random) -> None:
    """A tag of a classic little-endian TIFF: type, count or value."""
    if len(data) < 8 or data[:4] != b"II*\0":
        return
    (offset,) = struct.unpack_from("<I", data, 4)
    if offset + 2 > len(data):
        return
    (count,) = struct.unpack_from("<H", data, offset)
    place = offset + 2 + 12 * draw.randrange(max(min(count, 40), 1))
    if place + 12 <= len(data):
        field, code = draw.choice(((2, "<H"), (4, "<I"), (8, "<I"), (8, "<H")))
        value = draw.choice((*EXTREMES, draw.randrange(2**16), offset)) % 2 ** (8 * struct.calcsize(code))
        struct.pack_into(code, data, place + field, value)


def _text(data: bytearray, draw: random.Random) -> None:
    """Another word in a textual header."""
    key = draw.choice(KEYS).encode()
    place = data.find(key)
    if place >= 0:
        word = draw.choice(WORDS).encode()
        place += len(key)
        data[place : place + len(word)] = word


def _cut(data: bytearray, draw: random.Random) -> None:
    if draw.random() < 0.3:
        del data[draw.randrange(len(data) + 1) :]


def _doubled(data: bytearray, draw: random.Random) -> None:
    if len(data) > 64:
        start = draw.randrange(len(data) - 32)
        data[start:start] = data[start : start + draw.randrange(32)]


def _mend_header_check(data: bytearray) -> None:
    """Let the header's check sum fit, so that what follows it is read."""
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))


CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _byte,
    _byte,
    _number,
    _number,
    _tag,
    _tag,
    _text,
    _cut,
    _doubled,
)


def sheet(draw: random.Random) -> str:
    """A slide sheet with odd cells."""
    columns = list(SlideRow.model_fields)[:11]
    cells = ["A1", "P1", "S", "train", "planes", "scans", "0.345", "0.5", "{field}_z{z}.tif", "3", ""]
    rows = []
    for _ in range(draw.randint(0, 3)):
        row = list(cells)
        for _ in range(draw.randint(0, 3)):
            row[draw.randrange(len(row))] = draw.choice((*WORDS, "../x", "A" * 300, "{z}{z}", '"', "A1.part", "\u202e"))
        rows.append(draw.choice(("\t", "\t", "\t", ",")).join(row))
    return "\n".join(["\t".join(columns[: draw.choice((11, 11, 11, 9))]), *rows])


def settings(draw: random.Random) -> str:
    """Settings as JSON with odd values."""
    value: Any = draw.choice((*WORDS, *EXTREMES, None, True, [], {}, -1.5, 1e308))
    sections = ("simulate", "acquisition", "pairs", "train", "optics", "ingest", "focus", "count", "report", "refocus")
    section = draw.choice((*sections, ""))
    keys = {
        "acquisition": ("offset_max_um", "delta_um"),
        "pairs": ("patch_px",),
        "train": ("width", "levels", "steps", "networks"),
        "optics": ("na", "pixel_um"),
        "simulate": ("field_px", "fields", "z_first_um"),
    }.get(section, ("x",))
    return json.dumps({"slides": "s.tsv", **({section: {draw.choice(keys): value}} if section else {"seed": value})})
