"""Pictures that a page carries within itself."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def png_uri(image: np.ndarray) -> str:
    """An image, (Y, X, 1 or 3) uint8, as the data URI of a PNG: every pixel as it is."""
    return _uri(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image))


def palette_uri(indices: np.ndarray, colours: np.ndarray) -> str:
    """Indices, (Y, X) uint8, into colours, (256, 3) uint8, as the data URI of a PNG."""
    image = Image.fromarray(np.ascontiguousarray(indices))
    image.putpalette(np.ascontiguousarray(colours).tobytes())
    return _uri(image)


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
