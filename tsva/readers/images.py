"""A flat image of any supported kind, told apart by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.raster import read_raster
from tsva.readers.tiff import MAGIC, open_tiff, read_page


def is_tiff(path: Path) -> bool:
    """Whether a file begins as TIFF or BigTIFF does."""
    return path.is_file() and _start(path).startswith(MAGIC)


def read_image(path: Path) -> np.ndarray:
    """Read a flat image.

    Parameters
    ----------
    path : Path
        TIFF, PNG or JPEG.

    Returns
    -------
    (Y, X, C) uint8 array
        C is 1 (grey) or 3 (red, green, blue).

    Raises
    ------
    UserError
        If it is missing, of another kind, damaged, holds several planes, or has another bit depth or colour space.
    """
    where = str(path)
    if not path.is_file():
        raise UserError(where, got="no such file", wanted="an image", do="Mend the path.")
    start = _start(path)
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return read_raster(path)
    if not start.startswith(MAGIC):
        got = "an empty file" if not start else "a file that is neither"
        raise UserError(where, got=got, wanted="a TIFF, PNG or JPEG image", do="Convert it, or take it out.")
    with open_tiff(path) as tif:
        if len(tif.pages) > 1:
            raise UserError(
                where,
                got=f"{len(tif.pages)} planes in one file",
                wanted="one plane a file",
                do="Give the slide the source `stack` if each file is a z-stack.",
            )
        return read_page(tif.pages[0], where)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)
