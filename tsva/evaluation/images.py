"""Pictures of the report: encoded here, written beside the summary, shown by the page."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

BARS_UM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
"""Lengths that a scale bar may have."""
QUALITY = 88
"""Of pictures that are looked at and not measured."""
MAP_QUALITY = 80
"""Of maps, whose colours change slowly."""


def scale_bar(width_um: float) -> dict[str, float]:
    """A round length that takes up at most two fifths of a picture's width, and its share of that width."""
    length = max(size for size in BARS_UM if size <= 0.4 * width_um or size == BARS_UM[0])
    return {"bar_um": length, "bar_share": length / width_um}


class Images:
    """Encoded pictures by the names of their files.

    Attributes
    ----------
    files : dict of str to bytes
        What has been added so far.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._numbers: dict[str, int] = {}

    def jpeg(self, name: str, image: np.ndarray) -> str:
        """Add an image, (Y, X, 1 or 3) uint8, as a JPEG (small, colours at full resolution); the file's name."""
        return self._add(name, _image(image), "JPEG", quality=QUALITY, subsampling=0, optimize=True)

    def webp(self, name: str, image: np.ndarray, quality: int = QUALITY) -> str:
        """Add an image, (Y, X, 1 or 3) uint8, as a WebP: a quarter of the PNG's size; the file's name."""
        return self._add(name, _image(image).convert("RGB"), "WEBP", quality=quality, method=4)

    def mapped(self, name: str, indices: np.ndarray, colours: np.ndarray) -> str:
        """Add indices, (Y, X) uint8, in colours, (256, 3) uint8, as a WebP; the file's name."""
        return self.webp(name, colours[indices], MAP_QUALITY)

    def png(self, name: str, image: np.ndarray) -> str:
        """Add an image, (Y, X, 1 or 3) uint8, as a PNG, every pixel as it is; the file's name."""
        return self._add(name, _image(image), "PNG", optimize=True)

    def palette(self, name: str, indices: np.ndarray, colours: np.ndarray) -> str:
        """Add indices, (Y, X) uint8, into colours, (256, 3) uint8, as a PNG; the file's name."""
        image = Image.fromarray(np.ascontiguousarray(indices))
        image.putpalette(np.ascontiguousarray(colours).tobytes())
        return self._add(name, image, "PNG", optimize=True)

    def _add(self, name: str, image: Image.Image, kind: str, **options: Any) -> str:
        """Encode a picture; further pictures of one name are numbered."""
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        number = self._numbers.get(name, 0)
        self._numbers[name] = number + 1
        file = f"{name}_{number}.{kind.lower()}"
        self.files[file] = buffer.getvalue()
        return file


def _image(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))
