"""Extended depth of field: from a full stack, by cell, the two planes to restore from, as the two planes of one slide.

Of each cell the sharpest plane is found, and with it the plane that lies as far away as a network's two shots do, on
the side where the focus lies. Both go on as low and high shot of that cell, so that all that is done with two planes
of a slide (survey, network, judge, pyramid) is done with these. Where nothing is restored, the sharpest plane is
copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from tsva.acquisition.sharpness import LAG_PX
from tsva.errors import UserError
from tsva.slides.cell_grid import CELL_PX, CellGrid, filled, per_pixel, smoothed
from tsva.slides.source import Plane

BLOCK_PX = 1024
POOLED_CELLS = 0.7
"""Standard deviation of the Gaussian that pools the sharpness of neighbouring cells."""
LEAST_CONTRAST = 1.15
"""The sharpest plane of a cell is known if it is so many times as sharp as the cell's median plane."""
SMOOTHED_CELLS = 0.7
"""Of the focal surface."""
SHARPENED = 3.0
"""Planes change within a third of a cell: a mixture of two planes is none of either."""


@dataclass(frozen=True)
class Heights:
    """Where a stack is in focus.

    Attributes
    ----------
    z_um : (R, K) float32 array
        Height of the focus of each cell; without evidence, that of its neighbourhood.
    known : (R, K) bool array
        Where the cell's own planes tell it.
    """

    z_um: np.ndarray
    known: np.ndarray


def focal_heights(planes: Sequence[Plane], z_um: Sequence[float], progress: bool = True) -> Heights:
    """Height of the sharpest image of each cell: the top of a parabola through the logarithms of the Brenner gradient.

    Parameters
    ----------
    planes : sequence of Plane
        At least three, on one another, by rising height.
    z_um : sequence of float
    progress : bool
        Show a bar.
    """
    height, width = planes[0].shape
    grid = CellGrid(height, width)
    sharpness = np.zeros((len(planes), *grid.shape))
    places = [(y, x) for y in range(0, height, BLOCK_PX) for x in range(0, width, BLOCK_PX)]
    for y, x in tqdm(places, desc="sharpest planes", unit="block", disable=None if progress else True):
        tall, wide = min(BLOCK_PX, height - y), min(BLOCK_PX, width - x)
        cells = grid.touched(y, x, tall, wide)
        for number, plane in enumerate(planes):
            sharpness[number][cells] = _gradients(plane.read(y, x, tall, wide))
    pooled = np.stack([gaussian_filter(each, POOLED_CELLS, mode="nearest") for each in sharpness])
    best = np.clip(pooled.argmax(axis=0), 1, len(planes) - 2)
    below, top, above = (np.log(np.take_along_axis(pooled, (best + k)[None], 0)[0] + 1e-12) for k in (-1, 0, 1))
    bend = np.maximum(2 * top - below - above, 1e-6)
    steps = np.clip(0.5 * (above - below) / bend, -1, 1)
    at = np.interp(best + steps, np.arange(len(planes)), z_um)
    known = pooled.max(axis=0) > LEAST_CONTRAST * np.median(pooled, axis=0)
    weights = np.where(known, 1.0, 1e-3)
    return Heights(smoothed(filled(at, known, float(np.median(z_um))), weights, SMOOTHED_CELLS), known)


def _gradients(pixels: np.ndarray) -> np.ndarray:
    """Brenner gradient of each cell of a block."""
    grey = pixels.mean(axis=2, dtype=np.float32) / 255
    steps = np.zeros_like(grey)
    steps[:, :-LAG_PX] = np.square(grey[:, LAG_PX:] - grey[:, :-LAG_PX])
    tall, wide = (np.arange(0, size, CELL_PX) for size in grey.shape)
    sums = np.add.reduceat(np.add.reduceat(steps, tall, axis=0), wide, axis=1)
    return np.asarray(sums / np.outer(np.diff([*tall, grey.shape[0]]), np.diff([*wide, grey.shape[1]])))


