"""Headers of DICOM whole slides, checked before anything is made as large as they say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tsva.readers.tiff import reading

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
    """Tell what pydicom raises within the block as a damaged file.

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
