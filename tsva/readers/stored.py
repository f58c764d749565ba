"""An image as a file holds it, before any pixel is read: the one face of all formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from tsva.errors import UserError
from tsva.readers.scale import Heights, PixelSize

MOST_FOCAL_PLANES = 10_000
"""A header may state any number, where what is not stored counts as black."""
MOST_PIECES = 2**17
"""Tiles or chunks that a region may touch; the largest image read at once has as many of 32×32 pixels."""


@dataclass(frozen=True)
class Objective:
    """What a file says of its objective; None where it says nothing."""

    na: float | None = None
    magnification: float | None = None
    immersion: str = ""


UNKNOWN = Objective()


@dataclass(frozen=True)
class Level:
    """One resolution of an image; `reduction` is 1 for the finest."""

    height: int
    width: int
    reduction: float


class PlaneReader(Protocol):
    """An open image, read by plane, region and level."""

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels of a plane (counted as stored); the region lies within it.

        The level's own pixels are counted.
        """
        ...


@dataclass(frozen=True)
class StoredImage:
    """A flat image or a z-stack in a file.

    Attributes
    ----------
    name : str
        For the field; not yet fit for a file's name.
    where : str
        The file or folder, for messages.
    format : str
        E.g. ``OME-TIFF``, ``NDPI``, ``DICOM``, ``OME-Zarr 0.5``.
    planes : int
        Focal planes; 1 for a flat image.
    height_px, width_px : int
        Of every plane.
    channels : tuple of str
        Their names: ``("grey",)``, ``("red", "green", "blue")``, or the file's own.
    depth : int
        Bits per channel as stored: 8 or 16; others are refused when they are read.
    bits : int or None
        How many of them are used; None: the file doesn't say (16-bit only).
    heights : Heights
        Where the planes lie, as far as the file says it.
    pixel : PixelSize
        Size of a pixel in the specimen, likewise.
    objective : Objective
        Numerical aperture and magnification, where known.
    open : callable
        Gives a context manager that holds the file open, and a `PlaneReader`.
    files : tuple of Path
        All files that the image lies in, where these are several.
    levels : tuple of Level
        Resolutions, from fine to coarse; the finest one at least.
    stored_as : str
        How pixels are compressed, where known.
    """

    name: str
    where: str
    format: str
    planes: int
    height_px: int
    width_px: int
    channels: tuple[str, ...]
    depth: int
    bits: int | None
    heights: Heights
    pixel: PixelSize
    objective: Objective
    open: Callable[[], AbstractContextManager[PlaneReader]]
    files: tuple[Path, ...] = ()
    levels: tuple[Level, ...] = ()
    stored_as: str = ""

    def __post_init__(self) -> None:
        if not self.levels:
            object.__setattr__(self, "levels", (Level(self.height_px, self.width_px, 1.0),))

    @property
    def z_um(self) -> tuple[float, ...] | None:
        """Position of each plane in the order that they are stored in; None: the file doesn't say."""
        return self.heights.um

    @property
    def pixel_um(self) -> float | None:
        """Size of a pixel in the specimen, where the file says one that can be believed."""
        return self.pixel.um


OPACITY = {"alpha", "opacity"}
COLOURS = {"red": 0, "r": 0, "green": 1, "g": 1, "blue": 2, "b": 2}
UNNAMED = re.compile(r"(?:(?:channel|ch|c|image)?[\s:_#-]*(?:\d+[\s:_-]*)*)?", re.IGNORECASE)
"""Names that say nothing, such as ``Channel:0:1``."""
DYE = re.compile(
    r"(?<![a-z])(?:dapi|hoechst|draq|fitc|tritc|rhod|alexa|af ?\d|atto|cy ?\d|[a-z]{0,2}[gyrc]fp|mcherry|tdtomato|"
    r"texas|tx ?red|dsred|syto|pi(?![a-z])|\d{3} ?nm)",
    re.IGNORECASE,
)
"""Of fluorescence: a channel that is shown in a colour is no channel of a colour camera."""


def colour_order(names: tuple[str, ...], count: int, where: str) -> tuple[int, ...] | None:
    """Which of several channels are red, green and blue (and opacity), by their names; None where they have none.

    Parameters
    ----------
    names : tuple of str
        What the file calls its channels.
    count : int
        How many channels the image has that are stored apart.
    where : str
        The file, for messages.

    Raises
    ------
    UserError
        If they are called otherwise, such as DAPI: fluorescence is no colour image.
    """
    if count < 2 or len(names) != count or all(UNNAMED.fullmatch(name) for name in names):
        return None
    words = [set(re.split(r"[^a-z]+", name.casefold())) for name in names]
    opaque = (count - 1,) if count in (2, 4) and words[-1] & OPACITY else ()
    if count - len(opaque) == 1:
        return None
    found = [sorted({COLOURS[word] for word in said & set(COLOURS)}) for said in words[: count - len(opaque)]]
    if sorted(found) != [[0], [1], [2]] or any(DYE.search(name) for name in names):
        raise UserError(
            where,
            got=f"channels {', '.join(names)}",
            wanted="grey, or red, green and blue",
            do="Export one channel as grey, or the colour image as RGB.",
        )
    return (*(found.index([colour]) for colour in range(3)), *opaque)


def channel_names(count: int, named: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The file's own names if it names all channels; else what grey and RGB are called."""
    if len(named) == count and all(named):
        return named
    usual = {1: ("grey",), 2: ("grey", "alpha"), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}
    return usual.get(count, tuple(f"channel {i + 1}" for i in range(count)))


class RegionReader:
    """A sharp image, open: its only plane, read region by region.

    Attributes
    ----------
    where : str
        The file, for messages.
    pixel : PixelSize
        Pixel size of the finest level, as far as the file says it.
    objective : Objective
        Where the file knows it.
    levels : tuple of Level
        From fine to coarse.
    """

    def __init__(self, image: StoredImage, reader: PlaneReader) -> None:
        self.where, self.pixel, self.objective, self.levels = image.where, image.pixel, image.objective, image.levels
        self._reader = reader

    def read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """(height, width, 1 or 3) uint8 pixels of a level, whose own pixels are counted; the region lies within it."""
        return self._reader.read(0, top, left, height, width, level)


class ArrayReader:
    """A `PlaneReader` of an image that is decoded as a whole, once."""

    def __init__(self, decode: Callable[[], np.ndarray]) -> None:
        self._decode = cache(decode)

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        if plane or level:
            raise ValueError("one plane, one level")
        return self._decode()[top : top + height, left : left + width]
