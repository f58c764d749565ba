"""OME-Zarr 0.4 and 0.5, by zarr: only the chunks that a region touches are read and decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tsva.errors import UserError
from tsva.io.ome import MOST_PLANES, UNIT_UM, OmeImage, read_ome
from tsva.io.pixels import BOTH_DEPTHS, as_grey_or_rgb, unreadable
from tsva.io.resolution import agreed_pixel_um
from tsva.io.stored import UNKNOWN, PlaneReader, StoredImage, channel_names
from tsva.io.tiff import check_decoded, reading

MARKS = ("zarr.json", ".zgroup")
UNITS = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6, "angstrom": 1e-4}
"""Names of units that OME-Zarr asks for, in micrometres."""


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def zarr_images(path: Path) -> list[StoredImage]:
    """Images of an OME-Zarr folder: itself, or the numbered ones of bioformats2raw's layout.

    Raises
    ------
    UserError
        If it is damaged, or its axes are other than planes, channels, and one point of time.
    """
    where = str(path)
    told = _attributes(path)
    if "multiscales" in told:
        return [_image(path, path.name.split(".")[0], told, None)]
    if "bioformats2raw.layout" in told:
        header = path / "OME" / "METADATA.ome.xml"
        with reading(where):
            heads: list[OmeImage] = read_ome(header.read_text(encoding="utf-8")) if header.is_file() else []
        numbers = sorted(int(part.name) for part in path.iterdir() if part.name.isdecimal())
        return [
            _image(path / str(n), f"{path.name.split('.')[0]}_{n}", _attributes(path / str(n)),
                   heads[n] if n < len(heads) else None)
            for n in numbers
        ]  # fmt: skip
    raise UserError(
        where, got="a Zarr group that holds no image of OME's kind", wanted="an OME-Zarr image (0.4 or 0.5)",
        do="Let the sheet's column path name the image within it (in a plate: row/column/field).",
    )  # fmt: skip


def _attributes(path: Path) -> Mapping[str, Any]:
    """OME's attributes; version 0.5 keeps them under a key of their own."""
    import zarr

    with reading(str(path)):
        attributes = dict(zarr.open_group(path, mode="r").attrs)
    own = attributes.get("ome")
    return own if isinstance(own, Mapping) else attributes


def _image(path: Path, name: str, told: Mapping[str, Any], head: OmeImage | None) -> StoredImage:
    where = str(path)
    with reading(where):
        scales = told["multiscales"][0]
        axes = [axis["name"] for axis in scales["axes"]]
        units = [UNITS.get(unit := axis.get("unit", ""), UNIT_UM.get(unit)) for axis in scales["axes"]]
        scale, start = _placing(scales, len(axes))
        array = _array(path, scales["datasets"][0]["path"])
        size = dict(zip(axes, array.shape, strict=True))
        labels = [str(one.get("label", "")) for one in told.get("omero", {}).get("channels", [])]
    if set(axes) - set("tczyx") or size.get("t", 1) > 1:
        raise UserError(
            where, got=f"axes {''.join(axes)} of sizes {'×'.join(map(str, array.shape))}",
            wanted="planes along z alone", do="Export one point of time.",
        )  # fmt: skip
    if size.get("z", 1) * size.get("c", 1) > MOST_PLANES:
        raise unreadable(where, f"its header tells of {size.get('z', 1) * size.get('c', 1)} planes")
    place = {axis: (s, o, u) for axis, s, o, u in zip(axes, scale, start, units, strict=True)}
    planes, channels = size.get("z", 1), size.get("c", 1)
    step, first, unit_um = place.get("z", (0.0, 0.0, None))
    x, y = ((float(place[a][0]) * u if (u := place[a][2]) else None) for a in "xy")
    version = scales.get("version", told.get("version", ""))
    return StoredImage(
        name=name, where=where, format=f"OME-Zarr {version}".strip(), planes=planes, height_px=size["y"],
        width_px=size["x"], channels=channel_names(channels, tuple(labels)), depth=array.dtype.itemsize * 8,
        bits=8 if array.dtype.itemsize == 1 else head.bits if head is not None else None,
        z_um=tuple(float((first + i * step) * unit_um) for i in range(planes)) if unit_um and step else None,
        pixel_um=agreed_pixel_um(where, x, y), objective=head.objective if head is not None else UNKNOWN,
        open=lambda: _open(path, scales["datasets"][0]["path"], axes),
    )  # fmt: skip


def _placing(scales: Mapping[str, Any], axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Size of a pixel along each axis, and where the first one lies, of the finest level."""
    scale, start = np.ones(axes), np.zeros(axes)
    for change in [*scales["datasets"][0]["coordinateTransformations"], *scales.get("coordinateTransformations", [])]:
        if change["type"] == "scale":
            scale, start = scale * change["scale"], start * change["scale"]
        elif change["type"] == "translation":
            start = start + change["translation"]
    return scale, start


def _array(path: Path, level: str) -> Any:
    import zarr

    return zarr.open_group(path, mode="r")[level]


@contextmanager
def _open(path: Path, level: str, axes: Sequence[str]) -> Iterator[PlaneReader]:
    yield ZarrReader(path, level, axes)


class ZarrReader:
    """A `PlaneReader` of an array of an OME-Zarr image; `axes` names its axes."""

    def __init__(self, path: Path, level: str, axes: Sequence[str]) -> None:
        self._where, self._axes = str(path), axes
        with reading(self._where):
            self._array = _array(path, level)
            chunk, channels = math.prod(self._array.chunks), dict(zip(axes, self._array.shape, strict=True)).get("c", 1)
        check_decoded(chunk, 1, self._where)
        self._channels = channels

    def read(self, plane: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        check_decoded(height * self._channels, width, self._where)
        part = {"t": 0, "z": plane, "c": slice(None), "y": slice(top, top + height), "x": slice(left, left + width)}
        with reading(self._where):
            pixels = np.asarray(self._array[tuple(part[axis] for axis in self._axes)])
        left_over = [axis for axis in self._axes if axis in "cyx"]
        if sorted(left_over[-2:]) != ["x", "y"] or pixels.ndim != len(left_over):
            raise unreadable(self._where, f"axes {''.join(self._axes)}")
        pixels = np.moveaxis(pixels, 0, -1) if "c" in left_over else pixels
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return as_grey_or_rgb(native, self._where, BOTH_DEPTHS)
