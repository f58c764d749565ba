"""A slide whose focus changes across it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from small_slides import SHAPE, small_survey

from tsva.slides.grid import CELL_PX
from tsva.slides.two_planes import ArrayPlanes


@pytest.fixture(scope="session")
def slide():
    """Planes of smooth noise, two blurs apart, and what a survey would tell of them."""
    random = np.random.default_rng(5)
    sharp = gaussian_filter(random.normal(size=(*SHAPE, 3)), (1.5, 1.5, 0))
    sharp = 128 + 60 * sharp / sharp.std()
    low, high = (np.clip(gaussian_filter(sharp, (s, s, 0)), 0, 255).astype(np.uint8) for s in (1.0, 1.4))
    rows, columns = -(-SHAPE[0] // CELL_PX), -(-SHAPE[1] // CELL_PX)
    offset_um = np.add.outer(np.linspace(-1, 1, rows), np.linspace(-1.5, 1.5, columns))
    glass = np.zeros((rows, columns), bool)
    glass[:3, :4] = True
    return ArrayPlanes(low, high, 0.345, 0.5, 20), small_survey(SHAPE, glass, offset_um)
