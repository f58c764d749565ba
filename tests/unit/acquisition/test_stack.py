"""A stack refuses to be inconsistent."""

from __future__ import annotations

import numpy as np
import pytest

from tsva.acquisition.stack import Stack

PLANES = np.zeros((3, 4, 5, 3), np.uint8)


def test_regular_and_irregular_steps() -> None:
    assert Stack(PLANES, np.array([-0.5, 0, 0.5]), 0.345).z_step_um == pytest.approx(0.5)
    assert Stack(PLANES, np.array([-0.5, 0, 1.5]), 0.345).z_step_um is None
    assert Stack(PLANES[:1], np.array([0.0]), 0.345).z_step_um is None


@pytest.mark.parametrize(
    ("planes", "z_um", "pixel_um"),
    [
        (PLANES[..., :2], [0, 1, 2], 0.3),
        (PLANES[0], [0, 1, 2], 0.3),
        (PLANES.astype(np.uint16), [0, 1, 2], 0.3),
        (PLANES, [0, 1], 0.3),
        (PLANES, [0, 2, 1], 0.3),
        (PLANES, [0, 1, 1], 0.3),
        (PLANES, [0, 1, 2], 0.0),
        (PLANES, [0, 1, 2], float("nan")),
    ],
)
def test_refuses(planes: np.ndarray, z_um: list[float], pixel_um: float) -> None:
    with pytest.raises(ValueError, match=r"planes|z_um|pixel_um"):
        Stack(planes, np.array(z_um, float), pixel_um)
