"""Tiles are parted along straight lines where the shift jumps, and not elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from test_survey import shots

from tsva.slides.plane_shift import BLOCK_PX, BLOCKS, MARGIN_PX, TILE_PX, parted

FIRST, SECOND = (0.5, 0.2), (1.7, -0.6)
EDGE = 512
TOP = (EDGE - TILE_PX) // 2


def cut(image: np.ndarray) -> np.ndarray:
    part = slice(TOP - MARGIN_PX, TOP + TILE_PX + MARGIN_PX)
    return image[part, part].mean(axis=2, dtype=np.float32) / 255


@pytest.fixture(scope="module")
def views():
    low, first = shots(0.8, shift_px=FIRST)
    _, second = shots(0.8, shift_px=SECOND)
    return low, first, second


@pytest.mark.parametrize(("y", "x"), [(None, 100), (75, None), (130, 60), (None, None)])
def test_each_side_has_its_shift(views, y, x):
    low, first, second = views
    high, wanted = first.copy(), np.zeros((TILE_PX, TILE_PX), int)
    if y is not None or x is not None:
        part = slice(TOP + (y or 0) if y else 0, None), slice(TOP + (x or 0) if x else 0, None)
        high[part] = second[part]
        wanted[y or 0 :, x or 0 :] = 1
    found = parted(cut(low), cut(high), np.array([FIRST, SECOND]), 0.0)
    blocks = wanted.reshape(BLOCKS, BLOCK_PX, BLOCKS, BLOCK_PX)
    whole = blocks.min(axis=(1, 3)) == blocks.max(axis=(1, 3))
    right = found.label == blocks[:, 0, :, 0]
    assert right[whole & found.sure].all()
    assert found.sure[whole].mean() > 0.85


def test_shifts_that_fit_alike_decide_nothing(views):
    low, first, _ = views
    found = parted(cut(low), cut(first), np.array([FIRST, FIRST]), 0.0)
    assert not found.sure.any()
