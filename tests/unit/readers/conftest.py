"""Small z-stacks for the readers' tests."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def planes() -> np.ndarray:
    """(Z, Y, X, C) uint8: five different colour planes."""
    return np.random.default_rng(2).integers(0, 256, (5, 40, 56, 3), dtype=np.uint8)
