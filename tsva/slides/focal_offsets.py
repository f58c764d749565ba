"""Focal offset of each cell from the spectra of its two shots, by likelihood, without a network.

In a band of frequency with specimen power S the two spectra are normal with covariance S A(n) + N 1; A is of the
layered section of `tsva.restoration.layered_section`. The specimen's power is taken to be what makes both shots' power
right, and costs as far as it strays from a power law. What the slide as a whole shows (how thick the section is, how
much spherical aberration the light has met, whether the stated distance of the planes is right) is found first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from tsva.optics.otf import radial_otf
from tsva.optics.pupil import pupil_of, spectrum
from tsva.restoration.fusion.bands import BANDS, EDGES, FREQUENCIES
from tsva.restoration.layered_section import LEAST_FOCUS, Layers, layered_powers
from tsva.settings.acquisition import OpticsSettings
from tsva.slides.cell_spectra import MODES
from tsva.slides.grid import CELL_PX

REACH_UM, STEP_UM = 4.0, 0.25
OFFSETS_UM = np.arange(-round(REACH_UM / STEP_UM), round(REACH_UM / STEP_UM) + 1) * STEP_UM
THICKNESSES_UM = (1.0, 1.5, 2.0, 2.5, 3.25)
STRUCTURE_DEPTHS_UM = (0.5, 1.0, 2.0, 8.0)
"""How deep a structure reaches into the section; the last one goes through it. Shallow structures make the shots differ
as a larger distance of the planes does, so that the distance is found together with their depth."""
NOMINAL_DEPTH_UM = 2.0
"""Of the scene that offsets are found with."""
THROUGH_EVIDENCE = 45.0
"""Structures are taken to reach through the section where a cell shows so little against it: 24 to 32 on pictures that
were blurred as a whole, 29 to 38 on digital stroma, 70 to 490 on other digital tissue."""
THROUGH_BIAS = 0.92
"""What the evidence then says of planes that are as far apart as stated: 0.88 to 0.98 on six such pictures."""
SPHERICAL_UM = (-0.02, 0.0, 0.02)
DELTA_SCALES = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
LAYERS = 9
BAND_SAMPLES = 5
Z_STEP_UM = 0.2
LOUDEST = 4.0
"""Most that a band of a colour can lower the logarithm of an offset's likelihood by."""
SLOPE, SLOPE_WEIGHT = 2.6, 0.5
"""Power of tissue falls as f^-SLOPE; how far a band's power strays from that (logarithm)."""
DEPENDENT = 6.0
"""Frequencies of a cell that count as one: the window smears neighbours, colours show the same tissue."""
MOST_MODES = 12.0
"""The layered model is wrong by so much that a band never counts for more than so many free frequencies."""
LEAST_SIGNAL = 0.05
"""Power of the specimen as a share of the noise's."""
LEAST_SPECIMEN = 0.02
"""Transfer of power of both shots together that the specimen's power is divided by at least."""
LEAST_TRANSFER = 1e-6
"""Transfer of power beyond the optics' cutoff."""
CELLS_AT_ONCE, OFFSETS_AT_ONCE = 300, 3
"""Arrays of so many cells and offsets stay in the cache."""
NOMINAL_UM = 2.0
TELLING_UM = 0.75
"""Cells nearer to the focus than this don't show the distance of the planes: both shots are blurred alike."""
RESAMPLED = 100
"""Draws of the cells, with repetition, that show how well the distance of the planes is known."""
SAMPLE = 300
"""Cells that describe the slide as a whole."""


@dataclass(frozen=True)
class Scene:
    """Sums of products of transfer functions at `OFFSETS_UM`, per unit of specimen power, (n, C, BANDS) each.

    Attributes
    ----------
    low, high, common : arrays
        Of the two shots.
    copy_low, copy_high : arrays
        Of the squared difference of either shot and the in-focus image.
    to_low, to_high : arrays
        Regression of either shot on the in-focus image.
    focus : arrays
        Of the in-focus image.
    thickness_um, spherical_um, delta_scale : float
        What the scene is of.
    """

    low: np.ndarray
    high: np.ndarray
    common: np.ndarray
    copy_low: np.ndarray
    copy_high: np.ndarray
    to_low: np.ndarray
    to_high: np.ndarray
    focus: np.ndarray
    thickness_um: float
    spherical_um: float
    structure_depth_um: float
    delta_scale: float


@dataclass(frozen=True)
class SceneFit:
    """The scene that a slide's cells are most like.

    Attributes
    ----------
    scene : Scene
        With the stated distance of the planes.
    delta_scale, delta_scale_sd : float
        Distance of the planes over the stated one, and its standard deviation; NaN without evidence.
    """

    scene: Scene
    delta_scale: float
    delta_scale_sd: float


