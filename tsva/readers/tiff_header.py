"""What headers of TIFF files say: OME's, ImageJ's and resolution tags; where the stage stood for each image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from tifffile import TiffFile, TiffPage

from tsva.errors import UserError
from tsva.readers.ome import OmeImage
from tsva.readers.pixels import unreadable
from tsva.readers.scale import (
    COARSEST_PIXEL_UM,
    FINEST_PIXEL_UM,
    INCH_UM,
    Heights,
    PixelSize,
    PixelSizeEntry,
    heights,
    number,
    pixel_size,
    unit_um,
)
from tsva.readers.tiff import open_tiff, reading

_RESOLUTION_UNIT_UM = {2: INCH_UM, 3: 10_000.0}


def tag_word(page: TiffPage, *, unit_um: float | None = None) -> PixelSizeEntry:
    """What a page's resolution tags say, by their own unit (an inch or a centimetre) or by another one."""
    unit = page.tags.valueof("ResolutionUnit")
    if unit_um is None:
        unit_um = _RESOLUTION_UNIT_UM.get(unit) if isinstance(unit, int) else None  # damaged ones hold several numbers
    x, y = (_per_unit(page, f"{axis}Resolution") for axis in "XY")
    unit_um = unit_um if x else None  # a damaged one leaves the other without a witness
    return PixelSizeEntry("resolution tags", *(unit_um / pixels if unit_um and pixels else None for pixels in (x, y)))


def _per_unit(page: TiffPage, name: str) -> float | None:
    """Pixels per unit along an axis; None without the tag."""
    value = page.tags.valueof(name)
    is_fraction = isinstance(value, tuple) and len(value) == 2 and all(value)
    return float(value[0] / value[1]) if is_fraction else None


def pixel_of_tiff(where: str, tif: TiffFile, page: TiffPage, ome: OmeImage | None) -> PixelSize:
    """Pixel size by the OME header, ImageJ's description and the resolution tags, in this order.

    Parameters
    ----------
    where : str
        The file, for messages.
    tif : TiffFile
        Open.
    page : TiffPage
        Of the image.
    ome : OmeImage or None
        What the OME header says of the image.
    """
    words = []
    if ome is not None:
        words.append(PixelSizeEntry("OME PhysicalSize", ome.pixel_um, ome.pixel_y_um))
    with reading(where):  # what a header calls a number may be none
        words += [*_imagej_words(tif, page), tag_word(page)]
    return pixel_size(where, words, ome.objective.magnification if ome is not None else None)


def _imagej_words(tif: TiffFile, page: TiffPage) -> list[PixelSizeEntry]:
    """Pixels per unit of the description, unless that makes no microscope's pixel.

    ImageJ writes the unit's pixels into the resolution tags; other programs write them per centimetre and call it so.
    """
    header = imagej(tif)
    across, down = unit_um(header.get("unit", "")), unit_um(header.get("yunit", header.get("unit", "")))
    if across is None or down is None:
        return []
    x, y = tag_word(page, unit_um=across).x_um, tag_word(page, unit_um=down).y_um
    if x is None or not FINEST_PIXEL_UM <= x < COARSEST_PIXEL_UM:
        return []
    return [PixelSizeEntry("ImageJ scale", x, y)]


def imagej(tif: TiffFile) -> Mapping[str, Any]:
    """ImageJ's description; empty for other files."""
    return tif.imagej_metadata or {} if tif.is_imagej else {}


def heights_of_tiff(where: str, tif: TiffFile, planes: int, ome: OmeImage | None) -> Heights:
    """Where planes lie by the OME header, or by ImageJ's spacing.

    Raises
    ------
    UserError
        If what should be a number is none; names the attribute.
    """
    if ome is not None:
        return heights(
            where,
            planes,
            ome.position_z_um,
            ome.z_step_um,
            ome.position_z,
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
    lit = tuple(bool(row.any()) for row in table) if table.ndim == 2 else ()
    colours: dict[tuple[bool, ...], str] = {
        (True, False, False): "red",
        (False, True, False): "green",
        (False, False, True): "blue",
    }
    return colours.get(lit, "")


def slice_labels(tif: TiffFile) -> tuple[str, ...]:
    """What ImageJ calls the slices of a stack; empty without labels."""
    labels = imagej(tif).get("Labels", ())
    return tuple(str(label) for label in labels) if isinstance(labels, list | tuple) else ()


LINE = re.compile(r"^\s*(?P<file>[^;]+?)\s*;\s*(?P<series>\d*)\s*;\s*\(\s*(?P<x>[^,()]+),\s*(?P<y>[^,()]+)\)\s*$")
"""``file; series; (x, y)``, as Fiji's Grid/Collection stitching writes it."""


@dataclass(frozen=True)
class PlacedFile:
    """A tile's file and the place of its upper left corner, in pixels."""

    path: Path
    y_px: float
    x_px: float


def read_tile_configuration(path: Path) -> list[PlacedFile]:
    """Tiles of a configuration of Fiji's stitching plugins (also ``TileConfiguration.registered.txt``).

    Parameters
    ----------
    path : Path
        The text file; tiles lie beside it.

    Raises
    ------
    UserError
        Names the line that cannot be read, a tile that is missing or named twice, or a configuration without tiles.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            str(path), got=" ".join(str(error).split()), wanted="a tile configuration", do="Correct the path."
        ) from None
    found: list[PlacedFile] = []
    for number_of_line, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#") or re.match(r"\s*dim\s*=\s*2\s*$", line):
            continue
        where = f"{path}, line {number_of_line}"
        entry = LINE.match(line)
        if entry is None:
            raise UserError(
                where,
                got=repr(line.strip()),
                wanted="file; ; (x, y) of two dimensions",
                do="Correct the configuration.",
            )
        tile = path.parent / entry["file"]
        if not tile.is_file():
            raise UserError(where, got=f"{entry['file']}, which is missing", wanted="all tiles", do="Copy it there.")
        if any(tile == other.path for other in found):
            raise UserError(where, got=f"{entry['file']} a second time", wanted="each tile once", do="Take it out.")
        found.append(PlacedFile(tile, number(entry["y"], "y", where), number(entry["x"], "x", where)))
    if not found:
        raise UserError(str(path), got="no tile", wanted="lines such as tile_1.tif; ; (0.0, 0.0)", do="Correct it.")
    return found


def stage_positions_um(path: Path) -> list[tuple[float, float]] | None:
    """Position (y, x) of the stage for each image of an OME-TIFF file; None unless each one has one that is a length.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    with open_tiff(path) as tif:
        header = tif.ome_metadata if tif.is_ome else None
    if not header:
        return None
    where, found = str(path), []
    try:
        images = list(ElementTree.fromstring(header).iterfind("{*}Image/{*}Pixels"))
    except ElementTree.ParseError as error:
        raise unreadable(where, error) from None
    for pixels in images:
        plane = pixels.find("{*}Plane")
        y_um, x_um = (_length_um(plane, f"Position{axis}", where) for axis in "YX")
        if y_um is None or x_um is None:
            return None
        found.append((y_um, x_um))
    return found


def _length_um(plane: ElementTree.Element | None, name: str, where: str) -> float | None:
    value = plane.get(name) if plane is not None else None
    scale = unit_um(plane.get(f"{name}Unit", "reference frame")) if plane is not None else None
    return number(value, name, where) * scale if value is not None and scale else None
