"""Leica LIF and LOF, by liffile (BSD-3; the extra `lif`): one plane at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tsva.errors import UserError
from tsva.readers.guards import needed, reading_by_library
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb, unreadable
from tsva.readers.registry import stem_of
from tsva.readers.scale import Heights, PixelSize, PixelSizeEntry, heights, number, pixel_size, unit_um
from tsva.readers.stored import MOST_FOCAL_PLANES, Objective, PlaneReader, StoredImage, channel_names, colour_order
from tsva.readers.tiff import check_decoded

COLOUR_TAGS = {"1": "red", "2": "green", "3": "blue"}
"""Of a channel; all others are grey, whatever table they are shown with."""
RGB = ("red", "green", "blue")


def lif_images(path: Path) -> list[StoredImage]:
    """Images of a LIF or LOF file.

    Raises
    ------
    UserError
        If liffile is not installed, the file is damaged, or an image has other axes than planes and colours.
    """
    where = str(path)
    with _open_file(path) as file:
        with reading_by_library(where):
            found = [image for image in file.images if image.dtype.kind in "uf"]
        if not found:
            raise unreadable(where, "no image")
        return [_image(path, index, image, len(found)) for index, image in enumerate(found)]


@contextmanager
def _open_file(path: Path) -> Iterator[Any]:
    library = needed("liffile", "lif", str(path))
    with path.open("rb") as stream:
        with reading_by_library(str(path)):
            file = library.LifFile(stream, squeeze=False)
        with file:
            yield file


def _image(path: Path, index: int, image: Any, count: int) -> StoredImage:
    where = f"{path}, image {image.path}" if count > 1 else str(path)
    with reading_by_library(where):
        sizes, depth = {axis: int(size) for axis, size in image.sizes.items()}, image.dtype.itemsize * 8
        channels = sorted(
            image.xml_element.iterfind("./Data/Image/ImageDescription/Channels/ChannelDescription"),
            key=lambda one: int(one.get("BytesInc", "0")),
        )
        names = tuple(COLOUR_TAGS.get(one.get("ChannelTag", ""), one.get("LUTName", "")) for one in channels)
        bits = int(channels[0].get("Resolution", depth))
        counting = {axis: size for axis, size in sizes.items() if axis not in "CSYX" and size > 1}
        planes, colours = sizes.get("Z", 1), sizes.get("C", 1)
        dims = tuple(axis for axis in image.dims if axis in "YXS")
        if min(sizes.values()) < 1 or planes > MOST_FOCAL_PLANES:
            raise ValueError(f"axes of sizes {sizes}")
    if set(counting) - {"Z"} or dims not in (("Y", "X"), ("Y", "X", "S")) or image.dims[-len(dims) :] != dims:
        raise UserError(
            where,
            got=f"axes {', '.join(f'{axis} {size}' for axis, size in sizes.items() if size > 1)}",
            wanted="planes along z alone",
            do="Export one z-stack as OME-TIFF.",
        )
    check_decoded(sizes["Y"], sizes["X"], where)
    if sizes.get("S", 1) > 1 and names not in (RGB, RGB[::-1]):
        raise UserError(
            where,
            got=f"samples of {', '.join(names)}",
            wanted="grey, or red, green and blue",
            do="Export the colour image as OME-TIFF.",
        )
    order = colour_order(names, colours, where)
    return StoredImage(
        name=f"{stem_of(path)}_{index}" if count > 1 else stem_of(path),
        where=where,
        format="LIF",
        planes=planes,
        height_px=sizes["Y"],
        width_px=sizes["X"],
        channels=channel_names(sizes.get("S", colours)),
        depth=depth,
        bits=bits if bits < depth or depth == 8 else None,
        heights=_heights(where, image, planes),
        pixel=_pixel(where, image),
        objective=_objective(where, image),
        open=lambda: _open(path, index, where, order or tuple(range(colours))),
    )


def _dimensions(image: Any) -> dict[str, tuple[int, float, float]]:
    """By number (1 is x, 2 is y, 3 is z): how many places, the first one and the distance of the last, in µm."""
    found = {}
    for one in image.xml_element.iterfind("./Data/Image/ImageDescription/Dimensions/DimensionDescription"):
        scale = unit_um(one.get("Unit", ""))
        if scale is not None:
            count, where = int(one.get("NumberOfElements", "1")), f"image {image.name}"
            origin, length = (number(one.get(key, "0"), key, where) * scale for key in ("Origin", "Length"))
            found[one.get("DimID", "")] = (count, origin, length)
    return found


def _heights(where: str, image: Any, planes: int) -> Heights:
    with reading_by_library(where):
        count, origin, length = _dimensions(image).get("3", (1, 0.0, 0.0))
        if count != planes or planes < 2 or not length:
            return Heights()
        own_um = tuple(origin + place * length / (planes - 1) for place in range(planes))
        return replace(heights(where, planes, own_um, None, source=("z axis", "")), absolute=bool(origin))


def _pixel(where: str, image: Any) -> PixelSize:
    with reading_by_library(where):
        dimensions = _dimensions(image)
        # the length is that from the middle of the first pixel to the middle of the last
        x, y = (dimensions.get(axis, (1, 0.0, 0.0)) for axis in "12")
        sizes = [abs(length) / (count - 1) if count > 1 and length else None for count, _, length in (x, y)]
        return pixel_size(where, [PixelSizeEntry("axes", *sizes)], _objective(where, image).magnification)


def _objective(where: str, image: Any) -> Objective:
    for element in image.xml_element.iter():
        if "NumericalAperture" in element.attrib and "Magnification" in element.attrib:
            na, power = (number(element.get(key), key, where) for key in ("NumericalAperture", "Magnification"))
            return Objective(na or None, power or None)
    return Objective()


@contextmanager
def _open(path: Path, index: int, where: str, channels: tuple[int, ...]) -> Iterator[PlaneReader]:
    with _open_file(path) as file:
        with reading_by_library(where):
            image = [one for one in file.images if one.dtype.kind in "uf"][index]
        yield LifReader(where, image, channels)


class LifReader:
    """A `PlaneReader` of an image of an open file; `channels` are those that are read, in their order."""

    def __init__(self, where: str, image: Any, channels: tuple[int, ...]) -> None:
        self._where, self._image, self._channels = where, image, channels

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        if level:
            raise ValueError("one level")
        with reading_by_library(self._where):
            sizes = self._image.sizes
            places = [
                {axis: place for axis, place in (("Z", plane), ("C", channel)) if axis in sizes}
                for channel in self._channels
            ]
            pages = [np.asarray(self._image.frame(**place)) for place in places]
            parts = [page[top : top + height, left : left + width] for page in pages]
            pixels = parts[0] if len(parts) == 1 else np.stack(parts, axis=-1)
            pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return as_grey_or_rgb(pixels, self._where, BOTH_DEPTHS)
