"""Changes of the formats of scanners and of OME-Zarr folders, where each of them hurts."""

from __future__ import annotations

import json
import random
import struct
import zlib
from typing import Any

EXTREMES = (0, 1, 2, 7, 8, 255, 256, 2**15, 2**16 - 1, 2**16, 2**20, 2**27, 2**31 - 1, 2**31, 2**32 - 1)
ATTRIBUTES = (
    0x0002_0010,
    0x0008_0008,
    0x0020_9311,
    0x0028_0002,
    0x0028_0004,
    0x0028_0006,
    0x0028_0008,
    0x0028_0010,
    0x0028_0011,
    0x0028_0030,
    0x0028_0100,
    0x0028_0101,
    0x0028_0102,
    0x0028_0103,
    0x0040_072A,
    0x0048_0006,
    0x0048_0007,
    0x0048_0008,
    0x0048_0105,
    0x0048_021A,
    0x0048_021E,
    0x0048_021F,
    0x0048_0303,
    0x5200_9229,
    0x5200_9230,
    0x7FE0_0001,
    0x7FE0_0010,
    0xFFFE_E000,
    0xFFFE_E0DD,
)
"""Of DICOM files: what tells of sizes, frames, positions and the lengths of sequences."""
HOSTILE: tuple[Any, ...] = (
    0,
    1,
    -1,
    2,
    7,
    255,
    65536,
    2**27,
    2**31,
    2**63,
    2**64,
    1.5,
    -0.0,
    1e308,
    True,
    None,
    "",
    "..",
    "../../x",
    "/etc/passwd",
    "\0",
    "x" * 5000,
    [],
    {},
    [[]],
    [0],
    [2**40] * 4,
    [1] * 40,
    {"id": "pickle"},
    {"name": "gzip"},
    "|O",
    "<u2",
    ">u2",
    "float64",
    "object",
    "string",
    "zlib",
    "bz2",
    "lzma",
    "lz4",
    "zstd",
    "blosc",
    "gzip",
    "pickle",
    "json2",
    "vlen-utf8",
    "crc32c",
    "sharding_indexed",
    "transpose",
    "numcodecs.zlib",
    "F",
    "time",
    "scale",
)
HEADERS = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
BOMB = zlib.compress(bytes(2**26), 9)
"""64 MiB in 64 kB; reading it counts as failed only where memory or time run out."""


def dicom_element(data: bytearray, draw: random.Random) -> None:
    """Another type, length or value of an element of an explicit little-endian DICOM file."""
    if data[128:132] != b"DICM":
        return
    tag = draw.choice(ATTRIBUTES)
    place = data.find(struct.pack("<HH", tag >> 16, tag & 0xFFFF), 132)
    for _ in range(draw.choice((0, 0, 0, 1, 3))):
        place = max(place, data.find(struct.pack("<HH", tag >> 16, tag & 0xFFFF), place + 1))
    if place < 0 or place + 12 > len(data):
        return
    field = draw.choice(("value", "value", "value", "length", "long", "type", "name"))
    if field == "value":
        value = draw.choice(EXTREMES)
        is_text = data[place + 4 : place + 6] in (b"IS", b"DS", b"CS", b"UI")
        length = struct.unpack_from("<H", data, place + 6)[0]
        if is_text:
            text = draw.choice((str(value), "-1", "1e999", "nan", "", "\\", "a", str(-value)))[:length].ljust(length)
            data[place + 8 : place + 8 + length] = text.encode()
        else:
            code = "<H" if data[place + 4 : place + 6] == b"US" else "<I"
            struct.pack_into(code, data, place + 8, value % 2 ** (8 * struct.calcsize(code)))
    elif field == "length":
        struct.pack_into("<H", data, place + 6, draw.choice(EXTREMES) % 2**16)
    elif field == "long":
        struct.pack_into("<I", data, place + 8, draw.choice(EXTREMES))
    elif field == "type":
        data[place + 4 : place + 6] = draw.choice((b"US", b"SQ", b"OB", b"OW", b"UN", b"IS", b"DS", b"UL", b"\0\0"))
    else:
        data[place : place + 4] = struct.pack("<HH", *divmod(draw.choice(ATTRIBUTES), 2**16))


def ndpi_tag(data: bytearray, draw: random.Random) -> None:
    """A tag of an NDPI file's page, whose offsets have 8 bytes: type, count, value or its upper half."""
    if len(data) < 12 or data[:4] != b"II*\0":
        return
    (offset,) = struct.unpack_from("<Q", data, 4)
    for _ in range(draw.choice((0, 0, 1, 2, 3))):  # to a later page
        if offset + 2 > len(data):
            return
        (count,) = struct.unpack_from("<H", data, offset)
        if offset + 2 + 12 * count + 8 > len(data):
            return
        (following,) = struct.unpack_from("<Q", data, offset + 2 + 12 * count)
        offset = following or offset
    if offset + 2 > len(data):
        return
    (count,) = struct.unpack_from("<H", data, offset)
    number, end = draw.randrange(max(min(count, 40), 1)), offset + 2 + 12 * count + 8
    field, code = draw.choice(((2, "<H"), (4, "<I"), (8, "<I"), (8, "<I"), (8, "<H"), (-1, "<I")))
    place = offset + 2 + 12 * number + field if field >= 0 else end + 4 * number
    if place + 4 <= len(data):
        value = draw.choice((*EXTREMES, draw.randrange(2**16), offset)) % 2 ** (8 * struct.calcsize(code))
        struct.pack_into(code, data, place, value)


def changed_json(text: bytes, draw: random.Random) -> bytes:
    """A value of it, at any depth, replaced, removed or doubled; or a list made longer."""
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return text
    places = list(_places(root))
    if not places:
        return text
    holder, key = draw.choice(places)
    way = draw.random()
    if way < 0.15:
        del holder[key]
    elif way < 0.3 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif way < 0.45 and isinstance(holder[key], int):
        holder[key] = holder[key] * draw.choice((2, 10, 1000, -1))
    elif way < 0.55:
        holder[key] = holder[draw.choice(list(range(len(holder)) if isinstance(holder, list) else holder))]
    else:
        holder[key] = draw.choice(HOSTILE)
    return json.dumps(root).encode()


def _places(node: Any) -> Any:
    """Every (list or object, index or key) of a document."""
    for key in range(len(node)) if isinstance(node, list) else list(node):
        yield node, key
        if isinstance(node[key], list | dict):
            yield from _places(node[key])


def swap_file(files: dict[str, bytes], draw: random.Random) -> None:
    """A file lost, emptied, replaced by another or by a bomb, or put where a folder was."""
    name = draw.choice(sorted(files))
    way = draw.random()
    if way < 0.3:
        del files[name]
    elif way < 0.4:
        files[name] = b""
    elif way < 0.7:
        files[name] = files[draw.choice(sorted(files))]
    elif way < 0.9 or "/" not in name:
        files[name] = BOMB
    else:
        files[name.rsplit("/", 1)[0]] = files.pop(name)
