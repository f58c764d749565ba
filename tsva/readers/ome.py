"""What an OME header says: pixel size, where the planes lie, channels, the objective, the files of a set."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import fromstring as parse_xml

from tsva.errors import UserError
from tsva.readers.scale import number, unit_um
from tsva.readers.stored import UNKNOWN, UNNAMED, Objective

MOST_PLANES = 1_000_000
"""Of all axes together; tables of more are made by a damaged or hostile header, not by a microscope."""

MOST_TEXT = 2**28
"""Bytes of a header in a file of its own."""
OF_A_FILE = re.compile(r"<((?:\w+:)?UUID)\b[^>]*?(?:/>|>.*?</\1\s*>)", re.DOTALL)
"""Which file of a set some planes are in."""
FLUORESCENCE = re.compile("fluor|confocal|multiphoton|photonmicroscopy|lightsheet|spim", re.IGNORECASE)
"""In OME's words for contrast, acquisition and illumination of what has dyes and no colours."""
WHITE = -1
"""The colour of a channel that has none."""


@dataclass(frozen=True)
class OmeImage:
    """One image of an OME file.

    Attributes
    ----------
    planes : int
        SizeZ.
    pixel_um : float or None
        PhysicalSizeX.
    z_step_um : float or None
        PhysicalSizeZ; negative where the writer counts planes from the top.
    position_z_um : tuple of float, or None
        PositionZ of each plane in the order of TheZ; None unless all planes have one that is a length.
    position_z : tuple of float, or None
        The same in a unit that is not known; places in their order, where some planes have no position.
    pixel_y_um : float or None
        PhysicalSizeY.
    bits : int or None
        SignificantBits.
    channels : tuple of str
        Names; where a channel has none that says something, its dye, wavelength or way of contrast, or what its colour
        is called, if it has a pure one; else what it has for a name.
    objective : Objective
        LensNA, magnification (calibrated, else nominal) and immersion of the image's objective.
    files : tuple of str
        Names of the set's files, where the image is in several.
    """

    planes: int
    pixel_um: float | None
    z_step_um: float | None
    position_z_um: tuple[float, ...] | None
    position_z: tuple[float, ...] | None = None
    pixel_y_um: float | None = None
    bits: int | None = None
    channels: tuple[str, ...] = ()
    objective: Objective = UNKNOWN
    files: tuple[str, ...] = ()


@lru_cache(maxsize=4)
def read_ome(xml: str, where: str = "OME header") -> tuple[OmeImage, ...]:
    """Images of an OME-XML header, in its order.

    Raises
    ------
    ValueError
        If it is not OME-XML.
    UserError
        If what should be a number is none; names the attribute.
    """
    root = _root(xml)
    objectives = {element.get("ID"): element for element in root.iterfind("{*}Instrument/{*}Objective")}
    return tuple(
        _image(pixels, _objective(image, objectives, where), where)
        for image in root.iterfind("{*}Image")
        for pixels in image.iterfind("{*}Pixels")
    )


def of_renamed_file(xml: str, images: Iterable[OmeImage], name: str) -> str | None:
    """The header without the former name of a file that holds all of its planes; None for all other files.

    Another file may have the former name now, and it is not that one's planes that are wanted.

    Raises
    ------
    ValueError
        If a name leads to another folder.
    """
    names = files_beside(images)
    return OF_A_FILE.sub("", xml) if len(names) == 1 and name not in names else None


def files_beside(images: Iterable[OmeImage]) -> set[str]:
    """Names of the files that a set's images are in.

    Raises
    ------
    ValueError
        If one lies in another folder: nothing outside the set's own is opened.
    """
    names = {name for image in images for name in image.files}
    if outside := sorted(name for name in names if Path(name).name != name):
        raise ValueError(f"its OME header names a file of another folder, {outside[0]!r}")
    return names


def companion_of(path: Path, xml: str) -> Path | None:
    """The file that holds the header of a set instead of its images; None for all other files.

    Raises
    ------
    ValueError
        If the header is damaged.
    UserError
        If the file isn't there.
    """
    elsewhere = _root(xml).find("{*}BinaryOnly") if "BinaryOnly" in xml else None
    if elsewhere is None:
        return None
    # nothing but a file next to it
    companion = path.parent / Path(elsewhere.get("MetadataFile", "")).name
    if not companion.is_file():
        raise UserError(
            str(path),
            got=f"planes whose OME header is in {companion.name}, which is missing",
            wanted="both",
            do="Copy it next to the images.",
        )
    return companion


def text_of_companion(path: Path) -> str:
    """The header in a file of its own.

    Raises
    ------
    ValueError
        If it is no text, or larger than any header.
    """
    if path.stat().st_size > MOST_TEXT:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes, an OME header at most {MOST_TEXT}")
    return path.read_text(encoding="utf-8-sig")


