"""Where the stage stood for each image: positions in OME headers and in tables of tile configurations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tsva.errors import UserError
from tsva.readers.pixels import unreadable
from tsva.readers.tiff import open_tiff
from tsva.readers.units import number, unit_um

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
            str(path), got=" ".join(str(error).split()), wanted="a tile configuration", do="Mend the path."
        ) from None
    found: list[PlacedFile] = []
    for number_of_line, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#") or re.match(r"\s*dim\s*=\s*2\s*$", line):
            continue
        where = f"{path}, line {number_of_line}"
        told = LINE.match(line)
        if told is None:
            raise UserError(
                where, got=repr(line.strip()), wanted="file; ; (x, y) of two dimensions", do="Mend the configuration."
            )
        tile = path.parent / told["file"]
        if not tile.is_file():
            raise UserError(where, got=f"{told['file']}, which is missing", wanted="all tiles", do="Copy it there.")
        if any(tile == other.path for other in found):
            raise UserError(where, got=f"{told['file']} a second time", wanted="each tile once", do="Take it out.")
        found.append(PlacedFile(tile, number(told["y"], "y", where), number(told["x"], "x", where)))
    if not found:
        raise UserError(str(path), got="no tile", wanted="lines such as tile_1.tif; ; (0.0, 0.0)", do="Mend it.")
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
