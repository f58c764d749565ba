"""Whole slides by OpenSlide, and sharp fields from slides and images: what defocus is simulated on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import numpy as np
import openslide
import tifffile

from tsva.acquisition.sharpness import tissue_fraction
from tsva.acquisition.stack import MARGIN_PX, SAME_PIXEL, resample
from tsva.errors import UserError
from tsva.readers.guards import check_czi
from tsva.readers.head import head_of
from tsva.readers.pixels import unreadable, wrong_depth
from tsva.readers.registry import matching, stem_of
from tsva.readers.scale import Heights, PixelSizeEntry, check_enlarging, choose_pixel_um, pixel_size
from tsva.readers.source import stored_images
from tsva.readers.stored import Level, Objective, PlaneReader, RegionReader, StoredImage, channel_names
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


log = logging.getLogger(__name__)
ROUNDING = 1e-3
"""Pixels by which levels of a pyramid and quotients of pixel sizes may miss a whole number."""
MOST_FIELDS = 2**20
"""Of one image; a slide of 200,000 pixels a side has as many fields of 195 pixels."""
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


def flat_image(path: Path) -> StoredImage:
    """The sharp image in a file or folder, by its content: OpenSlide's formats, and all others with a single plane.

    Raises
    ------
    UserError
        If it is missing, of no known kind, damaged, has several planes, several images as large, or unsupported pixels.
    """
    images = slide_images(path) if is_slide(path) else stored_images(path)
    # a thumbnail may come first
    largest = max(images, key=lambda image: image.height_px * image.width_px)
    alike = sum((image.height_px, image.width_px) == (largest.height_px, largest.width_px) for image in images)
    if alike > 1:
        raise UserError(
            largest.where,
            got=f"{alike} images of {largest.height_px}×{largest.width_px} pixels, none of which is the largest",
            wanted="a single sharp plane",
            do="Export one image a file, or the planes of a z-stack as one image.",
        )
    if largest.planes > 1:
        raise UserError(
            largest.where,
            got=f"{largest.planes} planes",
            wanted="a single sharp plane",
            do="Give it the source `stack` if it is a z-stack, or save one plane of it.",
        )
    if largest.depth != 8:
        raise wrong_depth(largest.where, f"{largest.depth} bits per channel")
    return largest


@contextmanager
def open_regions(path: Path) -> Iterator[RegionReader]:
    """Open a sharp image: see `flat_image`."""
    image = flat_image(path)
    with image.open() as reader:
        yield RegionReader(image, reader)


def read_sharp_fields(
    path: Path,
    pixel_um_of_file: float | None,
    target_pixel_um: float,
    field_shape: tuple[int, int],
    max_fields: int,
    min_tissue_fraction: float = 0.05,
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Cut fields out of a slide or image, at a common pixel size.

    Fields lie side by side, centred in the image, and are visited in an order that spreads them evenly over it, so that
    a few fields of a large slide are not all from its upper edge. Regions are read one by one.

    Parameters
    ----------
    path : Path
        A slide or image, or several by a pattern such as ``slides/*.svs``: one after the other.
    pixel_um_of_file : float or None
        The sheet's pixel size; None: the file's own.
    target_pixel_um : float
        Pixel size of the fields.
    field_shape : (int, int)
        Height and width of a field in target pixels.
    max_fields : int
        Stop after so many usable fields.
    min_tissue_fraction : float
        A field with less tissue is blank.

    Yields
    ------
    name : str
        From the file's name and the field's row and column, e.g. ``CMU-1_r01_c03``.
    field : (Y, X, 3) uint8 array
        Grey images are given three equal channels.
    reason : str
        Empty if usable; else why the field is left out.

    Raises
    ------
    UserError
        If an image can't be read, is smaller than one field, or nobody knows its pixel size.
    """
    usable = 0
    for file in matching(path, str(path)):
        with open_regions(file) as image:
            for name, field in _fields(image, file, pixel_um_of_file, target_pixel_um, field_shape):
                tissue = tissue_fraction(field)
                blank = tissue < min_tissue_fraction
                yield name, field, f"blank: tissue on {tissue:.1%} of it" if blank else ""
                usable += not blank
                if usable == max_fields:
                    return


