"""Sharp fields from slides and images: what defocus is simulated on."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openslide

from tsva.errors import UserError
from tsva.io.images import is_tiff, read_image
from tsva.io.pixels import unreadable
from tsva.io.regions import ArrayRegions, RegionReader
from tsva.io.resample import MARGIN_PX, resample
from tsva.io.slide import SlideRegions
from tsva.io.tiff import open_tiff
from tsva.io.tiff_regions import TiffRegions
from tsva.sharpness import tissue_fraction

log = logging.getLogger(__name__)
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


@contextmanager
def open_regions(path: Path) -> Iterator[RegionReader]:
    """Open an image by its content, whatever its name: OpenSlide's formats, TIFF and OME-TIFF, PNG, JPEG.

    Raises
    ------
    UserError
        If it is missing, of no known kind, damaged, or has unsupported pixels.
    """
    where = str(path)
    if path.is_file() and openslide.OpenSlide.detect_format(path) not in (None, "generic-tiff"):
        try:
            slide = openslide.OpenSlide(path)
        except openslide.OpenSlideError as error:
            raise unreadable(where, error) from None
        with slide:
            yield SlideRegions(where, slide)
    elif is_tiff(path):
        # tifffile takes these, as OpenSlide doesn't read their OME header
        with open_tiff(path) as tif:
            yield TiffRegions(path, tif)
    else:
        yield ArrayRegions(where, read_image(path))


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
        A slide or image.
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
        If the image can't be read, is smaller than one field, or nobody knows its pixel size.
    """
    with open_regions(path) as image:
        pixel_um = _pixel_um(image, pixel_um_of_file)
        factor = target_pixel_um / pixel_um
        if factor < 1:
            log.warning("%s: %.4g µm per pixel is coarser than the %.4g µm asked for", path, pixel_um, target_pixel_um)
        size = tuple(field * factor for field in field_shape)
        rows, columns = (
            int(have / want + 1e-6)
            for have, want in zip((image.levels[0].height, image.levels[0].width), size, strict=True)
        )
        if rows * columns == 0:
            raise UserError(
                str(path),
                got=f"an image of {image.levels[0].height}×{image.levels[0].width} pixels of {pixel_um:.4g} µm",
                wanted=f"at least {math.ceil(size[0])}×{math.ceil(size[1])}, one field of"
                f" {field_shape[0]}×{field_shape[1]} pixels of {target_pixel_um:.4g} µm",
                do="Lower simulate.field_px in the settings, mend the sheet's column pixel_um, or take a larger image.",
            )
        usable = 0
        for place in _spread(rows * columns):
            row, column = divmod(place, columns)
            field = _field(image, row, column, (rows, columns), size, field_shape)
            tissue = tissue_fraction(field)
            reason = "" if tissue >= min_tissue_fraction else f"blank: tissue on {tissue:.1%} of it"
            yield f"{path.name.split('.')[0]}_r{row:02d}_c{column:02d}", field, reason
            usable += not reason
            if usable == max_fields:
                return


def _pixel_um(image: RegionReader, of_sheet: float | None) -> float:
    if of_sheet is None and image.pixel_um is None:
        raise UserError(
            image.where, got="no pixel size in the file", wanted="the size of a pixel in the specimen, in micrometres",
            do="Write it into the slide sheet's column pixel_um.",
        )  # fmt: skip
    if of_sheet is None:
        assert image.pixel_um is not None
        return image.pixel_um
    if image.pixel_um is not None and abs(image.pixel_um / of_sheet - 1) > 0.01:
        log.warning(
            "%s: the sheet's pixel_um %.4g is taken, not the file's %.4g", image.where, of_sheet, image.pixel_um
        )
    return of_sheet


def _spread(count: int) -> list[int]:
    """Numbers 0 to count - 1 in an order whose every beginning is spread evenly (multiples of the golden ratio)."""
    return sorted(range(count), key=lambda number: ((number + 0.5) * GOLDEN_RATIO) % 1) if count > 1 else [0]


def _field(
    image: RegionReader,
    row: int,
    column: int,
    grid: tuple[int, int],
    size: tuple[float, ...],
    shape: tuple[int, int],
) -> np.ndarray:
    """One field of the grid, resampled from the coarsest level that is still as fine as asked for."""
    finest = image.levels[0]
    factor = size[0] / shape[0]
    level = max(i for i, item in enumerate(image.levels) if item.reduction <= max(factor, 1.0) * 1.001)
    reduction = image.levels[level].reduction
    top, left = (
        ((have - count * want) / 2 + place * want) / reduction
        for have, count, want, place in zip((finest.height, finest.width), grid, size, (row, column), strict=True)
    )
    tall, wide = (want / reduction for want in size)
    margin = math.ceil(MARGIN_PX * max(1.0, factor / reduction))
    y0, x0 = max(0, math.floor(top) - margin), max(0, math.floor(left) - margin)
    y1 = min(image.levels[level].height, math.ceil(top + tall) + margin)
    x1 = min(image.levels[level].width, math.ceil(left + wide) + margin)
    region = image.read(level, y0, x0, y1 - y0, x1 - x0)
    bottom, right = min(top - y0 + tall, y1 - y0), min(left - x0 + wide, x1 - x0)
    field = resample(region, shape, (max(0.0, left - x0), max(0.0, top - y0), right, bottom))
    return np.repeat(field, 3, axis=2) if field.shape[2] == 1 else field
