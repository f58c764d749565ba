"""OME-Zarr 0.4 and 0.5, by zarr: only the chunks that a region touches are read and decoded.

zarr is imported where it is used, as it takes a second; `tsva.readers.zarr_store` is what it reads by.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tsva.errors import UserError
from tsva.readers.heights import heights
from tsva.readers.ome import MOST_PLANES, OmeImage, read_ome
from tsva.readers.pixel_size import PixelSizeEntry, pixel_size, unit_um
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb, unreadable
from tsva.readers.registry import stem_of
from tsva.readers.stored import (
    MOST_FOCAL_PLANES,
    MOST_PIECES,
    UNKNOWN,
    UNNAMED,
    Level,
    StoredImage,
    channel_names,
    colour_order,
)
from tsva.readers.tiff import check_decoded, reading


def zarr_images(path: Path) -> list[StoredImage]:
    """Images of an OME-Zarr folder: itself, or the numbered ones of bioformats2raw's layout.

    Raises
    ------
    UserError
        If it is damaged, or its axes are other than planes, channels, and one point of time.
    """
    where = str(path)
    with reading(where):
        attributes = _attributes(path, "")
        if "multiscales" in attributes:
            return [_image(path, "", stem_of(path), attributes, None)]
        if "bioformats2raw.layout" in attributes:
            heads = _heads(path)
            numbers = sorted(int(part.name) for part in path.iterdir() if part.name.isdecimal())
            return [
                _image(
                    path,
                    str(n),
                    f"{stem_of(path)}_{n}",
                    _attributes(path, str(n)),
                    heads[n] if n < len(heads) else None,
                )
                for n in numbers
            ]
    raise UserError(
        where,
        got="a Zarr group that holds no image of OME's kind",
        wanted="an OME-Zarr image (0.4 or 0.5)",
        do="Let the sheet's column path name the image within it (in a plate: row/column/field).",
    )


def _heads(path: Path) -> tuple[OmeImage, ...]:
    from tsva.readers.zarr_store import regular_within

    header = path / "OME" / "METADATA.ome.xml"
    return read_ome(header.read_text(encoding="utf-8"), str(header)) if regular_within(path, header) else ()


def _attributes(path: Path, group: str) -> Mapping[str, Any]:
    """OME's attributes; version 0.5 keeps them under a key of their own."""
    from tsva.readers.zarr_store import group_of

    attributes = dict(group_of(path, group).attrs)
    own = attributes.get("ome")
    return own if isinstance(own, Mapping) else attributes


def _image(path: Path, group: str, name: str, attributes: Mapping[str, Any], head: OmeImage | None) -> StoredImage:
    where = str(path / group)
    scales = attributes["multiscales"][0]
    axes = [str(axis["name"]) for axis in scales["axes"]]
    units = [unit_um(axis.get("unit", "")) for axis in scales["axes"]]
    scale, start = _placing(scales, len(axes))
    paths = tuple(str(one["path"]) for one in scales["datasets"])
    array = _array(path, group, paths[0])
    size = dict(zip(axes, array.shape, strict=True))
    labels = [_called(one) for one in attributes.get("omero", {}).get("channels", [])]
    if len(size) < len(axes) or set(axes) - set("tczyx") or not {"y", "x"} <= set(axes) or size.get("t", 1) > 1:
        raise UserError(
            where,
            got=f"axes {''.join(axes)} of sizes {'×'.join(map(str, array.shape))}",
            wanted="planes along z alone",
            do="Export one point of time.",
        )
    planes, channels = size.get("z", 1), size.get("c", 1)
    if planes > MOST_FOCAL_PLANES or channels > MOST_PLANES:
        raise unreadable(where, f"its header states {planes} planes of {channels} channels")
    place = {axis: (s, o, u) for axis, s, o, u in zip(axes, scale, start, units, strict=True)}
    step, first, z_unit = place.get("z", (0.0, 0.0, None))
    own_um = tuple(float((first + i * step) * z_unit) for i in range(planes)) if z_unit and step else None
    colours = colour_order(tuple(labels), channels, where)
    objective = head.objective if head is not None else UNKNOWN
    x, y = ((float(place[a][0]) * u if (u := place[a][2]) else None) for a in "xy")
    version = scales.get("version", attributes.get("version", ""))
    return StoredImage(
        name=name,
        where=where,
        format=f"OME-Zarr {version}".strip(),
        planes=planes,
        height_px=size["y"],
        width_px=size["x"],
        channels=channel_names(channels, tuple(labels) if colours is None else ()),
        depth=array.dtype.itemsize * 8,
        bits=8 if array.dtype.itemsize == 1 else head.bits if head is not None else None,
        heights=replace(heights(where, planes, own_um, None, source=("scale", "")), absolute=bool(first)),
        pixel=pixel_size(where, [PixelSizeEntry("scale", x, y)], objective.magnification),
        objective=objective,
        open=lambda: nullcontext(ZarrReader(path, group, paths, axes, colours)),
        levels=tuple(_levels(path, group, paths, axes)),
    )


