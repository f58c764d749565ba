"""What the headers of TIFF files say of the microscope: OME's, ImageJ's and the resolution tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from tifffile import TiffFile, TiffPage

from tsva.readers.ome import OmeImage
from tsva.readers.scale import COARSEST_PIXEL_UM, FINEST_PIXEL_UM, Heights, PixelSize, Word, heights, pixel_size
from tsva.readers.tiff import reading, tag_word
from tsva.readers.units import number, unit_um


def pixel_of_tiff(where: str, tif: TiffFile, page: TiffPage, told: OmeImage | None) -> PixelSize:
    """Pixel size by the OME header, ImageJ's description and the resolution tags, in this order.

    Parameters
    ----------
    where : str
        The file, for messages.
    tif : TiffFile
        Open.
    page : TiffPage
        Of the image.
    told : OmeImage or None
        What the OME header says of the image.
    """
    words = []
    if told is not None:
        words.append(Word("OME PhysicalSize", told.pixel_um, told.pixel_y_um))
    with reading(where):  # what a header calls a number may be none
        words += [*_imagej_words(tif, page), tag_word(page)]
    return pixel_size(where, words, told.objective.magnification if told is not None else None)


def _imagej_words(tif: TiffFile, page: TiffPage) -> list[Word]:
    """Pixels per unit of the description, unless that makes no microscope's pixel.

    ImageJ writes the unit's pixels into the resolution tags; other programs write them per centimetre and call it so.
    """
    told = imagej(tif)
    across, down = unit_um(told.get("unit", "")), unit_um(told.get("yunit", told.get("unit", "")))
    if across is None or down is None:
        return []
    x, y = tag_word(page, unit_um=across).x_um, tag_word(page, unit_um=down).y_um
    if x is None or not FINEST_PIXEL_UM <= x < COARSEST_PIXEL_UM:
        return []
    return [Word("ImageJ scale", x, y)]


def imagej(tif: TiffFile) -> Mapping[str, Any]:
    """ImageJ's description; empty for other files."""
    return tif.imagej_metadata or {} if tif.is_imagej else {}


def heights_of_tiff(where: str, tif: TiffFile, planes: int, told: OmeImage | None) -> Heights:
    """Where planes lie by the OME header, or by ImageJ's spacing.

    Raises
    ------
    UserError
        If what should be a number is none; names the attribute.
    """
    if told is not None:
        return heights(
            where,
            planes,
            told.position_z_um,
            told.z_step_um,
            told.position_z,
            ("PositionZ", "PhysicalSizeZ"),
        )
    header = imagej(tif)
    unit = unit_um(header.get("zunit", header.get("unit", "")))
    if "spacing" not in header or unit is None:
        return Heights()
    return heights(
        where, planes, None, number(header["spacing"], "spacing", where) * unit, source=("", "ImageJ spacing")
    )


def channel_colours(tif: TiffFile) -> tuple[str, ...]:
    """What the colour tables of ImageJ's channels are called; empty strings for others than pure ones."""
    return tuple(_colour(np.asarray(table)) for table in imagej(tif).get("LUTs", ()))


def _colour(table: np.ndarray) -> str:
    lit = [bool(row.any()) for row in table] if table.ndim == 2 and len(table) == 3 else []
    return {(True, False, False): "red", (False, True, False): "green", (False, False, True): "blue"}.get(
        tuple(lit),  # type: ignore[arg-type]
        "",
    )


def slice_labels(tif: TiffFile) -> tuple[str, ...]:
    """What ImageJ calls the slices of a stack; empty without labels."""
    labels = imagej(tif).get("Labels", ())
    return tuple(str(label) for label in labels) if isinstance(labels, list | tuple) else ()
