"""Which shot is Y1 for methods without training."""

from __future__ import annotations

import numpy as np

from tsva.acquisition.pair import Pair
from tsva.acquisition.sharpness import brenner

FULL_SCALE = 255.0


def floats(image: np.ndarray) -> np.ndarray:
    """(Y, X, C) uint8 to float32 in [0, 1]."""
    return image.astype(np.float32) / np.float32(FULL_SCALE)


def high_is_y1(pair: Pair) -> bool:
    """Whether the upper shot is the sharper one by Brenner; a tie goes to the lower."""
    low, high = brenner(np.stack([pair.low, pair.high]))
    return bool(high > low)


def y1_of(pair: Pair) -> np.ndarray:
    """(Y, X, C) float32: the sharper shot."""
    return floats(pair.high if high_is_y1(pair) else pair.low)
