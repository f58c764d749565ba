"""What an OME header says: pixel size, where the planes lie, channels, the objective, the files of a set."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tsva.errors import UserError
from tsva.readers.stored import UNKNOWN, Objective

UNIT_UM = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "nm": 1e-3,
    "Å": 1e-4,
    "pm": 1e-6,
    "in": 25_400.0,
}
"""Lengths in micrometres; "pixel" and "reference frame", which OME allows too, are no lengths."""
MOST_PLANES = 1_000_000
"""Of all axes together; tables of more are made by a damaged or hostile header, not by a microscope."""

MOST_TEXT = 2**28
"""Bytes of a header in a file of its own."""
ROOT = re.compile(rb"<(\w+:)?OME[\s>]")


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
        PhysicalSizeZ.
    position_z_um : tuple of float, or None
        PositionZ of each plane in the order of TheZ; None unless all planes have one that is a length.
    pixel_y_um : float or None
        PhysicalSizeY.
    bits : int or None
        SignificantBits.
    channels : tuple of str
        Names; empty where a channel has none.
    objective : Objective
        LensNA and NominalMagnification of the image's objective.
    files : tuple of str
        Names of the set's files, where the image is in several.
    """

    planes: int
    pixel_um: float | None
    z_step_um: float | None
    position_z_um: tuple[float, ...] | None
    pixel_y_um: float | None = None
    bits: int | None = None
    channels: tuple[str, ...] = ()
    objective: Objective = UNKNOWN
    files: tuple[str, ...] = ()


def read_ome(xml: str) -> list[OmeImage]:
    """Images of an OME-XML header, in its order.

    Raises
    ------
    ValueError
        If it is not OME-XML.
    """
    root = _root(xml)
    objectives = {element.get("ID"): element for element in root.iterfind("{*}Instrument/{*}Objective")}
    return [
        _image(pixels, _objective(image, objectives))
        for image in root.iterfind("{*}Image")
        for pixels in image.iterfind("{*}Pixels")
    ]


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


def is_companion(path: Path) -> bool:
    """Whether a file is an OME header without an image, as sets of files have them."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"<") and ROOT.search(start) is not None


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
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"its OME header is damaged: {error}") from None


def _objective(image: ElementTree.Element, objectives: dict[str | None, ElementTree.Element]) -> Objective:
    """The objective that an image names, or the only one there is."""
    settings = image.find("{*}ObjectiveSettings")
    if settings is not None:
        found = objectives.get(settings.get("ID"))
    else:
        found = next(iter(objectives.values())) if len(objectives) == 1 else None
    if found is None:
        return UNKNOWN
    na, magnification = found.get("LensNA"), found.get("NominalMagnification")
    return Objective(float(na) if na else None, float(magnification) if magnification else None)


def _image(pixels: ElementTree.Element, objective: Objective) -> OmeImage:
    planes, *others = (int(pixels.get(key, "1")) for key in ("SizeZ", "SizeC", "SizeT"))
    if not 0 < planes * math.prod(others) <= MOST_PLANES:
        raise ValueError(f"its OME header tells of {planes * math.prod(others)} planes")
    positions: dict[int, float] = {}
    for plane in pixels.iterfind("{*}Plane"):
        value = _length_um(plane, "PositionZ", default_unit="reference frame")
        if value is not None:
            # channels of one plane share its position; the first one counts
            positions.setdefault(int(plane.get("TheZ", "0")), value)
    whole = sorted(positions) == list(range(planes))
    return OmeImage(
        planes=planes,
        pixel_um=_size_um(pixels, "PhysicalSizeX"),
        z_step_um=_size_um(pixels, "PhysicalSizeZ"),
        position_z_um=tuple(positions[z] for z in range(planes)) if whole else None,
        pixel_y_um=_size_um(pixels, "PhysicalSizeY"),
        bits=int(bits) if (bits := pixels.get("SignificantBits")) else None,
        channels=tuple(channel.get("Name", "") for channel in pixels.iterfind("{*}Channel")),
        objective=objective,
        files=tuple(sorted({uuid.get("FileName", "") for uuid in pixels.iterfind("{*}TiffData/{*}UUID")} - {""})),
    )


def _size_um(element: ElementTree.Element, name: str) -> float | None:
    """A size; programs that don't know one write 0."""
    value = _length_um(element, name, default_unit="µm")
    return value if value is not None and value > 0 else None


def _length_um(element: ElementTree.Element, name: str, default_unit: str) -> float | None:
    """An attribute as micrometres; None if it is missing or its unit is no length."""
    value, unit = element.get(name), element.get(f"{name}Unit", default_unit)
    if value is None or unit not in UNIT_UM:
        return None
    return float(value) * UNIT_UM[unit]
