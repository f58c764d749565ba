"""Frames of a DICOM file, by pydicom: each is decoded alone, and the header is read once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tsva.io.pixels import BOTH_DEPTHS, as_grey_or_rgb
from tsva.io.tiff import check_decoded, reading

EXPLICIT_HEAD, IMPLICIT_HEAD = 12, 8
"""Bytes before the pixels: tag and length, and between them a type where types are explicit."""


@contextmanager
def open_frames(path: Path, where: str) -> Iterator[Frames]:
    """Open a file that holds pixels."""
    with path.open("rb") as file:
        yield Frames(file, where)


class Frames:
    """The frames of an open file.

    Attributes
    ----------
    where : str
        The slide, for messages.
    channels : int
        1 or 3.
    dtype : dtype
        uint8 or uint16.
    white : int
        The largest value that the bits in use hold.

    Raises
    ------
    UserError
        If a frame is larger than can be decoded at once, or of a kind that can't be.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        import pydicom
        from pydicom.pixels import as_pixel_options, get_decoder

        self.where, self._file = where, file
        with reading(where):
            head = pydicom.dcmread(file, stop_before_pixels=True)
            syntax = head.file_meta.TransferSyntaxUID
            if syntax.is_deflated:
                raise ValueError("a file that is compressed as a whole")
            self._options: dict[str, Any] = {**as_pixel_options(head), "pixel_keyword": "PixelData"}
            self._decoder = get_decoder(syntax)
            file.seek(IMPLICIT_HEAD if syntax.is_implicit_VR else EXPLICIT_HEAD, 1)
            self._start = file.tell()
            self.channels = 1 if head.SamplesPerPixel == 1 else 3
            self.dtype = np.dtype(f"u{int(head.BitsAllocated) // 8}")
            self.white = (1 << int(head.BitsStored)) - 1
            size = int(head.Rows), int(head.Columns)
        check_decoded(*size, where)

    def decoded(self, frame: int) -> np.ndarray:
        """One frame, (Y, X, C) uint8 or uint16; the other ones are left in the file.

        Raises
        ------
        UserError
            If it can't be decoded.
        """
        with reading(self.where):
            self._file.seek(self._start)
            pixels = self._decoder.as_array(self._file, index=frame, validate=True, **self._options)[0]
        return as_grey_or_rgb(np.asarray(pixels), self.where, BOTH_DEPTHS)