def planes_apart(z_um: Sequence[float], delta_um: float, where: str) -> int:
    """By how many planes a network's two shots lie apart in a stack.

    Raises
    ------
    UserError
        If the planes' distances differ, or no two planes lie as far apart as the network's shots.
    """
    steps = np.diff(z_um)
    step = float(np.median(steps))
    if len(z_um) < 3 or np.abs(steps - step).max() > 0.05 * step:
        raise UserError(
            where,
            got=f"{len(z_um)} planes at {', '.join(f'{z:g}' for z in z_um[:9])} µm",
            wanted="at least three planes at equal distances",
            do="Give a full stack.",
        )
    apart = round(2 * delta_um / step)
    if not 1 <= apart < len(z_um) or abs(apart * step - 2 * delta_um) > 0.02 * 2 * delta_um:
        raise UserError(
            where,
            got=f"planes {step:g} µm apart",
            wanted=f"two of them {2 * delta_um:g} µm apart, as the model's shots are",
            do="Give a model that was trained on shots of this stack's distance.",
        )
    return int(apart)


class ChosenPlanes:
    """`TwoPlanes` of a stack: of each cell its sharpest plane, and the one a given number of planes away.

    Parameters
    ----------
    planes : sequence of Plane
        By rising height.
    z_um : sequence of float
    apart : int
        Of `planes_apart`.
    heights : Heights
    pixel_um : float
    icc_profile : bytes or None
    digest : str

    Attributes
    ----------
    low_plane : (R, K) int array
        The lower plane of each cell, from 0.
    heights : Heights
    told_offset_um : (R, K) float array
        Focal offset of each cell from the middle of its planes, by its height: it jumps where the planes change, so
        that the survey has to know it.
    """

    def __init__(
        self,
        planes: Sequence[Plane],
        z_um: Sequence[float],
        apart: int,
        heights: Heights,
        pixel_um: float,
        icc_profile: bytes | None = None,
        digest: str = "",
    ) -> None:
        self._planes, self._apart, self.heights = planes, apart, heights
        self.where, self.shape, self.channels = planes[0].where, planes[0].shape, planes[0].channels
        self.magnification, self.pixel_um, self.icc_profile = planes[0].magnification, pixel_um, icc_profile
        self.delta_um, self.digest = round((z_um[apart] - z_um[0]) / 2, 6), digest
        at = np.interp(heights.z_um, z_um, np.arange(len(z_um)))
        sharpest = np.rint(at).astype(int)
        other_is_above = at >= sharpest
        self.low_plane: np.ndarray = np.clip(
            np.where(other_is_above, sharpest, sharpest - apart), 0, len(z_um) - 1 - apart
        )
        middle_um = (np.take(z_um, self.low_plane) + np.take(z_um, self.low_plane + apart)) / 2
        self.told_offset_um = middle_um - heights.z_um

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Low and high shot."""
        shares = self._shares(y, x, height, width)
        needed = {number + k for number in shares for k in (0, self._apart)}
        pixels = {number: self._planes[number].read(y, x, height, width) for number in sorted(needed)}
        if len(shares) == 1:
            (low,) = shares
            return pixels[low], pixels[low + self._apart]
        low, high = (
            sum(share[..., None] * pixels[number + k] for number, share in shares.items()) for k in (0, self._apart)
        )
        return np.rint(low).astype(np.uint8), np.rint(high).astype(np.uint8)

    def _shares(self, y: int, x: int, height: int, width: int) -> dict[int, np.ndarray]:
        """How much of each pair of planes goes into each pixel, by its lower plane."""
        rows, columns = (
            slice(max(first // CELL_PX - 1, 0), -(-(first + size) // CELL_PX) + 1)
            for first, size in ((y, height), (x, width))
        )
        found = np.unique(self.low_plane[rows, columns])
        if len(found) == 1:
            return {int(found[0]): np.ones((height, width), np.float32)}
        shares = {}
        for number in found:
            linear = per_pixel((self.low_plane == number).astype(np.float32), y, x, height, width)
            shares[int(number)] = np.clip((linear - 0.5) * SHARPENED + 0.5, 0, 1)
        # where three planes meet, none may have half of a pixel
        total = sum(shares.values())
        lacking = total < 1e-3
        if np.any(lacking):
            shares[int(found[0])] = np.where(lacking, 1, shares[int(found[0])])
            total = sum(shares.values())
        return {number: share / total for number, share in shares.items() if share.any()}
