"""Images at another pixel size, without aliasing."""

from __future__ import annotations

import numpy as np
from PIL import Image

SAME_PIXEL = 0.01
"""Share by which pixel sizes may differ and still be called the same: two pixels across a 224-pixel patch."""
MARGIN_PX = 4
"""Pixels beyond a region that its resampled edge depends on, per unit of reduction (bicubic reaches two)."""


def resample(
    image: np.ndarray, shape: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Resample an image, or a part of it.

    Whole-number reductions are area averages (each new pixel is the mean of those it covers); others are bicubic with
    the kernel widened by the reduction, so that what the new sampling can't hold is filtered out.

    Parameters
    ----------
    image : (Y, X, C) uint8 array
        C is 1 or 3.
    shape : (int, int)
        Height and width of the result.
    box : (left, top, right, bottom), optional
        Part to take, in pixels of `image`, fractions allowed; pixels around it are used for its edges.

    Returns
    -------
    (height, width, C) uint8 array
    """
    left, top, right, bottom = box or (0, 0, image.shape[1], image.shape[0])
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    # quotients of pixel sizes miss whole numbers in their last digits
    x, y, scale_x, scale_y = (
        round(number, 6) for number in (left, top, (right - left) / shape[1], (bottom - top) / shape[0])
    )
    if x == int(x) and y == int(y) and scale_x == int(scale_x) and scale_y == int(scale_y):
        # one rounding; resize's box filter would round rows and columns one after the other, upwards on the average
        whole = (int(x), int(y), int(x) + int(scale_x) * shape[1], int(y) + int(scale_y) * shape[0])
        small = picture.reduce((int(scale_x), int(scale_y)), whole)
    else:
        small = picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, (left, top, right, bottom))
    return np.asarray(small).reshape(*shape, image.shape[2])


def resampled_shape(shape: tuple[int, int], factor: float) -> tuple[int, int]:
    """Height and width of an image after its pixel size has grown by `factor`; what doesn't fill a pixel is lost."""
    height, width = (int(np.floor(size / factor + 1e-6)) for size in shape)
    return height, width
