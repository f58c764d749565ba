"""Two focal planes of a slide, read region by region, whatever they come from; resampled to another pixel size."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tsva.acquisition.stack import MARGIN_PX, SAME_PIXEL, resample, resampled_shape
from tsva.errors import UserError
from tsva.slides.workplace import digest_of_values


class PlaneFacts(Protocol):
    """What is known of focal planes before they are read.

    Attributes
    ----------
    where : str
        The input, for messages.
    shape : (int, int)
        Height and width in pixels, of every plane.
    channels : int
        1 (grey) or 3 (red, green, blue).
    magnification : float or None
        Of the objective, where known.
    """

    @property
    def where(self) -> str: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def channels(self) -> int: ...

    @property
    def magnification(self) -> float | None: ...


class TwoPlanes(PlaneFacts, Protocol):
    """Two focal planes of one slide.

    Attributes
    ----------
    pixel_um : float
        Size of a pixel in the specimen.
    delta_um : float
        Half of the distance between the planes.
    icc_profile : bytes or None
        Of the colours, where the source has one.
    digest : str
        Of the source's content: another source has another one.
    """

    @property
    def pixel_um(self) -> float: ...

    @property
    def delta_um(self) -> float: ...

    @property
    def icc_profile(self) -> bytes | None: ...

    @property
    def digest(self) -> str: ...

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Low shot and high shot, (height, width, C) uint8 each; the region lies within the slide."""
        ...


class Plane(PlaneFacts, Protocol):
    """One focal plane, read region by region; `pixel_um` is None where nobody says it."""

    @property
    def pixel_um(self) -> float | None: ...

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """(height, width, C) uint8; the region lies within the plane."""
        ...


class ArrayPlanes:
    """`TwoPlanes` of arrays in memory.

    Parameters
    ----------
    low, high : (Y, X, C) uint8 arrays
    pixel_um, delta_um : float
    magnification : float, optional
    icc_profile : bytes, optional
    """

    where = "arrays"

    def __init__(
        self,
        low: np.ndarray,
        high: np.ndarray,
        pixel_um: float,
        delta_um: float,
        magnification: float | None = None,
        icc_profile: bytes | None = None,
    ) -> None:
        if low.shape != high.shape or low.ndim != 3 or low.shape[2] not in (1, 3) or low.dtype != np.uint8:
            raise ValueError(f"planes of shape {low.shape} and {high.shape}, {low.dtype}")
        self._low, self._high = low, high
        self.shape, self.channels = (low.shape[0], low.shape[1]), low.shape[2]
        self.pixel_um, self.delta_um = pixel_um, delta_um
        self.magnification, self.icc_profile = magnification, icc_profile
        content = hashlib.blake2b(np.ascontiguousarray(low).data, digest_size=16)
        content.update(np.ascontiguousarray(high).data)
        self.digest = content.hexdigest()

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Low and high shot."""
        part = slice(y, y + height), slice(x, x + width)
        return self._low[part], self._high[part]


@dataclass(frozen=True)
class JoinedPlanes:
    """`TwoPlanes` of two planes that were opened one by one; made by `join`."""

    low: Plane
    high: Plane
    pixel_um: float
    delta_um: float
    icc_profile: bytes | None
    digest: str

    @property
    def where(self) -> str:
        """Both inputs, for messages."""
        return self.low.where if self.low.where == self.high.where else f"{self.low.where} and {self.high.where}"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.low.shape

    @property
    def channels(self) -> int:
        """1 or 3."""
        return self.low.channels

    @property
    def magnification(self) -> float | None:
        """Of the objective."""
        return self.low.magnification or self.high.magnification

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Low and high shot."""
        return self.low.read(y, x, height, width), self.high.read(y, x, height, width)


def join(
    low: Plane,
    high: Plane,
    *,
    delta_um: float,
    pixel_um: float | None,
    icc_profile: bytes | None = None,
    digest: str = "",
) -> JoinedPlanes:
    """Two planes as the shots of one slide.

    Parameters
    ----------
    low, high : Plane
    delta_um : float
        Half of the distance between them.
    pixel_um : float or None
        The user's word, which wins over the files'.
    icc_profile : bytes, optional
    digest : str

    Raises
    ------
    UserError
        If sizes, colours or pixel sizes differ, or nobody knows the pixel size.
    """
    both = f"{low.where} and {high.where}" if low.where != high.where else low.where
    if low.shape != high.shape:
        raise UserError(
            both,
            got=f"planes of {low.shape[0]}×{low.shape[1]} and {high.shape[0]}×{high.shape[1]} pixels",
            wanted="two planes of one size, of the same part of the slide",
            do="Scan both planes of one region, or crop them to it.",
        )
    if low.channels != high.channels:
        kinds = {1: "grey", 3: "colour"}
        raise UserError(
            both,
            got=f"a {kinds[low.channels]} and a {kinds[high.channels]} plane",
            wanted="two planes of one kind",
            do="Export both as grey or both as RGB.",
        )
    return JoinedPlanes(low, high, _pixel_um(low, high, both, pixel_um), delta_um, icc_profile, digest)


def _pixel_um(low: Plane, high: Plane, both: str, given: float | None) -> float:
    said = [plane.pixel_um for plane in (low, high) if plane.pixel_um is not None]
    if given is not None:
        return given
    if not said:
        raise UserError(
            both,
            got="no pixel size in the file",
            wanted="the size of a pixel in the specimen, in micrometres",
            do="Give it (--pixel-um, or the slide sheet's column pixel_um).",
        )
    if abs(said[0] / said[-1] - 1) > SAME_PIXEL:
        raise UserError(
            both,
            got=f"pixels of {said[0]:.4g} and {said[-1]:.4g} µm",
            wanted="two planes of one pixel size",
            do="Scan both planes with one objective, or give the true size (--pixel-um).",
        )
    return said[0]


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