def _fields(
    image: RegionReader, file: Path, of_sheet: float | None, target_um: float, shape: tuple[int, int]
) -> Iterator[tuple[str, np.ndarray]]:
    """Names and pixels of all fields of an image."""
    chosen = choose_pixel_um(image.where, of_sheet, image.pixel)
    assert chosen.um is not None
    pixel_um = chosen.um
    check_enlarging(image.where, pixel_um, chosen.source, target_um)
    if pixel_um > target_um * (1 + SAME_PIXEL):
        log.warning("%s: %.4g µm per pixel is coarser than the %.4g µm asked for", file, pixel_um, target_um)
    factor, finest = target_um / pixel_um, image.levels[0]
    rows = int(finest.height / (shape[0] * factor) + ROUNDING)
    columns = int(finest.width / (shape[1] * factor) + ROUNDING)
    if rows * columns == 0:
        raise UserError(
            image.where,
            got=f"an image of {finest.height}×{finest.width} pixels of {pixel_um:.4g} µm",
            wanted=f"at least {math.ceil(shape[0] * factor)}×{math.ceil(shape[1] * factor)}, one field of"
            f" {shape[0]}×{shape[1]} pixels of {target_um:.4g} µm",
            do="Lower simulate.field_px in the settings, correct the sheet's column pixel_um, or take a larger image.",
        )
    if rows * columns > MOST_FIELDS:
        raise UserError(
            image.where,
            got=f"an image of {finest.height}×{finest.width} pixels of {pixel_um:.4g} µm, {rows * columns} fields",
            wanted=f"at most {MOST_FIELDS} fields",
            do="Raise simulate.field_px in the settings, or correct the sheet's column pixel_um.",
        )
    # whole pixels, so that fields at the image's own pixel size are exact pieces of it
    top = (finest.height - rows * shape[0] * factor) // 2
    left = (finest.width - columns * shape[1] * factor) // 2
    for place in _spread(rows * columns):
        row, column = divmod(place, columns)
        corner = (top + row * shape[0] * factor, left + column * shape[1] * factor)
        yield f"{stem_of(file)}_r{row:02d}_c{column:02d}", _field(image, corner, factor, shape)


def _spread(count: int) -> list[int]:
    """Numbers 0 to count - 1 in an order whose every beginning is spread evenly (multiples of the golden ratio)."""
    return sorted(range(count), key=lambda number: ((number + 0.5) * GOLDEN_RATIO) % 1) if count > 1 else [0]


def _field(image: RegionReader, corner: tuple[float, float], factor: float, shape: tuple[int, int]) -> np.ndarray:
    """One field, resampled from the coarsest level that is still as fine as asked for.

    `corner` and `factor` (pixels of the image in one of the field) count pixels of the finest level.
    """
    number = max(i for i, level in enumerate(image.levels) if level.reduction <= max(factor, 1.0) + ROUNDING)
    level = image.levels[number]
    scale = factor / level.reduction
    top, left = corner[0] / level.reduction, corner[1] / level.reduction
    bottom, right = min(top + shape[0] * scale, level.height), min(left + shape[1] * scale, level.width)
    margin = math.ceil(MARGIN_PX * max(1.0, scale))
    y, x = max(0, math.floor(top) - margin), max(0, math.floor(left) - margin)
    tall = min(level.height, math.ceil(bottom) + margin) - y
    wide = min(level.width, math.ceil(right) + margin) - x
    field = resample(image.read(number, y, x, tall, wide), shape, (left - x, top - y, right - x, bottom - y))
    return np.repeat(field, 3, axis=2) if field.shape[2] == 1 else field
