"""Whole slides in the formats of scanners, by OpenSlide."""

from __future__ import annotations

import math

import numpy as np
import openslide

from tsva.readers.pixels import unreadable
from tsva.readers.scale import Word, pixel_size
from tsva.readers.stored import Level, Objective

APERTURES = ("leica.aperture", "dicom.OpticalPathSequence[0].ObjectiveLensNumericalAperture")
"""Properties that hold a numerical aperture; other scanners don't tell it."""


class SlideRegions:
    """A `RegionReader` of a slide.

    Parameters
    ----------
    where : str
        The file, for messages.
    slide : openslide.OpenSlide
        Open, and closed by the caller.
    """

    def __init__(self, where: str, slide: openslide.OpenSlide) -> None:
        self.where, self._slide = where, slide
        na = next((value for key in APERTURES if (value := self._number(key))), None)
        self.objective = Objective(na, self._number(openslide.PROPERTY_NAME_OBJECTIVE_POWER))
        size = (self._number(openslide.PROPERTY_NAME_MPP_X), self._number(openslide.PROPERTY_NAME_MPP_Y))
        self.pixel = pixel_size(where, [Word("the scanner's mpp", *size)], self.objective.magnification)
        self.levels = [
            Level(height, width, reduction)
            for (width, height), reduction in zip(slide.level_dimensions, slide.level_downsamples, strict=True)
        ]
        colour = slide.properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "FFFFFF")
        self._background = np.array(list(bytes.fromhex(colour)), np.uint16)

    def _number(self, key: str) -> float | None:
        """What the scanner wrote under a key, if that is a number above zero; a damaged file may hold anything."""
        try:
            value = float(self._slide.properties[key])
        except (KeyError, ValueError):
            return None
        return value if 0 < value < math.inf else None

    def read(self, level: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """(height, width, 3) uint8 pixels; the slide's background colour where the scanner took no picture."""
        reduction = self.levels[level].reduction
        try:
            # OpenSlide counts the corner in pixels of the finest level
            region = self._slide.read_region((round(left * reduction), round(top * reduction)), level, (width, height))
        except openslide.OpenSlideError as error:
            raise unreadable(self.where, error) from None
        pixels = np.asarray(region)
        alpha = pixels[..., 3:].astype(np.uint16)
        if alpha.min() == 255:
            return pixels[..., :3]
        return ((pixels[..., :3] * alpha + self._background * (255 - alpha) + 127) // 255).astype(np.uint8)
