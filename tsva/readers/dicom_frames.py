"""Frames of a DICOM file, by pydicom: each is decoded alone, and the header is read once."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb
from tsva.readers.tiff import check_decoded, reading

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
COUNTS = (
    "Rows",
    "Columns",
    "TotalPixelMatrixRows",
    "TotalPixelMatrixColumns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
)
"""What has to be there and positive."""
LEAST_FRAME_BYTES = 8
"""That a compressed frame takes: its item's tag and length (PS3.5, A.4)."""


@contextmanager
def reading_dicom(where: str) -> Iterator[None]:
    """Report what pydicom raises within the block as a damaged file.

    Raises
    ------
    UserError
        Names the file.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    with reading(where):
        try:
            yield
        except (BytesLengthException, InvalidDicomError) as error:
            raise ValueError(str(error)) from None


def read_header(path: Path) -> Any:
    """The header of a whole slide, as a pydicom data set without its pixels; None for other kinds of DICOM.

    Raises
    ------
    ValueError
        If it is compressed as a whole, or its sizes are none, or larger than the file. (pydicom's own errors too.)
    """
    import pydicom
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import UID

    syntax = read_file_meta_info(path).get("TransferSyntaxUID")
    if not isinstance(syntax, UID):
        raise ValueError("no word on how it is stored (TransferSyntaxUID)")
    # a deflated header would be unfolded without a limit
    if syntax.is_deflated:
        raise ValueError("a file that is compressed as a whole")
    head = pydicom.dcmread(path, stop_before_pixels=True)
    if head.get("SOPClassUID") != WHOLE_SLIDE:
        return None
    for name in COUNTS:
        value = head.get(name)
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is {value!r}")
    if head.BitsAllocated not in (8, 16) or head.BitsStored > head.BitsAllocated:
        raise ValueError(f"{head.BitsStored} of {head.BitsAllocated} bits")
    bits = head.Rows * head.Columns * head.SamplesPerPixel * head.BitsAllocated
    least = LEAST_FRAME_BYTES if head.file_meta.TransferSyntaxUID.is_compressed else math.ceil(bits / 8)
    frames, size = int(head.get("NumberOfFrames", 1)), path.stat().st_size
    if not 0 < frames <= size // least:
        raise ValueError(f"{frames} frames of {head.Rows}×{head.Columns} pixels in {size} bytes")
    return head


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
