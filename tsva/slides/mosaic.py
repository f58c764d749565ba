"""A plane that was recorded as tiles: joined by the stage's positions, seams blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tsva.errors import UserError
from tsva.slides.source import Plane

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
