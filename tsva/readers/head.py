"""How a file begins, read once: what distinguishes formats."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
CZI, DICOM, DICOM_AT = b"ZISRAWFILE", b"DICM", 128
PICTURES, BMP = (b"\x89PNG", b"\xff\xd8\xff"), b"BM"
OME_ROOT = re.compile(rb"<(\w+:)?OME[\s>]")
NDPI_TAG = 65420
START_BYTES = 4096


@dataclass(frozen=True)
class Head:
    """The first bytes of a file, and whether its first page has Hamamatsu's tags."""

    start: bytes
    is_ndpi: bool

    @property
    def is_tiff(self) -> bool:
        """TIFF or BigTIFF."""
        return self.start.startswith(TIFF)

    @property
    def is_czi(self) -> bool:
        """Zeiss CZI."""
        return self.start.startswith(CZI)

    @property
    def is_dicom(self) -> bool:
        """A DICOM file."""
        return self.start[DICOM_AT : DICOM_AT + len(DICOM)] == DICOM

    @property
    def is_picture(self) -> bool:
        """PNG, JPEG or BMP."""
        return self.start.startswith(PICTURES) or (self.start.startswith(BMP) and self.start[6:10] == bytes(4))

    @property
    def is_companion(self) -> bool:
        """An OME header without an image, as sets of files have them."""
        text = self.start.removeprefix(b"\xef\xbb\xbf").lstrip()
        return text.startswith(b"<") and OME_ROOT.search(text) is not None


def head_of(path: Path) -> Head:
    """How a file begins; nothing of what is no file. It is read again when it has changed."""
    if not path.is_file():
        return Head(b"", False)
    status = path.stat()
    return _read(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@lru_cache(maxsize=4096)
def _read(path: Path, *_state: int) -> Head:
    with path.open("rb") as file:
        start = file.read(START_BYTES)
        return Head(start, start.startswith(TIFF[0]) and _has_ndpi_tag(file, start))


def _has_ndpi_tag(file: BinaryIO, start: bytes) -> bool:
    """Whether the first page has Hamamatsu's tag; such files have offsets of their own."""
    if len(start) < 8:
        return False
    file.seek(struct.unpack("<I", start[4:8])[0])
    tags = file.read(int.from_bytes(file.read(2), "little") * 12)
    return any(code == NDPI_TAG for (code,) in struct.iter_unpack("<H10x", tags[: len(tags) // 12 * 12]))
