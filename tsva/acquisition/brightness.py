"""Brightness of a stack's planes: measured, compared, and by request matched.

Defocus moves light within a field and keeps its sum, so the mean of a field is the same in all planes (a little light
crosses the field's edges). Means that differ come from the lamp, the exposure time, automatic exposure, or software
that has stretched each plane to its own range of grey levels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from tsva.errors import UserError
from tsva.settings.ingest import IngestSettings

DARKEST_END, BRIGHTEST_END = 2, 253
"""Grey levels that a plane stretched to its full range reaches; JPEG moves 0 and 255 by a level or two."""
MOST_AT_ENDS = 0.05
"""Stretching saturates 0 % (minimum to maximum) to 2 % (usual choices are 0.35 and 1 %) of a plane, more where glass is
flat; a field whose glass is overexposed has far more pixels at the brightest level. The median plane is judged."""
DIMMEST, LEAST_FILLED, TAIL = 64, 0.5, 0.01
"""Brightest grey level of a stack that fills a quarter of the range; share of levels that are used between the tails of
a histogram."""
BLOCK_PX = 16
LEAST_CORRELATION = 0.5
"""Correlation of neighbouring planes' blocks below which they are not planes of one field: noise."""
LEAST_CONTRAST, OVER_NOISE = 3.0, 3.0
"""Standard deviation of blocks from which on they distinguish places: in grey levels, and over that of white noise."""
LEAST_PAIRS = 3
"""Of neighbouring planes, whose median counts."""


@dataclass(frozen=True)
class PlaneBrightness:
    """Brightness of one plane.

    Attributes
    ----------
    means : tuple of float
        Mean grey level of each channel.
    darkest, brightest : int
        Extreme grey levels of all channels.
    at_ends : float
        Share of all values that lie at these two levels.
    filled : float
        Share of the grey levels between the 1st and the 99th percentile that occur; low where bits were lost.
    correlation : float
        Correlation with the plane before, in means of `BLOCK_PX` blocks, which defocus changes little; 1 for the first.
    correlation_beyond : float
        The same with the plane before that one.
    contrast : float
        Standard deviation of the means of blocks, without that of channels.
    deviation : float
        Standard deviation of pixels, likewise.
    """

    means: tuple[float, ...]
    darkest: int
    brightest: int
    at_ends: float
    filled: float = 1.0
    correlation: float = 1.0
    correlation_beyond: float = 1.0
    contrast: float = 0.0
    deviation: float = 0.0

    @property
    def has_structure(self) -> bool:
        """Whether means of blocks differ by more than noise makes them differ."""
        return self.contrast >= max(LEAST_CONTRAST, OVER_NOISE * self.deviation / BLOCK_PX)


def _measured(image: Image.Image) -> PlaneBrightness:
    counts = np.array(image.histogram()).reshape(-1, 256)
    mean = counts @ np.arange(256) / counts.sum(axis=1)
    squares = counts @ np.arange(256) ** 2 / counts.sum(axis=1) - mean**2
    means, deviation = tuple(mean.tolist()), float(np.sqrt(max(0.0, squares.mean())))
    total = counts.sum(axis=0)
    levels = np.flatnonzero(total)
    darkest, brightest = int(levels[0]), int(levels[-1])
    at_ends = float(total[list({darkest, brightest})].sum() / total.sum())
    first, last = np.searchsorted(np.cumsum(total) / total.sum(), (TAIL, 1 - TAIL))
    filled = float(np.mean(total[first : last + 1] > 0))
    return PlaneBrightness(means, darkest, brightest, at_ends, filled, deviation=deviation)