@lru_cache(maxsize=2)
def scenes(optics: OpticsSettings, delta_um: float, channels: int) -> tuple[Scene, ...]:
    """Every aberration, thickness, depth of structures and distance of the planes that is reckoned with."""
    return tuple(
        _scene(transfer, delta_um, thickness_um, spherical_um, depth_um, scale)
        for spherical_um in SPHERICAL_UM
        for transfers in [_transfers(optics, spherical_um, channels, delta_um)]
        for thickness_um in THICKNESSES_UM
        for transfer in [_remembered(transfers)]  # the same at every depth of structures
        for depth_um, scale in product(STRUCTURE_DEPTHS_UM, DELTA_SCALES)
    )


def _remembered(transfers: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The same function, which computes nothing twice."""
    known: dict[bytes, np.ndarray] = {}

    def at(z_um: np.ndarray) -> np.ndarray:
        key = z_um.tobytes()
        if key not in known:
            known[key] = transfers(z_um)
        return known[key]

    return at


def one_scene(
    optics: OpticsSettings, delta_um: float, channels: int, thickness_um: float, spherical_um: float
) -> Scene:
    """One of `scenes`, with the stated distance of the planes."""
    transfer = _transfers(optics, spherical_um, channels, delta_um)
    return _scene(transfer, delta_um, thickness_um, spherical_um, NOMINAL_DEPTH_UM, 1.0)


def _band_frequencies() -> np.ndarray:
    """(BANDS * BAND_SAMPLES,) cycles a pixel; in each band so that every sample stands for the same area."""
    edges = np.array(EDGES) / CELL_PX
    share = (np.arange(BAND_SAMPLES) + 0.5) / BAND_SAMPLES
    return np.asarray(np.sqrt(edges[:-1, None] ** 2 * (1 - share) + edges[1:, None] ** 2 * share).ravel())


def _transfers(
    optics: OpticsSettings, spherical_um: float, channels: int, delta_um: float
) -> Callable[[np.ndarray], np.ndarray]:
    """Defocus, (…), to transfer functions at the bands' frequencies, (…, C, BANDS * BAND_SAMPLES)."""
    reach_um = REACH_UM + delta_um * max(DELTA_SCALES) + max(THICKNESSES_UM) / 2
    z_um = np.arange(-np.ceil(reach_um / Z_STEP_UM), np.ceil(reach_um / Z_STEP_UM) + 1) * Z_STEP_UM
    splines = [
        CubicSpline(z_um, _transfer(optics, spherical_um, channel, _band_frequencies(), z_um), axis=1)
        for channel in (range(3) if channels == 3 else (1,))
    ]
    return lambda at_um: np.moveaxis(np.stack([spline(at_um) for spline in splines]), (0, 1), (-2, -1))


def _scene(
    transfer: Callable[[np.ndarray], np.ndarray],
    delta_um: float,
    thickness_um: float,
    spherical_um: float,
    structure_depth_um: float,
    scale: float,
) -> Scene:
    layers = Layers.uniform(thickness_um, structure_depth_um, LAYERS)
    powers = layered_powers(transfer, layers, np.stack([OFFSETS_UM - scale * delta_um, OFFSETS_UM + scale * delta_um]))
    # most of a band's power lies at its lower edge
    share = _band_frequencies().reshape(BANDS, BAND_SAMPLES) ** -SLOPE
    share /= share.sum(axis=1, keepdims=True)

    def banded(values: np.ndarray) -> np.ndarray:
        return (values.reshape(*values.shape[:-1], BANDS, BAND_SAMPLES) * share).sum(axis=-1).astype(np.float32)

    (low, high), (to_low, to_high) = (powers.shots[i, i] for i in (0, 1)), powers.target
    focus = np.maximum(banded(powers.focus), LEAST_FOCUS)
    return Scene(
        low=banded(low),
        high=banded(high),
        common=banded(powers.shots[0, 1]),
        copy_low=banded(low - 2 * to_low + powers.focus),
        copy_high=banded(high - 2 * to_high + powers.focus),
        to_low=banded(to_low) / focus,
        to_high=banded(to_high) / focus,
        focus=np.broadcast_to(focus, low.shape[:1] + focus.shape[-2:]).copy(),
        thickness_um=thickness_um,
        spherical_um=spherical_um,
        structure_depth_um=structure_depth_um,
        delta_scale=scale,
    )


def _transfer(
    optics: OpticsSettings, spherical_um: float, channel: int, frequency: np.ndarray, z_um: np.ndarray
) -> np.ndarray:
    """(F, Z) of a colour at frequencies in cycles a pixel, the pixel's own transfer function in it."""
    pupil = pupil_of(optics, spherical_um)
    summed = np.zeros((len(frequency), len(z_um)))
    for wavelength, weight in zip(*spectrum(optics, channel), strict=True):
        share = frequency / optics.pixel_um / pupil.cutoff(wavelength)
        summed += weight * radial_otf(pupil, wavelength, share, z_um, optics.condenser)
    return summed * np.sinc(frequency)[:, None]


def log_likelihood(spectra: np.ndarray, noise: np.ndarray, scene: Scene, *, bounded: bool) -> np.ndarray:
    """Of every offset.

    Parameters
    ----------
    spectra : (N, C, 3, BANDS) float array
        Of `cell_spectra.CellMeasures`.
    noise : (N, C) float array
        Variance of a shot's noise.
    scene : Scene
    bounded : bool
        Let no band speak louder than `LOUDEST`: where the model is wrong in one band, the others decide. Scenes are
        compared without that.

    Returns
    -------
    (N, len(OFFSETS_UM)) float32 array
        Natural logarithm; if bounded, less the largest possible one.
    """
    found = np.empty((len(spectra), len(OFFSETS_UM)), np.float32)
    for first in range(0, len(spectra), CELLS_AT_ONCE):
        part = slice(first, first + CELLS_AT_ONCE)
        found[part] = _of_cells(spectra[part].astype(np.float32), noise[part].astype(np.float32), scene, bounded).T
    return found


def _of_cells(spectra: np.ndarray, noise: np.ndarray, scene: Scene, bounded: bool) -> np.ndarray:
    """(len(OFFSETS_UM), N) logarithms; cells are the last axis of all arrays, so that sums over bands are quick."""
    floor = noise.T[:, None]
    # powers over the noise's, (C, BANDS, N) each
    one, two, common = np.divide(spectra.transpose(2, 1, 3, 0), floor, order="C")
    twice_common = 2 * common
    both = np.maximum(one + two - 2, np.float32(LEAST_SIGNAL))
    law = np.log(both * floor) + np.float32(SLOPE) * np.log(np.array(FREQUENCIES, np.float32))[:, None]
    free = np.array(MODES) / 2 / DEPENDENT
    modes = np.asarray(free / (1 + free / MOST_MODES), np.float32)[:, None]
    bands = np.ones(BANDS, np.float32)
    fit = np.empty((len(OFFSETS_UM), *both.shape), np.float32)
    stray = np.empty((len(OFFSETS_UM), both.shape[-1]), np.float32)
    # taken once: fresh pages cost as much as the arithmetic on them
    memory = np.empty((5, OFFSETS_AT_ONCE, *both.shape), np.float32)
    for first in range(0, len(OFFSETS_UM), OFFSETS_AT_ONCE):
        part = slice(first, first + OFFSETS_AT_ONCE)
        sums = scene.low[part] + scene.high[part]
        transfer = np.maximum(sums, np.float32(LEAST_SPECIMEN))
        of_low, of_high, of_both, of_seen = (
            (each / transfer)[..., None]
            for each in (scene.low[part], scene.high[part], scene.common[part], np.maximum(sums, LEAST_TRANSFER))
        )
        low, high, shared, determinant, away = memory[:, : len(sums)]
        np.add(np.multiply(both, of_low, out=low), 1, out=low)
        np.add(np.multiply(both, of_high, out=high), 1, out=high)
        np.multiply(both, of_both, out=shared)
        np.multiply(low, high, out=determinant)
        np.multiply(determinant, np.float32(1e-3), out=away)
        determinant -= np.multiply(shared, shared, out=fit[part])
        np.maximum(determinant, away, out=determinant)
        shared *= twice_common
        trace = np.multiply(high, one, out=fit[part])
        trace += np.multiply(low, two, out=away)
        trace -= shared
        trace /= determinant
        trace += np.log(determinant, out=determinant)
        # a band strays from the power law by its own scatter and by that of what is measured
        low += high
        low /= np.multiply(both, of_seen, out=high)
        low *= low
        low /= modes
        low += np.float32(SLOPE_WEIGHT**2)
        weight = np.reciprocal(low, out=low)
        np.subtract(law, np.log(transfer)[..., None], out=away)
        # sums over bands, as products: NumPy's sums take twice as long
        away -= ((bands @ np.multiply(weight, away, out=high)) / (bands @ weight))[..., None, :]
        away *= away
        away *= weight
        stray[part] = (bands @ away).sum(axis=1)
    if bounded:
        fit -= fit.min(axis=0)
        fit *= modes
        summed = LOUDEST * (1 - np.exp(fit / np.float32(-LOUDEST))).sum(axis=(1, 2))
    else:
        summed = ((fit.swapaxes(-1, -2) @ modes[:, 0]) + 2 * np.log(floor[:, 0]) * modes.sum()).sum(axis=1)
    # colours show the same tissue
    return np.asarray(-summed - 0.5 * stray / noise.shape[1], np.float32)


def specimen_power(both: np.ndarray, noise: np.ndarray, scene: Scene) -> np.ndarray:
    """Power of the specimen that explains the sum of both shots' powers, at every offset."""
    transfer = np.maximum(scene.low + scene.high, LEAST_SPECIMEN)
    return np.asarray(np.maximum(both - 2 * noise, LEAST_SIGNAL * noise) / transfer)


def fit_scene(spectra: np.ndarray, noise: np.ndarray, weight: np.ndarray, candidates: Sequence[Scene]) -> SceneFit:
    """Which scene a slide's cells are most like.

    Parameters
    ----------
    spectra, noise
        Of tissue cells, as of `log_likelihood`.
    weight : (N,) float array
        How much each cell is to count.
    candidates : sequence of Scene
        Of `scenes`.
    """
    stated = [n for n, s in enumerate(candidates) if s.delta_scale == 1 and s.structure_depth_um == NOMINAL_DEPTH_UM]
    if len(spectra) < 20:
        nominal = next(n for n in stated if _is_nominal(candidates[n]))
        return SceneFit(candidates[nominal], float("nan"), float("nan"))
    chosen = np.unique(np.linspace(0, len(spectra) - 1, SAMPLE).round().astype(int))
    sample, floor, share = spectra[chosen], noise[chosen], weight[chosen]
    evidence = np.array([_evidence(log_likelihood(sample, floor, scene, bounded=False), share) for scene in candidates])
    best = max(stated, key=lambda n: evidence[n].sum())
    offsets = OFFSETS_UM[log_likelihood(sample, floor, candidates[best], bounded=True).argmax(axis=1)]
    tells = np.abs(offsets) >= TELLING_UM
    if tells.sum() < 20:
        return SceneFit(candidates[best], float("nan"), float("nan"))
    return SceneFit(candidates[best], *_distance(evidence[:, tells]))


def _is_nominal(scene: Scene) -> bool:
    return scene.spherical_um == 0 and scene.thickness_um == NOMINAL_UM


def _distance(evidence: np.ndarray) -> tuple[float, float]:
    """The planes' distance over the stated one by the (scenes, N) evidence of cells, and its standard deviation.

    The likelihood of a cell is wrong by more than chance: the model of the section is simple. So the deviation is that
    over cells drawn anew with repetition, not the likelihood's own.
    """
    cells = evidence.shape[1]
    by_depth = (-1, len(STRUCTURE_DEPTHS_UM), len(DELTA_SCALES))
    draws = np.random.default_rng(0).multinomial(cells, np.full(cells, 1 / cells), RESAMPLED).T
    by_scale = (evidence @ draws).reshape(-1, len(DELTA_SCALES), RESAMPLED).max(axis=0)
    whole = evidence.sum(axis=1).reshape(by_depth).max(axis=0)
    against_through = (whole[:-1].max() - whole[-1].max()) / cells
    bias = THROUGH_BIAS if against_through < THROUGH_EVIDENCE else 1.0
    return _peak(whole.max(axis=0)) / bias, float(np.std([_peak(each) for each in by_scale.T], ddof=1)) / bias


def _evidence(likelihood: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(N,) logarithm of the mean likelihood over all offsets."""
    top = likelihood.max(axis=1)
    return np.asarray(weight * (top + np.log(np.exp(likelihood - top[:, None]).mean(axis=1))))


def _peak(by_scale: np.ndarray) -> float:
    """Top of the parabola through the highest evidence; an end of the range, where it lies there."""
    best = int(np.argmax(by_scale))
    if best in (0, len(by_scale) - 1):
        return DELTA_SCALES[best]
    left, middle, right = by_scale[best - 1 : best + 2]
    curvature = max(2 * middle - left - right, 1e-9)
    return DELTA_SCALES[best] + (DELTA_SCALES[1] - DELTA_SCALES[0]) * 0.5 * float(right - left) / curvature


def at_offsets(table: np.ndarray, focal_offset_um: np.ndarray) -> np.ndarray:
    """Rows of a scene's table, (n, C, BANDS), between its offsets: (…, C, BANDS)."""
    place = np.clip((focal_offset_um + REACH_UM) / STEP_UM, 0, len(OFFSETS_UM) - 1)
    below = np.minimum(place.astype(int), len(OFFSETS_UM) - 2)
    share = (place - below)[..., None, None]
    return np.asarray(table[below] * (1 - share) + table[below + 1] * share)


def scene_at(scene: Scene, focal_offset_um: np.ndarray) -> Scene:
    """The scene at offsets, (N,), in place of `OFFSETS_UM`."""
    tables = ("low", "high", "common", "copy_low", "copy_high", "to_low", "to_high", "focus")
    found: dict[str, Any] = {name: at_offsets(getattr(scene, name), focal_offset_um) for name in tables}
    return replace(scene, **found)
