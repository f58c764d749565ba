"""Frames of a DICOM file, by pydicom: each is decoded alone, and the header is read once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from tsva.readers.dicom_header import reading_dicom
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb
from tsva.readers.tiff import check_decoded

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
        with reading_dicom(where):
            head = pydicom.dcmread(file, stop_before_pixels=True)
            syntax = self._syntax = head.file_meta.TransferSyntaxUID
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
        with reading_dicom(self.where):
            self._file.seek(self._start)
            if self._syntax.is_encapsulated:
                pixels = self._decompressed(frame)
            else:
                pixels = self._decoder.as_array(self._file, index=frame, validate=True, **self._options)[0]
        return as_grey_or_rgb(np.asarray(pixels), self.where, BOTH_DEPTHS)

    def _decompressed(self, frame: int) -> np.ndarray:
        """A frame of its own size: a compressed one may claim any, and is unfolded before that is seen."""
        from pydicom.encaps import encapsulate, get_frame
        from pydicom.uid import JPEG2000TransferSyntaxes, JPEGTransferSyntaxes, RLELossless

        alone = {**self._options, "number_of_frames": 1}
        table = alone.pop("extended_offsets", None)
        count = self._options["number_of_frames"]
        data = get_frame(self._file, frame, number_of_frames=count, extended_offsets=table)
        if self._syntax in (*JPEGTransferSyntaxes, *JPEG2000TransferSyntaxes):
            with Image.open(io.BytesIO(data), formats=("JPEG", "JPEG2000")) as image:
                if image.size != (self._options["columns"], self._options["rows"]):
                    raise ValueError(f"frame {frame + 1} of {image.height}×{image.width} pixels")
        elif self._syntax != RLELossless:  # whose segments are as large as the header says
            raise ValueError(f"frames stored as {self._syntax.name}")
        return self._decoder.as_array(encapsulate([data], has_bot=False), index=0, validate=True, **alone)[0]
