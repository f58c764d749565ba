"""How a stored tile becomes bytes, and pixels again."""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs
import numpy as np

from tsva.settings.restoration import JPEG_QUALITY

TILE_PX = 512
"""Edge of the stored tiles of every level."""
COMPRESSION_LEVEL = 6
"""Of Deflate; higher ones gain nothing on camera noise."""


@dataclass(frozen=True)
class TileCodec:
    """JPEG of red, green and blue as they are, or Deflate without loss.

    Luminance and chrominance would take a quarter less, but not all readers agree on them: Bio-Formats converts twice
    what has no subsampled colours.

    Attributes
    ----------
    channels : int
        1 (grey) or 3 (red, green, blue).
    lossless : bool
    quality : int
        Of JPEG, 1 to 100.
    """

    channels: int
    lossless: bool = False
    quality: int = JPEG_QUALITY

    @property
    def name(self) -> str:
        """For people and provenance."""
        return "Deflate, lossless" if self.lossless else f"JPEG, quality {self.quality}, RGB 4:4:4"

    def encode(self, tile: np.ndarray) -> bytes:
        """Bytes of a (TILE_PX, TILE_PX, C) uint8 tile; the same pixels give the same bytes."""
        pixels = np.ascontiguousarray(tile if self.channels == 3 else tile[..., 0])
        if self.lossless:
            differences = imagecodecs.delta_encode(pixels, axis=1)  # TIFF's horizontal predictor
            return bytes(imagecodecs.zlib_encode(differences.tobytes(), level=COMPRESSION_LEVEL))
        if self.channels == 1:
            return bytes(imagecodecs.jpeg8_encode(pixels, level=self.quality))
        return bytes(
            imagecodecs.jpeg8_encode(
                pixels, level=self.quality, colorspace="rgb", outcolorspace="rgb", subsampling="444"
            )
        )

    def decode(self, stored: bytes) -> np.ndarray:
        """(TILE_PX, TILE_PX, C) uint8 pixels of `encode`'s bytes."""
        shape = (TILE_PX, TILE_PX, self.channels)
        if self.lossless:
            differences = np.frombuffer(imagecodecs.zlib_decode(stored), np.uint8).reshape(shape)
            return np.asarray(imagecodecs.delta_decode(differences, axis=1))
        return np.asarray(imagecodecs.jpeg8_decode(stored)).reshape(shape)


def padded(tile: np.ndarray) -> np.ndarray:
    """A tile at the slide's lower or right edge, continued by its last pixels to full size."""
    height, width = tile.shape[:2]
    if (height, width) == (TILE_PX, TILE_PX):
        return tile
    return np.pad(tile, ((0, TILE_PX - height), (0, TILE_PX - width), (0, 0)), mode="edge")
