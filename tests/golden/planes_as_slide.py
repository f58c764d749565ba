"""Focal planes of an array as a source of wsidicomizer, which reads no format that both it and we can make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from wsidicom.codec import Encoder
from wsidicom.geometry import Point, PointMm, Size, SizeMm
from wsidicom.metadata import Image as ImageMetadata
from wsidicom.metadata import ImageCoordinateSystem, Objectives, OpticalPath, Pyramid
from wsidicomizer.dicomizer_source import DicomizerSource
from wsidicomizer.image_data import BaseDicomizerImageData
from wsidicomizer.metadata import WsiDicomizerMetadata

PIXEL = SizeMm(0.345e-3, 0.345e-3)


class Planes(BaseDicomizerImageData):
    """(Z, Y, X, 3) uint8 `pixels` at `z_um`, in square tiles."""

    def __init__(self, pixels: np.ndarray, z_um: Sequence[float], tile: int, encoder: Encoder) -> None:
        super().__init__(encoder)
        self._pixels, self._z_um, self._tile = pixels, list(z_um), tile

    pixel_spacing, imaged_size, samples_per_pixel, thread_safe = PIXEL, None, 3, True
    transfer_syntax = property(lambda self: self.encoder.transfer_syntax)
    photometric_interpretation = property(lambda self: self.encoder.photometric_interpretation)
    image_size = property(lambda self: Size(self._pixels.shape[2], self._pixels.shape[1]))
    tile_size = property(lambda self: Size(self._tile, self._tile))
    focal_planes = property(lambda self: self._z_um)
    image_coordinate_system = property(lambda self: ImageCoordinateSystem(PointMm(0, 0), 0, z_offset=self._z_um[0]))

    def _part(self, tile: Point, z: float) -> np.ndarray:
        part = np.zeros((self._tile, self._tile, 3), np.uint8)
        y, x = tile.y * self._tile, tile.x * self._tile
        found = self._pixels[self._z_um.index(z), y : y + self._tile, x : x + self._tile]
        part[: found.shape[0], : found.shape[1]] = found
        return part

    def get_decoded_tile(self, tile_point: Point, z: float, path: str) -> Image.Image:  # noqa: ARG002
        return Image.fromarray(self._part(tile_point, z))

    def get_encoded_tile(self, tile: Point, z: float, path: str) -> bytes:  # noqa: ARG002
        return self.encoder.encode(self._part(tile, z))


class PlanesSource(DicomizerSource):
    """A slide of one level: `Planes`."""

    pyramid_levels = {(0, 0.0, "0"): 0}  # noqa: RUF012

    def __init__(self, pixels: np.ndarray, z_um: Sequence[float], tile: int, encoder: Encoder) -> None:
        super().__init__(Path("planes"), encoder, tile)
        self._planes = Planes(pixels, z_um, tile, encoder)

    @property
    def base_metadata(self) -> WsiDicomizerMetadata:
        lens = Objectives(objective_power=20, objective_numerical_aperture=0.75)
        path = OpticalPath(identifier="0", objective=lens)
        image = ImageMetadata(image_coordinate_system=self._planes.image_coordinate_system, pixel_spacing=PIXEL)
        return WsiDicomizerMetadata(pyramid=Pyramid(image, [path]))

    @staticmethod
    def is_supported(path: Path) -> bool:  # noqa: ARG004
        return False

    def _create_level_image_data(self, level_index: int) -> Planes:  # noqa: ARG002
        return self._planes

    def _create_label_image_data(self) -> None:
        return None

    _create_overview_image_data = _create_thumbnail_image_data = _create_label_image_data

    def close(self) -> None:
        pass
