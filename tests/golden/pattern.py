"""Pixels that every golden file holds: known anywhere, and small when compressed."""

from __future__ import annotations

import numpy as np


def pattern(planes: int, height: int, width: int) -> np.ndarray:
    """(planes, height, width, 3) uint8: red counts x, green y, blue the planes."""
    z, y, x = np.indices((planes, height, width))
    return np.stack([3 * x, 4 * y, 40 * z + 10], axis=-1).astype(np.uint8)


def pattern_12_bits(planes: int, height: int, width: int) -> np.ndarray:
    """(planes, height, width) uint16 that fills 12 bits: steps along x, and a level a plane and row."""
    z, y, x = np.indices((planes, height, width))
    return (64 * x + 8 * z + y % 8).astype(np.uint16)