def _called(channel: Mapping[str, Any]) -> str:
    """What a channel is called: its label, or what its colour is called if the label says nothing."""
    label = str(channel.get("label", ""))
    colour = {"FF0000": "red", "00FF00": "green", "0000FF": "blue"}.get(str(channel.get("color", "")).upper(), "")
    return colour if colour and UNNAMED.fullmatch(label) else label


def _placing(scales: Mapping[str, Any], axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Size of a pixel along each axis, and where the first one lies, of the finest level."""
    scale, start = np.ones(axes), np.zeros(axes)
    for change in [*scales["datasets"][0]["coordinateTransformations"], *scales.get("coordinateTransformations", [])]:
        if change["type"] == "scale":
            scale, start = scale * change["scale"], start * change["scale"]
        elif change["type"] == "translation":
            start = start + change["translation"]
    return scale, start


def _array(path: Path, group: str, level: str) -> Any:
    from tsva.readers.zarr_store import checked_array, group_of

    return checked_array(group_of(path, group), level)


def _levels(path: Path, group: str, paths: Sequence[str], axes: Sequence[str]) -> Iterator[Level]:
    y, x, finest = axes.index("y"), axes.index("x"), 0
    for place in paths:
        shape = _array(path, group, place).shape
        finest = finest or shape[x]
        yield Level(shape[y], shape[x], finest / shape[x])


class ZarrReader:
    """A `PlaneReader` of an OME-Zarr image.

    Parameters
    ----------
    path, group
        The folder, and the image's group in it.
    levels : sequence of str
        Paths of the arrays within the group, from fine to coarse.
    axes : sequence of str
        Names of their axes.
    colours : tuple of int, optional
        Which channels are red, green and blue.
    """

    def __init__(
        self,
        path: Path,
        group: str,
        levels: Sequence[str],
        axes: Sequence[str],
        colours: tuple[int, ...] | None = None,
    ) -> None:
        self._where, self._axes, self._colours = str(path / group), axes, colours
        self._array = cache(lambda level: _array(path, group, levels[level]))
        with reading(self._where):
            self._channels = dict(zip(axes, self._array(0).shape, strict=True)).get("c", 1)

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        check_decoded(height * self._channels, width, self._where)
        with reading(self._where):
            array = self._array(level)
            chunk = dict(zip(self._axes, array.chunks, strict=True))
        sizes = {"c": self._channels, "y": height, "x": width}
        touched = math.prod(-(-size // chunk.get(axis, 1)) for axis, size in sizes.items())
        if touched > MOST_PIECES:
            raise unreadable(self._where, f"{touched} chunks in {height}×{width} pixels")
        part = {"t": 0, "z": plane, "c": slice(None), "y": slice(top, top + height), "x": slice(left, left + width)}
        with reading(self._where):
            pixels = np.asarray(array[tuple(part[axis] for axis in self._axes)])
        left_over = [axis for axis in self._axes if axis in "cyx"]
        if sorted(left_over[-2:]) != ["x", "y"] or pixels.ndim != len(left_over):
            raise unreadable(self._where, f"axes {''.join(self._axes)}")
        if left_over[-2:] == ["x", "y"]:
            pixels = pixels.swapaxes(-2, -1)
        pixels = np.moveaxis(pixels, 0, -1) if "c" in left_over else pixels
        pixels = pixels if self._colours is None else pixels[..., list(self._colours)]
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return as_grey_or_rgb(native, self._where, BOTH_DEPTHS)
