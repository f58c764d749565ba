"""What an OME header says of length: pixel size and where the planes lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree

UNIT_UM = {
    "m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "nm": 1e-3, "Å": 1e-4, "pm": 1e-6,
    "in": 25_400.0,
}  # fmt: skip
"""Lengths in micrometres; "pixel" and "reference frame", which OME allows too, are no lengths."""
MOST_PLANES = 1_000_000
"""Of all axes together; tables of more are made by a damaged or hostile header, not by a microscope."""


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
    """

    planes: int
    pixel_um: float | None
    z_step_um: float | None
    position_z_um: tuple[float, ...] | None


def read_ome(xml: str) -> list[OmeImage]:
    """Images of an OME-XML header, in its order.

    Raises
    ------
    ValueError
        If it is not OME-XML.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"its OME header is damaged: {error}") from None
    return [_image(pixels) for pixels in root.iterfind("{*}Image/{*}Pixels")]


def _image(pixels: ElementTree.Element) -> OmeImage:
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
