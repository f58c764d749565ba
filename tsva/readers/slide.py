"""Whole slides in the formats of scanners, by OpenSlide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import numpy as np
import openslide
import tifffile

from tsva.readers.guards import check_czi
from tsva.readers.head import head_of
from tsva.readers.heights import Heights
from tsva.readers.pixel_size import PixelSizeEntry, pixel_size
from tsva.readers.pixels import unreadable
from tsva.readers.registry import stem_of
from tsva.readers.stored import Level, Objective, PlaneReader, StoredImage, channel_names
from tsva.readers.tiff import DAMAGED, check_tiles, reading

APERTURES = ("leica.aperture", "dicom.OpticalPathSequence[0].ObjectiveLensNumericalAperture")
"""Properties that hold a numerical aperture; other scanners don't record it."""


def is_slide(path: Path) -> bool:
    """Whether OpenSlide knows a file as a scanner's."""
    return path.is_file() and openslide.OpenSlide.detect_format(path) not in (None, "generic-tiff")


def slide_images(path: Path) -> list[StoredImage]:
    """The slide in a file for which `is_slide` holds.

    Raises
    ------
    UserError
        If it is damaged.
    """
    where = str(path)
    with _open(path) as reader:
        return [stored(where, reader.slide, lambda: _open(path))]


def stored(
    where: str, slide: openslide.OpenSlide, opened: Callable[[], AbstractContextManager[PlaneReader]]
) -> StoredImage:
    """What a slide says of itself."""

    def number(key: str) -> float | None:
        """What the scanner wrote under a key, if that is a number above zero; a damaged file may hold anything."""
        try:
            value = float(slide.properties[key])
        except (KeyError, ValueError):
            return None
        return value if 0 < value < math.inf else None

    na = next((value for key in APERTURES if (value := number(key))), None)
    objective = Objective(na, number(openslide.PROPERTY_NAME_OBJECTIVE_POWER))
    size = (number(openslide.PROPERTY_NAME_MPP_X), number(openslide.PROPERTY_NAME_MPP_Y))
    levels = tuple(
        Level(height, width, reduction)
        for (width, height), reduction in zip(slide.level_dimensions, slide.level_downsamples, strict=True)
    )
    vendor = slide.properties.get(openslide.PROPERTY_NAME_VENDOR, "")
    return StoredImage(
        name=stem_of(Path(where)),
        where=where,
        format=f"whole slide ({vendor})",
        planes=1,
        height_px=levels[0].height,
        width_px=levels[0].width,
        channels=channel_names(3),
        depth=8,
        bits=8,
        heights=Heights(),
        pixel=pixel_size(where, [PixelSizeEntry("the scanner's mpp", *size)], objective.magnification),
        objective=objective,
        open=opened,
        levels=levels,
    )


@contextmanager
def _open(path: Path) -> Iterator[SlideReader]:
    where = str(path)
    if head_of(path).is_tiff:
        check_tiles(path)
    elif head_of(path).is_czi:
        with reading(where):
            check_czi(path)  # OpenSlide, too, ends the process over some that are not consistent
    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise unreadable(where, error) from None
    with slide:
        yield SlideReader(where, slide)


class SlideReader:
    """A `PlaneReader` of an open slide, which the caller closes."""

    def __init__(self, where: str, slide: openslide.OpenSlide) -> None:
        self.slide, self._where = slide, where
        colour = slide.properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "FFFFFF")
        self._background = np.array(list(bytes.fromhex(colour)), np.uint16)

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 3) uint8 pixels; the slide's background colour where the scanner took no picture."""
        if plane:
            raise ValueError("one plane")
        reduction = self.slide.level_downsamples[level]
        try:
            # OpenSlide counts the corner in pixels of the finest level
            region = self.slide.read_region((round(left * reduction), round(top * reduction)), level, (width, height))
        except openslide.OpenSlideError as error:
            raise unreadable(self._where, error) from None
        pixels = np.asarray(region)
        alpha = pixels[..., 3:].astype(np.uint16)
        if alpha.min() == 255:
            return pixels[..., :3]
        return ((pixels[..., :3] * alpha + self._background * (255 - alpha) + 127) // 255).astype(np.uint8)


ICC_TAG = 34675
SIGNATURE = slice(36, 40)
"""Where every ICC profile holds the letters ``acsp``."""


def icc_profile_of(path: Path) -> bytes | None:
    """The ICC profile of a TIFF file's first page, or of a slide that OpenSlide reads; None where there is none.

    A damaged profile counts as none: it concerns colours alone, and no pixel depends on it here.
    """
    found: bytes | None = None
    if path.is_file() and head_of(path).is_tiff:
        with suppress(*DAMAGED), tifffile.TiffFile(path) as tif:
            value = tif.pages.first.tags.valueof(ICC_TAG)
            found = bytes(value) if value is not None else None
    elif path.is_file():
        with suppress(openslide.OpenSlideError, *DAMAGED), openslide.OpenSlide(path) as slide:
            profile = slide.color_profile
            found = profile.tobytes() if profile is not None else None
    return found if found is not None and found[SIGNATURE] == b"acsp" else None
