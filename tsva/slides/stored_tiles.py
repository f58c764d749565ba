"""Stored tiles: how pixels become bytes and pixels again, and the coarser levels that are built of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import imagecodecs
import numpy as np
from PIL import Image

from tsva.slides.workplace import TILE, Journal, Key

TILE_PX = 512
"""Edge of the stored tiles of every level."""
COMPRESSION_LEVEL = 1
"""Of Deflate; higher ones gain nothing on camera noise."""


@dataclass(frozen=True)
class TileCodec:
    """Deflate without loss, or JPEG of red, green and blue as they are.

    libdeflate's fastest level takes two thirds of the time of zlib's Huffman codes and runs. These are 1 % larger to
    4 % smaller under camera noise: it has no repeats, and the search for them finds false ones.

    JPEG of luminance and chrominance would take a quarter less, but not all readers agree on them: Bio-Formats converts
    twice what has no subsampled colours.

    Attributes
    ----------
    channels : int
        1 (grey) or 3 (red, green, blue).
    quality : int or None
        Of JPEG, 1 to 100; None: Deflate.
    """

    channels: int
    quality: int | None = None

    @property
    def lossless(self) -> bool:
        """Whether pixels stay as they are."""
        return self.quality is None

    @property
    def name(self) -> str:
        """For people and provenance."""
        return "Deflate, lossless" if self.lossless else f"JPEG, quality {self.quality}, RGB 4:4:4"

    def encode(self, tile: np.ndarray) -> bytes:
        """Bytes of a (TILE_PX, TILE_PX, C) uint8 tile; the same pixels give the same bytes."""
        pixels = np.ascontiguousarray(tile if self.channels == 3 else tile[..., 0])
        if self.lossless:
            differences = imagecodecs.delta_encode(pixels, axis=1)  # TIFF's horizontal predictor
            return bytes(imagecodecs.deflate_encode(differences.tobytes(), level=COMPRESSION_LEVEL))
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
            content = imagecodecs.deflate_decode(stored, out=int(np.prod(shape)))
            return np.asarray(imagecodecs.delta_decode(np.frombuffer(content, np.uint8).reshape(shape), axis=1))
        return np.asarray(imagecodecs.jpeg8_decode(stored)).reshape(shape)


def padded(tile: np.ndarray) -> np.ndarray:
    """A tile at the slide's lower or right edge, continued by its last pixels to full size."""
    height, width = tile.shape[:2]
    if (height, width) == (TILE_PX, TILE_PX):
        return tile
    return np.pad(tile, ((0, TILE_PX - height), (0, TILE_PX - width), (0, 0)), mode="edge")


Shape = tuple[int, int]


def level_shapes(height: int, width: int) -> list[Shape]:
    """Height and width of each level, the finest first: halves, rounded up, down to one tile."""
    shapes = [(height, width)]
    while max(shapes[-1]) > TILE_PX:
        shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
    return shapes


def tile_grid(shape: Shape) -> Shape:
    """Rows and columns of stored tiles of a level."""
    return -(-shape[0] // TILE_PX), -(-shape[1] // TILE_PX)


def tiles_of(level: int, shape: Shape) -> Iterator[Key]:
    """All tiles of a level, row by row."""
    rows, columns = tile_grid(shape)
    for row, column in product(range(rows), range(columns)):
        yield Key(TILE, level, row, column)


def build_levels(
    journal: Journal, codec: TileCodec, shapes: list[Shape], progress: Callable[[], object] = lambda: None
) -> None:
    """Add the tiles of all coarser levels that are not there yet.

    They are made of decoded tiles, so that a run that was broken off gives what an unbroken one does.

    Parameters
    ----------
    journal : Journal
        With all tiles of level 0.
    codec : TileCodec
    shapes : list of (int, int)
        Of `level_shapes`.
    progress : callable
        Called for each tile.
    """
    for level, (finer, shape) in enumerate(pairwise(shapes), start=1):
        for key in tiles_of(level, shape):
            if key not in journal:
                journal.append(key, codec.encode(padded(_reduced(journal, codec, key, finer))))
            progress()


def _reduced(journal: Journal, codec: TileCodec, key: Key, finer: Shape) -> np.ndarray:
    """One tile, of the four below it."""
    rows, columns = tile_grid(finer)
    height, width = (
        min(2 * TILE_PX, size - 2 * TILE_PX * at) for size, at in zip(finer, (key.row, key.column), strict=True)
    )
    whole = np.empty((height, width, codec.channels), np.uint8)
    for down, right in product(range(2), range(2)):
        row, column = 2 * key.row + down, 2 * key.column + right
        if row < rows and column < columns:
            part = whole[down * TILE_PX : (down + 1) * TILE_PX, right * TILE_PX : (right + 1) * TILE_PX]
            stored = codec.decode(journal.read(Key(TILE, key.level - 1, row, column)))
            part[:] = stored[: part.shape[0], : part.shape[1]]
    return halved(whole)


def halved(pixels: np.ndarray) -> np.ndarray:
    """(Y, X, C) uint8 -> (⌈Y/2⌉, ⌈X/2⌉, C): means of four pixels, rounded once; a last odd line stands for two."""
    grey = pixels.shape[2] == 1
    reduced = np.asarray(Image.fromarray(pixels[..., 0] if grey else pixels).reduce(2))
    return reduced[..., None] if grey else reduced
