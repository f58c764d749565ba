"""A flat image of any supported kind, told apart by content."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from tsva.errors import UserError
from tsva.readers.head import PICTURES, head_of
from tsva.readers.pixels import as_grey_or_rgb, unreadable, wrong_colours, wrong_depth
from tsva.readers.scale import PixelSize
from tsva.readers.tiff import ome_images, open_tiff, read_page
from tsva.readers.tiff_header import pixel_of_tiff

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_GREY, PNG_PALETTE = 0, 3


def read_raster(path: Path, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """Read a PNG or JPEG image.

    Parameters
    ----------
    path : Path
        The file.
    depths : tuple of int
        Bits per channel that are taken; of 16 bits grey ones alone.

    Returns
    -------
    (Y, X, C) uint8 or uint16 array
        C is 1 (grey) or 3 (red, green, blue). Colours of a palette are looked up, which loses nothing.

    Raises
    ------
    UserError
        If the file is cut off, damaged, too large to hold, or has another bit depth or colour space.
    """
    where = str(path)
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _check_png_depth(file, where, depths)
            return as_grey_or_rgb(_decoded(Image.open(file, formats=("PNG", "JPEG")), where, depths), where, depths)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(
            where,
            got=f"more than {Image.MAX_IMAGE_PIXELS} pixels in a file that can only be read as a whole",
            wanted="a tiled TIFF, which is read region by region",
            do="Convert it (vips tiffsave --tile).",
        ) from None
    except FileNotFoundError:
        raise UserError(where, got="no such file", wanted="an image", do="Mend the path.") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError) as error:
        raise unreadable(where, error) from None


def _decoded(image: Image.Image, where: str, depths: tuple[int, ...]) -> np.ndarray:
    if image.mode == "I;16" and 16 in depths:
        return np.asarray(image).astype(np.uint16)
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("1", "I", "F") or image.mode.startswith("I;"):
        raise wrong_depth(
            where, {"1": "1 bit per pixel", "F": "32 bits per channel (float)"}.get(image.mode, "16 bits per channel")
        )
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise wrong_colours(where, image.mode)
    return np.asarray(image)


def _check_png_depth(file: BinaryIO, where: str, depths: tuple[int, ...]) -> None:
    """Pillow opens 16-bit RGB as 8-bit without a word, so the header is asked first."""
    start = file.read(26)
    file.seek(0)
    if not start.startswith(PNG_START):
        return
    depth, colour_type = struct.unpack(">BB", start[24:26])
    if depth == 16 and 16 in depths and colour_type == PNG_GREY:
        return
    if depth != 8 and colour_type != PNG_PALETTE:
        raise wrong_depth(where, f"{depth} bits per channel")


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
