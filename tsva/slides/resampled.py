"""Two planes at another pixel size than the scanner's, region by region."""

from __future__ import annotations

import math

import numpy as np

from tsva.acquisition.stack import MARGIN_PX, SAME_PIXEL, resample, resampled_shape
from tsva.errors import UserError
from tsva.slides.digests import digest_of_values
from tsva.slides.source import TwoPlanes

MOST_ENLARGED = 1.5
"""Pixels that are so many times coarser hold too little for a network that was trained on finer ones."""


class ResampledPlanes:
    """`TwoPlanes` whose pixels are given another size; a region's pixels are the same whatever is read around them.

    Parameters
    ----------
    planes : TwoPlanes
    pixel_um : float
    """

    def __init__(self, planes: TwoPlanes, pixel_um: float) -> None:
        self._planes, self._factor = planes, pixel_um / planes.pixel_um
        self.where, self.channels, self.delta_um = planes.where, planes.channels, planes.delta_um
        self.shape, self.pixel_um = resampled_shape(planes.shape, self._factor), pixel_um
        self.magnification = planes.magnification / self._factor if planes.magnification else None
        self.icc_profile = planes.icc_profile
        self.digest = digest_of_values([planes.digest, pixel_um])

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Low and high shot."""
        factor, margin = self._factor, math.ceil(MARGIN_PX * max(1.0, self._factor))
        top, left, bottom, right = (at * factor for at in (y, x, y + height, x + width))
        first_y, first_x = max(0, math.floor(top) - margin), max(0, math.floor(left) - margin)
        last_y = min(self._planes.shape[0], math.ceil(bottom) + margin)
        last_x = min(self._planes.shape[1], math.ceil(right) + margin)
        low, high = self._planes.read(first_y, first_x, last_y - first_y, last_x - first_x)
        box = (left - first_x, top - first_y, right - first_x, bottom - first_y)
        return resample(low, (height, width), box), resample(high, (height, width), box)


def at_pixel_size(planes: TwoPlanes, pixel_um: float) -> TwoPlanes:
    """The planes at a pixel size; themselves where theirs is the same.

    Raises
    ------
    UserError
        If their pixels are much coarser: what a finer one would show is not in them.
    """
    if abs(planes.pixel_um / pixel_um - 1) <= SAME_PIXEL:
        return planes
    if planes.pixel_um > MOST_ENLARGED * pixel_um:
        raise UserError(
            planes.where,
            got=f"pixels of {planes.pixel_um:.4g} µm",
            wanted=f"at most {MOST_ENLARGED:g} times the {pixel_um:.4g} µm that the model was trained on",
            do="Scan at a higher magnification, or use a model that was trained on such pixels.",
        )
    return ResampledPlanes(planes, pixel_um)
