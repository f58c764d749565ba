"""Regions of images that may not fit in memory; one face for all formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tsva.readers.scale import PixelSize
from tsva.readers.stored import UNKNOWN, Objective


@dataclass(frozen=True)
class Level:
    """One resolution of an image; `reduction` is 1 for the finest."""

    height: int
    width: int
    reduction: float


class RegionReader(Protocol):
    """An open image, read region by region.

    Attributes
    ----------
    where : str
        The file, for messages.
    pixel : PixelSize
        Pixel size of the finest level, as far as the file says it.
    objective : Objective
        Where the file knows it.
    levels : list of Level
        From fine to coarse.
    """

    where: str
    pixel: PixelSize
    objective: Objective
    levels: list[Level]

    def read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """(height, width, 1 or 3) uint8 pixels of a level, whose own pixels are counted; the region lies within it."""
        ...


class ArrayRegions:
    """A `RegionReader` of an image that is in memory as a whole."""

    def __init__(self, where: str, pixels: np.ndarray) -> None:
        self.where, self._pixels = where, pixels
        self.pixel = PixelSize()
        self.objective = UNKNOWN
        self.levels = [Level(pixels.shape[0], pixels.shape[1], 1.0)]

    def read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:  # noqa: ARG002
        return self._pixels[top : top + height, left : left + width]
