"""Flat images: PNG, JPEG and BMP by Pillow, and what is read as a whole."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb, unreadable, wrong_colours, wrong_depth
from tsva.readers.registry import stem_of
from tsva.readers.scale import Heights, PixelSize
from tsva.readers.source import stored_images
from tsva.readers.stored import UNKNOWN, ArrayReader, StoredImage, channel_names

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_GREY, PNG_PALETTE = 0, 3


def read_raster(path: Path, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """Read a PNG, JPEG or BMP image.

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
    with _opened(path, where, depths) as image:
        return as_grey_or_rgb(_decoded(image, where, depths), where, depths)


@contextmanager
def _opened(path: Path, where: str, depths: tuple[int, ...]) -> Iterator[Image.Image]:
    """A picture whose depth has been checked; what Pillow raises within the block is reported as a damaged file."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _check_png_depth(file, where, depths)
            image = Image.open(file, formats=("PNG", "JPEG", "BMP"))
            _check_mode(image, where)
            yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(
            where,
            got=f"more than {Image.MAX_IMAGE_PIXELS} pixels in a file that can only be read as a whole",
            wanted="a tiled TIFF, which is read region by region",
            do="Convert it (vips tiffsave --tile).",
        ) from None
    except FileNotFoundError:
        raise UserError(where, got="no such file", wanted="an image", do="Correct the path.") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError) as error:
        raise unreadable(where, error) from None


def _check_mode(image: Image.Image, where: str) -> None:
    """Refuse depths and colour spaces by the header."""
    if image.mode == "I;16":
        return
    if image.mode in ("1", "I", "F") or image.mode.startswith("I;"):
        names = {"1": "1 bits per channel", "F": "32 bits per channel (float)"}
        raise wrong_depth(where, names.get(image.mode, "16 bits per channel"))
    if image.mode not in ("L", "LA", "P", "RGB", "RGBA"):
        raise wrong_colours(where, image.mode)


def _decoded(image: Image.Image, where: str, depths: tuple[int, ...]) -> np.ndarray:
    if image.mode == "I;16":
        if 16 not in depths:
            raise wrong_depth(where, "16 bits per channel")
        return np.asarray(image).astype(np.uint16)
    if image.mode == "P":
        return np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB"))
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


def raster_images(path: Path) -> list[StoredImage]:
    """The image in a PNG, JPEG or BMP file, by its header alone.

    Raises
    ------
    UserError
        If the header is damaged, or states an unsupported bit depth or colour space.
    """
    where = str(path)
    with _opened(path, where, BOTH_DEPTHS) as image:
        depth, (width, height), kind = 16 if image.mode == "I;16" else 8, image.size, image.format or ""
        colours = 1 if image.mode in ("L", "LA", "I;16") else 3
    return [
        StoredImage(
            name=stem_of(path),
            where=where,
            format=kind,
            planes=1,
            height_px=height,
            width_px=width,
            channels=channel_names(colours),
            depth=depth,
            bits=8 if depth == 8 else None,
            heights=Heights(),
            pixel=PixelSize(),
            objective=UNKNOWN,
            open=lambda: nullcontext(ArrayReader(lambda: read_raster(path, BOTH_DEPTHS))),
        )
    ]


def only_plane(path: Path) -> StoredImage:
    """The image in a file that holds nothing else, before any pixel is read.

    Raises
    ------
    UserError
        If it is missing, of another kind, damaged, or holds several planes.
    """
    where = str(path)
    if not path.is_file():
        raise UserError(where, got="no such file", wanted="an image", do="Correct the path.")
    head = head_of(path)
    if not head.is_tiff and not head.is_picture:
        got = "an empty file" if not head.start else "a file that is neither"
        raise UserError(where, got=got, wanted="a TIFF, PNG, JPEG or BMP image", do="Convert it, or take it out.")
    images = stored_images(path)
    planes = sum(image.planes for image in images)
    if planes > 1:
        raise UserError(
            where,
            got=f"{planes} planes in one file",
            wanted="one plane a file",
            do="Give the slide the source `stack` if each file is a z-stack.",
        )
    return images[0]


def read_image(path: Path, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """Read a flat image.

    Parameters
    ----------
    path : Path
        TIFF, PNG, JPEG or BMP.
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
    return read_whole(only_plane(path), depths)


def read_whole(image: StoredImage, depths: tuple[int, ...] = (8,)) -> np.ndarray:
    """(Y, X, 1 or 3) uint8 or uint16: all pixels of an image's first plane; see `read_image`."""
    if image.depth not in depths and image.depth in BOTH_DEPTHS:
        raise wrong_depth(image.where, f"{image.depth} bits per channel (uint{image.depth})")
    with image.open() as reader:
        return reader.read(0, 0, 0, image.height_px, image.width_px)