@dataclass
class BrightnessRecorder:
    """Measures planes on their way to whoever takes them.

    Attributes
    ----------
    planes : list of PlaneBrightness
        One a plane that has passed.
    """

    planes: list[PlaneBrightness] = field(default_factory=list)
    _before: list[np.ndarray] = field(default_factory=list)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)  # the fastest one on processors that know it

    def over(self, planes: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Give (Y, X, C) uint8 planes as they are; C is 1 or 3."""
        for plane in planes:
            self.planes.append(self._compared(plane))
            self._digest.update(repr(plane.shape).encode())
            self._digest.update(np.ascontiguousarray(plane).data)
            yield plane

    def _compared(self, plane: np.ndarray) -> PlaneBrightness:
        image = Image.fromarray(plane[..., 0] if plane.shape[2] == 1 else plane)
        blocks = np.asarray(image.reduce(BLOCK_PX), dtype=float).reshape(-1, plane.shape[2])
        blocks = (blocks - blocks.mean(axis=0)).ravel()
        correlation, beyond = [*(_correlation(blocks, other) for other in reversed(self._before)), 1.0, 1.0][:2]
        self._before = [*self._before[-1:], blocks]
        contrast = float(blocks.std())
        return replace(_measured(image), correlation=correlation, correlation_beyond=beyond, contrast=contrast)

    @property
    def digest(self) -> str:
        """Of shapes and pixels of all planes in their order: the same field under another name has the same."""
        return self._digest.hexdigest()[:32]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape or min(np.ptp(one), np.ptp(other)) == 0:
        return 1.0
    return float(np.corrcoef(one, other)[0, 1])


def check_places(planes: Sequence[PlaneBrightness], where: str) -> None:
    """Refuse planes that do not show one place: fields, wells or slides whose numbers were taken for z.

    Raises
    ------
    UserError
        If most neighbouring planes, or a single plane and both of its neighbours, which are alike, do not correlate
        though all have structure; or if a plane is empty beside one that is not.
    """
    structured = [plane.has_structure for plane in planes]
    for i, plane in enumerate(planes):
        if plane.darkest == plane.brightest and any(structured[max(0, i - 1) : i + 2]):
            raise UserError(
                where,
                got=f"plane {i + 1} of {len(planes)} with the single grey level {plane.darkest}, unlike its neighbours",
                wanted="planes that were each recorded",
                do="Take it out of the stack, or export the stack again.",
            )
    pairs = [planes[i].correlation for i in range(1, len(planes)) if structured[i] and structured[i - 1]]
    if len(pairs) >= LEAST_PAIRS and float(np.median(pairs)) < LEAST_CORRELATION:
        raise UserError(
            where,
            got=f"planes that show different places (median correlation of neighbours {np.median(pairs):.2f})",
            wanted="planes of one field along z",
            do="Check which number in the names, or which axis of the file, is z.",
        )
    for i in range(1, len(planes) - 1):
        apart = max(planes[i].correlation, planes[i + 1].correlation) < LEAST_CORRELATION
        if apart and all(structured[i - 1 : i + 2]) and planes[i + 1].correlation_beyond > LEAST_CORRELATION:
            raise UserError(
                where,
                got=f"plane {i + 1} of {len(planes)} shows another place than its neighbours (correlations"
                f" {planes[i].correlation:.2f} and {planes[i + 1].correlation:.2f})",
                wanted="planes of one field along z",
                do="Take it out of the stack, or record the stack again.",
            )


def gains(means: np.ndarray) -> np.ndarray:
    """Factors that bring planes to their median brightness.

    Parameters
    ----------
    means : (Z,) or (Z, C) float array
        Mean grey level of each plane, or of each of its channels.

    Returns
    -------
    float array
        Shaped like `means`; 1 for planes without any light. A camera's black level b leaves an error of about b / mean
        times the difference in brightness: 0.1 % for 5 grey levels of 200 and a difference of 5 %.
    """
    means = np.asarray(means, dtype=float)
    lit = means > 0
    return np.asarray(np.where(lit, np.median(means, axis=0) / np.where(lit, means, 1.0), 1.0))


def spread(planes: Sequence[PlaneBrightness]) -> float:
    """How far the planes' brightness differs.

    Returns
    -------
    float
        The widest range of a channel's means, as a share of their median: 0.01 where the brightest plane lies 1 % above
        the darkest. 0 without light.
    """
    means = np.array([plane.means for plane in planes])
    middle = np.median(means, axis=0)
    lit = middle > 0
    return float(np.max(np.where(lit, np.ptp(means, axis=0) / np.where(lit, middle, 1.0), 0.0)))


def is_stretched(planes: Sequence[PlaneBrightness], max_spread: float) -> bool:
    """Whether each plane was stretched to its own range of grey levels.

    Parameters
    ----------
    planes : sequence of PlaneBrightness
        Of one field, as stored.
    max_spread : float
        What brightness may differ by without suspicion (`spread`).

    Returns
    -------
    bool
        True if every plane uses the whole range, with few pixels at its ends, though brightness differs. In planes as
        taken the range shrinks with defocus, and overexposed glass is a large share of a field.
    """
    full = all(plane.darkest <= DARKEST_END and plane.brightest >= BRIGHTEST_END for plane in planes)
    few_at_ends = float(np.median([plane.at_ends for plane in planes])) <= MOST_AT_ENDS
    alike = float(np.median([plane.correlation for plane in planes])) > LEAST_CORRELATION
    return len(planes) > 1 and full and few_at_ends and alike and spread(planes) > max_spread


def check_brightness(planes: Sequence[PlaneBrightness], where: str, settings: IngestSettings, role: str) -> str:
    """Judge the brightness of a field's planes.

    Parameters
    ----------
    planes : sequence of PlaneBrightness
    where : str
        The file or folder, for messages.
    settings : IngestSettings
        Limit, and what to do with stretched planes.
    role : str
        The slide's role. Slides to refocus have no ground truth that could be wrong, and are warned of alone.

    Returns
    -------
    str
        What to warn of; empty if there is nothing.

    Raises
    ------
    UserError
        If planes are stretched, each to its own range, in a slide to train or test with.
    """
    if is_stretched(planes, settings.max_brightness_spread):
        low, high = (f(np.mean(plane.means) for plane in planes) for f in (min, max))
        got = f"planes stretched each to its own range (every one from black to white, mean {low:.0f} to {high:.0f})"
        if settings.stretched_planes == "refuse" and role != "refocus":
            raise UserError(
                where,
                got=got,
                wanted="planes of one exposure and one scale of grey levels, as ground truth and shots are compared",
                do="Export anew without automatic contrast (docs/stacks.md), or set ingest.stretched_planes to accept"
                " if they were taken so.",
            )
        return f"{got}: neither sharpness nor restored images can be compared between them"
    found = spread(planes)
    notes = [_levels(planes)] if _levels(planes) else []
    if found > settings.max_brightness_spread:
        notes.insert(
            0,
            f"brightness differs by {found:.1%} between planes, more than {settings.max_brightness_spread:.1%}"
            " (lamp, exposure time or automatic contrast; defocus keeps the mean)",
        )
    return "; ".join(notes)


def _levels(planes: Sequence[PlaneBrightness]) -> str:
    """What to say of grey levels that are not used, as after a conversion that lost bits."""
    brightest = max(plane.brightest for plane in planes)
    if brightest <= DIMMEST:
        return f"no pixel is brighter than grey level {brightest} of 255: check the bits that the camera fills"
    if float(np.median([plane.filled for plane in planes])) < LEAST_FILLED:
        return "most grey levels are not used: bits were lost in a conversion"
    return ""


def matched(planes: Iterable[np.ndarray], factors: np.ndarray) -> Iterator[np.ndarray]:
    """Planes at the same brightness.

    Parameters
    ----------
    planes : iterable of (Y, X, C) uint8 arrays
    factors : (Z, C) float array
        `gains` of their channels.

    Yields
    ------
    (Y, X, C) uint8 array
        Rounded; what exceeds 255 is clipped.
    """
    for plane, factor in zip(planes, factors, strict=True):
        table = np.clip(np.rint(np.arange(256)[:, None] * factor), 0, 255).astype(np.uint8)
        yield np.stack([table[plane[..., channel], channel] for channel in range(plane.shape[2])], axis=-1)
