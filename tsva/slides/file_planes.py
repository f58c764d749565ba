"""Planes in files: a flat slide or image, one plane of a stack, or tiles joined by the stage's positions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.head import PICTURES, head_of
from tsva.readers.pixels import to_8_bits
from tsva.readers.slide import open_regions
from tsva.readers.source import stored_images
from tsva.readers.stored import PlaneReader, RegionReader, StoredImage
from tsva.slides.two_planes import Plane


class FlatPlane:
    """A `Plane` of an open flat image, at its finest resolution."""

    def __init__(self, regions: RegionReader) -> None:
        self._regions = regions
        finest = regions.levels[0]
        self.where, self.shape = regions.where, (finest.height, finest.width)
        self.pixel_um, self.magnification = regions.pixel.um, regions.objective.magnification
        self.channels = regions.read(0, 0, 0, 1, 1).shape[2]

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """(height, width, C) uint8."""
        return self._regions.read(0, y, x, height, width)


class StackPlane:
    """A `Plane` of an open stack.

    Parameters
    ----------
    image : StoredImage
    reader : PlaneReader
        Of it, open.
    plane : int
        As stored, from 0.
    bits : int or None
        How many bits the camera fills, of 16-bit pixels.
    """

    def __init__(self, image: StoredImage, reader: PlaneReader, plane: int, bits: int | None) -> None:
        self._reader, self._plane, self._bits = reader, plane, bits if bits is not None else image.bits
        self.where, self.shape = image.where, (image.height_px, image.width_px)
        self.pixel_um, self.magnification = image.pixel.um, image.objective.magnification
        self.channels = self.read(0, 0, 1, 1).shape[2]

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """(height, width, C) uint8."""
        return to_8_bits(self._reader.read(self._plane, y, x, height, width), self._bits, self.where)


def open_flat(path: Path, bits: int | None, opened: ExitStack) -> FlatPlane | StackPlane:
    """One plane in a file of its own: any OpenSlide format, TIFF, OME-Zarr, DICOM, PNG or JPEG.

    Parameters
    ----------
    path : Path
    bits : int or None
        How many bits the camera fills, of 16-bit pixels.
    opened : ExitStack
        Keeps the file open.

    Raises
    ------
    UserError
        If it is missing, damaged, or holds several planes.
    """
    if not path.exists():
        raise UserError(str(path), got="no such file", wanted="one focal plane of a slide", do="Correct the path.")
    if path.is_dir() or (bits is not None and not head_of(path).start.startswith(PICTURES)):
        image = only_image(path, stored_images(path))
        if image.planes > 1:
            raise UserError(
                str(path),
                got=f"{image.planes} planes",
                wanted="one focal plane a file",
                do="Give it as a stack and say which planes are the shots (--stack and --planes).",
            )
        return StackPlane(image, opened.enter_context(image.open()), 0, bits)
    return FlatPlane(opened.enter_context(open_regions(path)))


def only_image(path: Path, images: list[StoredImage]) -> StoredImage:
    """The image of a file that holds no other.

    Raises
    ------
    UserError
        If there are several.
    """
    if len(images) > 1:
        raise UserError(
            str(path),
            got=f"{len(images)} images",
            wanted="one image of the slide",
            do="Give them as tiles with their positions, or one file an image.",
        )
    return images[0]


def chosen_planes(
    image: StoredImage, planes: tuple[int, int] | None, z_um: tuple[float, float] | None, tolerance_um: float = 0.1
) -> tuple[int, int]:
    """Which stored planes of a stack are the shots, the lower one first.

    Parameters
    ----------
    image : StoredImage
    planes : (int, int) or None
        Counted from 1 as they are stored, as viewers count them.
    z_um : (float, float) or None
        Their positions, in place of `planes`. A file whose planes have no known position has no such choice.
    tolerance_um : float
        How far a plane may lie from the position asked for.

    Returns
    -------
    (int, int)
        From 0. In the order of their positions; in the order given where the file states none.

    Raises
    ------
    UserError
        If nothing is said, or no such plane is there.
    """
    there = f"{image.planes} planes" + (f" at {', '.join(f'{z:g}' for z in image.z_um[:9])} µm" if image.z_um else "")
    if planes is None and z_um is None:
        raise UserError(
            image.where,
            got=f"{there}, and no word on which two are the shots",
            wanted="two planes",
            do="Name them, counted from 1 (--planes 3 5), or by their positions (--z-um -0.5 0.5).",
        )
    if planes is not None:
        found = [plane - 1 for plane in planes]
        if not all(0 <= plane < image.planes for plane in found) or found[0] == found[1]:
            raise UserError(
                image.where,
                got=f"planes {planes[0]} and {planes[1]}",
                wanted=f"two different ones of {there}, counted from 1",
                do="Correct --planes.",
            )
    else:
        assert z_um is not None
        found = [_nearest(image, z, tolerance_um) for z in z_um]
        if found[0] == found[1]:
            raise UserError(
                image.where,
                got=f"one plane for both of {z_um[0]:g} and {z_um[1]:g} µm",
                wanted="two",
                do="Correct --z-um.",
            )
    heights = image.z_um
    if heights is not None and heights[found[0]] > heights[found[1]]:
        found.reverse()
    return found[0], found[1]


def _nearest(image: StoredImage, z_um: float, tolerance_um: float) -> int:
    if image.z_um is None:
        raise UserError(
            image.where,
            got="planes whose positions the file does not state",
            wanted="their numbers",
            do="Name the planes, counted from 1 (--planes 3 5).",
        )
    away = np.abs(np.subtract(image.z_um, z_um))
    nearest = int(np.argmin(away))
    if away[nearest] > tolerance_um:
        raise UserError(
            image.where,
            got=f"the nearest plane to {z_um:g} µm at {image.z_um[nearest]:g} µm",
            wanted=f"one within {tolerance_um:g} µm",
            do="Correct --z-um.",
        )
    return nearest


def half_distance_um(image: StoredImage, low: int, high: int, given: float | None) -> float:
    """δ: half of the distance between two planes, by the file, else by the user; both must agree.

    Raises
    ------
    UserError
        If nobody says it, or they contradict each other.
    """
    of_file = abs(image.z_um[high] - image.z_um[low]) / 2 if image.z_um is not None else None
    if of_file is None and given is None:
        raise UserError(
            image.where,
            got="planes whose positions the file does not state",
            wanted="half of the distance between the shots, in micrometres",
            do="Give it (--delta-um).",
        )
    if of_file is not None and given is not None and abs(of_file - given) > 0.02 * given:
        raise UserError(
            image.where,
            got=f"planes {2 * of_file:g} µm apart by the file, and --delta-um {given:g}",
            wanted=f"planes {2 * given:g} µm apart",
            do="Choose other planes, or correct --delta-um.",
        )
    found = given if given is not None else of_file
    assert found is not None
    return found


BACKGROUND = 255
"""Where no tile lies, as scanners fill it."""
LARGEST = 1_000_000
"""Pixels a side; positions that ask for more are damaged or in another unit."""


@dataclass(frozen=True)
class Tile:
    """A tile and the place of its upper left pixel."""

    plane: Plane
    y: int
    x: int


class Mosaic:
    """A `Plane` of tiles.

    Where tiles overlap they are averaged, each weighted by a pixel's distance from the tile's nearest edge, so that
    no seam is seen where they fit, and a double image (not a cut) where they do not. Positions are rounded to whole
    pixels; what no tile covers is white.

    Parameters
    ----------
    tiles : sequence of Tile
        Of one kind of pixels, at places that are at least zero.
    where : str
        For messages.

    Raises
    ------
    UserError
        If tiles differ in colours or pixel size, or lie absurdly far apart.
    """

    def __init__(self, tiles: Sequence[Tile], where: str) -> None:
        self._tiles, self.where = list(tiles), where
        first = tiles[0].plane
        for tile in tiles:
            if tile.plane.channels != first.channels or tile.plane.pixel_um != first.pixel_um:
                raise UserError(
                    f"{where}, tile {tile.plane.where}",
                    got="other colours or another pixel size than the first tile has",
                    wanted="tiles of one scan",
                    do="Take out the tiles that are not of it.",
                )
        bottom = max(tile.y + tile.plane.shape[0] for tile in tiles)
        right = max(tile.x + tile.plane.shape[1] for tile in tiles)
        if max(bottom, right) > LARGEST:
            raise UserError(
                where,
                got=f"tiles that span {bottom}×{right} pixels",
                wanted=f"at most {LARGEST} a side",
                do="Correct the positions, or their unit.",
            )
        self.shape, self.channels = (bottom, right), first.channels
        self.pixel_um, self.magnification = first.pixel_um, first.magnification

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """(height, width, C) uint8."""
        touched = [tile for tile in self._tiles if _overlaps(tile, y, x, height, width)]
        if len(touched) == 1 and _covers(touched[0], y, x, height, width):
            tile = touched[0]
            return tile.plane.read(y - tile.y, x - tile.x, height, width)
        total = np.zeros((height, width, self.channels), np.float32)
        weights = np.zeros((height, width, 1), np.float32)
        for tile in touched:
            tall, wide = tile.plane.shape
            top, left = max(y, tile.y), max(x, tile.x)
            bottom, right = min(y + height, tile.y + tall), min(x + width, tile.x + wide)
            weight = np.minimum.outer(
                _distance_to_edge(tall, top - tile.y, bottom - tile.y),
                _distance_to_edge(wide, left - tile.x, right - tile.x),
            )[..., None]
            part = slice(top - y, bottom - y), slice(left - x, right - x)
            total[part] += weight * tile.plane.read(top - tile.y, left - tile.x, bottom - top, right - left)
            weights[part] += weight
        blended = np.rint(total / np.maximum(weights, 1)).astype(np.uint8)
        return np.where(weights > 0, blended, np.uint8(BACKGROUND))


def _distance_to_edge(size: int, first: int, stop: int) -> np.ndarray:
    """Of pixels along an axis of a tile, from the nearer end; 1 at the edge."""
    place = np.arange(first, stop, dtype=np.float32)
    return np.minimum(place + 1, size - place)


def _overlaps(tile: Tile, y: int, x: int, height: int, width: int) -> bool:
    tall, wide = tile.plane.shape
    return y < tile.y + tall and tile.y < y + height and x < tile.x + wide and tile.x < x + width


def _covers(tile: Tile, y: int, x: int, height: int, width: int) -> bool:
    tall, wide = tile.plane.shape
    return tile.y <= y and tile.x <= x and y + height <= tile.y + tall and x + width <= tile.x + wide


def placed(planes: Sequence[Plane], places_px: Sequence[tuple[float, float]], where: str) -> Mosaic:
    """A mosaic of planes whose places, (y, x), may begin anywhere."""
    corner = np.min(places_px, axis=0)
    rounded = np.rint(np.subtract(places_px, corner)).astype(int)
    return Mosaic([Tile(plane, int(y), int(x)) for plane, (y, x) in zip(planes, rounded, strict=True)], where)
