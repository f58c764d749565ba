"""A flat image of any supported kind, told apart by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.head import PICTURES, head_of
from tsva.readers.raster import read_raster
from tsva.readers.scale import PixelSize
from tsva.readers.tiff import ome_images, open_tiff, read_page
from tsva.readers.tiff_header import pixel_of_tiff


def is_tiff(path: Path) -> bool:
    """Whether a file begins as TIFF or BigTIFF does."""
    return head_of(path).is_tiff


def read_image(path: Path, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """Read a flat image.

    Parameters
    ----------
    path : Path
        TIFF, PNG or JPEG.
    depths : tuple of int
        Bits per channel that are taken.

    Returns
    -------
    (Y, X, C) uint8 or uint16 array
        C is 1 (grey) or 3 (red, green, blue).

    Raises
    ------
    UserError
        If it is missing, of another kind, damaged, holds several planes, or has another bit depth or colour space.
    """
    where = str(path)
    if not path.is_file():
        raise UserError(where, got="no such file", wanted="an image", do="Mend the path.")
    head = head_of(path)
    if head.start.startswith(PICTURES):
        return read_raster(path, depths)
    if not head.is_tiff:
        got = "an empty file" if not head.start else "a file that is neither"
        raise UserError(where, got=got, wanted="a TIFF, PNG or JPEG image", do="Convert it, or take it out.")
    with open_tiff(path) as tif:
        if len(tif.pages) > 1:
            raise UserError(
                where,
                got=f"{len(tif.pages)} planes in one file",
                wanted="one plane a file",
                do="Give the slide the source `stack` if each file is a z-stack.",
            )
        return read_page(tif.pages[0], where, depths)


def pixel_of_image(path: Path) -> PixelSize:
    """What a flat image's file says of its pixel size; PNG and JPEG say nothing that is known here."""
    if not is_tiff(path):
        return PixelSize()
    where = str(path)
    with open_tiff(path) as tif:
        told = ome_images(tif, where)
        return pixel_of_tiff(where, tif, tif.pages.first, told[0] if told else None)
