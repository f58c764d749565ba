"""Extended depth of field: from a full stack, by cell, the two planes to restore from, as the two planes of one slide.

Of each cell the sharpest plane is found, and with it the plane that lies as far away as a network's two shots do, on
the side where the focus lies. Both are the low and high shot of that cell: all that is done with two planes of a slide
(survey, network, judge, pyramid) is done with these. Where nothing is restored, the sharpest plane is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from tsva.acquisition.sharpness import LAG_PX
from tsva.errors import UserError
from tsva.slides.engine import Restored, SlideEngine
from tsva.slides.grid import CELL_PX, CellGrid, Unit, filled, per_pixel, smoothed
from tsva.slides.shares import Shares
from tsva.slides.survey import Survey
from tsva.slides.two_planes import JoinedPlanes, Plane, TwoPlanes

BLOCK_PX = 1024
POOLED_CELLS = 0.7
"""Standard deviation of the Gaussian that pools the sharpness of neighbouring cells."""
LEAST_CONTRAST = 1.15
"""The sharpest plane of a cell is known if it is so many times as sharp as the cell's median plane."""
SMOOTHED_CELLS = 0.7
"""Of the focal surface."""
SHARPENED = 6.0
"""Exponent of the shares of pairs of planes, linear from cell to cell before: they change within a third of a cell."""


@dataclass(frozen=True)
class Heights:
    """Where a stack is in focus.

    Attributes
    ----------
    z_um : (R, K) float32 array
        Height of the focus of each cell; without evidence, that of its neighbourhood.
    known : (R, K) bool array
        Where the cell's own planes show it.
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
    offset_given_um : (R, K) float array
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
        self._middle_um = (np.array(z_um)[: len(z_um) - apart] + np.array(z_um)[apart:]) / 2
        self.offset_given_um = self._middle_um[self.low_plane] - heights.z_um

    @property
    def lows(self) -> list[int]:
        """The lower planes of all pairs that are used."""
        return [int(low) for low in np.unique(self.low_plane)]

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Low and high shot of each cell, side by side: for what is measured cell by cell."""
        rows, columns = (np.arange(first, first + size) // CELL_PX for first, size in ((y, height), (x, width)))
        cells = self.low_plane[np.ix_(rows, columns)]
        low, high = (np.empty((height, width, self.channels), np.uint8) for _ in range(2))
        for number in np.unique(cells):
            here = cells == number
            for shot, plane in ((low, number), (high, number + self._apart)):
                shot[here] = self._planes[int(plane)].read(y, x, height, width)[here]
        return low, high

    def pair(self, low: int) -> TwoPlanes:
        """Two of the planes, everywhere."""
        return JoinedPlanes(
            self._planes[low],
            self._planes[low + self._apart],
            self.pixel_um,
            self.delta_um,
            self.icc_profile,
            self.digest,
        )

    def survey_of(self, low: int, survey: Survey) -> Survey:
        """A survey of these planes, with each cell's focal offset from the middle of one pair, which jumps nowhere."""
        above_um = self._middle_um[low] - self._middle_um[self.low_plane]
        return replace(survey, focal_offset_um=(survey.focal_offset_um + above_um).astype(np.float32))

    def shares(self, y: int, x: int, height: int, width: int) -> dict[int, np.ndarray]:
        """How much of what was made of each pair goes into each pixel, by the lower plane; they add up to 1."""
        rows, columns = (
            slice(max(first // CELL_PX - 1, 0), -(-(first + size) // CELL_PX) + 1)
            for first, size in ((y, height), (x, width))
        )
        found = np.unique(self.low_plane[rows, columns])
        linear = {int(low): per_pixel((self.low_plane == low).astype(np.float32), y, x, height, width) for low in found}
        # a power lets the largest share win within a third of a cell, and keeps the sum from 0 where three meet
        powers = {low: share**SHARPENED for low, share in linear.items() if share.any()}
        total = sum(powers.values())
        return {low: power / total for low, power in powers.items()}


def one_pair(planes: TwoPlanes) -> TwoPlanes:
    """Of a stack, the pair that most cells have: what a network decides on windows is to see no seam."""
    if not isinstance(planes, ChosenPlanes):
        return planes
    return planes.pair(int(np.bincount(planes.low_plane.ravel()).argmax()))


class StackEngine:
    """`SlideEngine` of a stack: what each pair of planes gives is blended by how much each cell is that pair's.

    Both shots of a pair come from the same two planes all over a unit, so that no network sees a seam. Where the pair
    changes, both share the plane that is in focus there.

    Parameters
    ----------
    planes : ChosenPlanes
    engines : dict of int to SlideEngine
        By the lower plane of the pair.
    """

    def __init__(self, planes: ChosenPlanes, engines: Mapping[int, SlideEngine]) -> None:
        self._planes, self._engines = planes, engines
        self.units = next(iter(engines.values())).units

    def read(self, unit: Unit) -> tuple[Unit, dict[int, np.ndarray], dict[int, np.ndarray]]:
        """Both shots of all pairs that a unit needs."""
        core = unit.core
        shots = {
            low: self._engines[low].read(unit) for low in self._planes.shares(core.y, core.x, core.height, core.width)
        }
        return unit, {low: each[1] for low, each in shots.items()}, {low: each[2] for low, each in shots.items()}

    def restored(self, unit: Unit, low: dict[int, np.ndarray], high: dict[int, np.ndarray]) -> Restored:
        """Restore, judge and blend one unit with each pair."""
        core = unit.core
        shares = self._planes.shares(core.y, core.x, core.height, core.width)
        parts = {number: self._engines[number].restored(unit, low[number], high[number]) for number in shares}
        first = next(iter(parts.values()))
        if len(parts) == 1:
            return first
        rows, columns = CellGrid(*self._planes.shape).touched(core.y, core.x, core.height, core.width)
        own = self._planes.low_plane[rows, columns]
        values = {name: cells.copy() for name, cells in first.values.items()}
        for number, part in parts.items():
            for name, cells in part.values.items():
                values[name][own == number] = cells[own == number]
        step = round(core.height / first.thumbnail.shape[0])
        return Restored(
            unit,
            _mixed({number: part.pixels for number, part in parts.items()}, shares),
            values,
            _mixed(
                {n: p.thumbnail for n, p in parts.items()}, {n: share[::step, ::step] for n, share in shares.items()}
            ),
            first.shares,
        )

    def recall(self, unit: Unit, shares: Shares) -> None:
        """Nothing: a pair is not restored in all units, so that each is judged with all that is around it."""


def _mixed(images: Mapping[int, np.ndarray], shares: Mapping[int, np.ndarray]) -> np.ndarray:
    total = sum(shares[number][..., None] * image for number, image in images.items())
    return np.asarray(np.rint(total), np.uint8)
