"""Images of a file or folder of any format."""

from __future__ import annotations

import importlib
from pathlib import Path

from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.registry import FORMATS, format_of
from tsva.readers.stored import StoredImage

OTHERS = {
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000 (also ND2 files before version 2)",
    b"\xd0\xcf\x11\xe0": "Olympus OIB or Zeiss ZVI",
    b"OLYMPUSR": "Olympus OIR",
}
"""How formats begin that no reader takes."""


def stored_images(path: Path) -> list[StoredImage]:
    """Images of a file or folder, before any pixel is read.

    Parameters
    ----------
    path : Path
        TIFF of any kind (OME-TIFF or the header of a set of it, ImageJ, NDPI), OME-Zarr, DICOM whole slide (file or
        folder), CZI; whatever its name.

    Returns
    -------
    list of StoredImage
        At least one.

    Raises
    ------
    UserError
        If it is missing, damaged, of no known kind, or its reader is not installed.
    """
    where = str(path)
    if not path.exists():
        raise UserError(where, got="no such file", wanted="an image", do="Mend the path.")
    known = format_of(path)
    if known is not None:
        images: list[StoredImage] = getattr(importlib.import_module(known.module), known.images)(path)
        return images
    start = head_of(path).start
    name = next((name for magic, name in OTHERS.items() if start.startswith(magic)), None)
    empty = "a folder that is no image" if path.is_dir() else "an empty file"
    raise UserError(
        where,
        got=f"a file of {name}" if name else "a file of no kind known here" if start else empty,
        wanted=", ".join(one.name for one in FORMATS),
        do="Convert it to OME-TIFF (bfconvert of Bio-Formats, or bioformats2raw), or copy it again.",
    )