def _root(xml: str) -> ElementTree.Element:
    try:
        return parse_xml(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"its OME header is damaged: {error}") from None


def _objective(image: ElementTree.Element, objectives: dict[str | None, ElementTree.Element], where: str) -> Objective:
    """The objective that an image names, or the only one there is."""
    settings = image.find("{*}ObjectiveSettings")
    if settings is not None:
        found = objectives.get(settings.get("ID"))
    else:
        found = next(iter(objectives.values())) if len(objectives) == 1 else None
    if found is None:
        return UNKNOWN
    na = found.get("LensNA")
    key = "CalibratedMagnification" if found.get("CalibratedMagnification") else "NominalMagnification"
    magnification = found.get(key)
    return Objective(
        number(na, "LensNA", where) if na else None,
        number(magnification, key, where) if magnification else None,
        " ".join(found.get("Immersion", "").split()),
    )


def _image(pixels: ElementTree.Element, objective: Objective, where: str) -> OmeImage:
    planes, *others = (int(pixels.get(key, "1")) for key in ("SizeZ", "SizeC", "SizeT"))
    if not 0 < planes * math.prod(others) <= MOST_PLANES:
        raise ValueError(f"its OME header states {planes * math.prod(others)} planes")
    position_z_um, position_z = _positions(pixels, planes, where)
    return OmeImage(
        planes=planes,
        pixel_um=_size_um(pixels, "PhysicalSizeX", where),
        z_step_um=_size_um(pixels, "PhysicalSizeZ", where),
        position_z_um=position_z_um,
        position_z=position_z,
        pixel_y_um=_size_um(pixels, "PhysicalSizeY", where),
        bits=int(bits) if (bits := pixels.get("SignificantBits")) else None,
        channels=tuple(_channel(channel) for channel in pixels.iterfind("{*}Channel")),
        objective=objective,
        files=tuple(sorted({uuid.get("FileName", "") for uuid in pixels.iterfind("{*}TiffData/{*}UUID")} - {""})),
    )


def _positions(
    pixels: ElementTree.Element, planes: int, where: str
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Position of each plane in micrometres, and in any unit; the latter gives direction alone if some are missing."""
    found: dict[int, tuple[float, float | None]] = {}
    for plane in pixels.iterfind("{*}Plane"):
        value = plane.get("PositionZ")
        if value is not None:
            # channels of one plane share its position; the first one counts
            said = number(value, "PositionZ", where), unit_um(plane.get("PositionZUnit", "reference frame"))
            found.setdefault(int(plane.get("TheZ", "0")), said)
    pairs = [found[z] for z in sorted(found)]
    um = tuple(value * scale for value, scale in pairs if scale)
    plain = um if len(um) == len(pairs) else tuple(value for value, scale in pairs if scale is None)
    if len(plain) != len(pairs):
        return None, None  # numbers of different units have no order
    if sorted(found) == list(range(planes)):
        return um if len(um) == planes else None, plain
    steps = [later - earlier for earlier, later in pairwise(plain)]
    direction = 1 if steps and min(steps) > 0 else -1 if steps and max(steps) < 0 else 0
    return None, tuple(float(direction * z) for z in range(planes)) if direction else None


def _channel(element: ElementTree.Element) -> str:
    """What a channel is called, by whatever says most."""
    name, emission = element.get("Name", ""), element.get("EmissionWavelength")
    if name and not UNNAMED.fullmatch(name):
        return name
    contrast = " ".join(element.get(key, "") for key in ("ContrastMethod", "AcquisitionMode", "IlluminationType"))
    if dye := element.get("Fluor"):
        return dye
    if emission:
        return f"{emission} {element.get('EmissionWavelengthUnit', 'nm')}"
    if FLUORESCENCE.search(contrast):
        return "fluorescence"
    return _colour(element.get("Color", "")) or name


def _colour(text: str) -> str:
    """What a channel's colour is called, if it is red, green or blue: a signed number of 32 bits, red highest."""
    value = int(text) & 0xFFFFFFFF if text.lstrip("-").isdecimal() and int(text) != WHITE else 0
    return {0xFF0000: "red", 0x00FF00: "green", 0x0000FF: "blue"}.get(value >> 8, "")


def _size_um(element: ElementTree.Element, name: str, where: str) -> float | None:
    """A size in micrometres; None if it is missing, its unit is no length, or it is 0 as of programs that know none."""
    value, unit = element.get(name), unit_um(element.get(f"{name}Unit", "µm"))
    if value is None or unit is None or value.strip().casefold() in ("nan", "inf", "-inf", ""):
        return None
    return number(value, name, where) * unit or None
