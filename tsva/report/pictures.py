"""Pictures that a page carries within itself."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

BARS_UM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
"""Lengths that a scale bar may have."""
QUALITY = 88
"""Of pictures that are looked at and not measured."""


def scale_bar(width_um: float) -> dict[str, float]:
    """A round length that takes up at most two fifths of a picture's width, and its share of that width."""
    length = max(size for size in BARS_UM if size <= 0.4 * width_um or size == BARS_UM[0])
    return {"bar_um": length, "bar_share": length / width_um}


def jpeg_uri(image: np.ndarray) -> str:
    """An image, (Y, X, 1 or 3) uint8, as the data URI of a JPEG: small, colours at full resolution."""
    return _uri(_image(image), "JPEG", quality=QUALITY, subsampling=0, optimize=True)


def png_uri(image: np.ndarray) -> str:
    """An image, (Y, X, 1 or 3) uint8, as the data URI of a PNG: every pixel as it is."""
    return _uri(_image(image), "PNG", optimize=True)


def palette_uri(indices: np.ndarray, colours: np.ndarray) -> str:
    """Indices, (Y, X) uint8, into colours, (256, 3) uint8, as the data URI of a PNG."""
    image = Image.fromarray(np.ascontiguousarray(indices))
    image.putpalette(np.ascontiguousarray(colours).tobytes())
    return _uri(image, "PNG", optimize=True)


def _image(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))


def _uri(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
