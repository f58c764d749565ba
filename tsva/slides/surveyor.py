"""The one pass over both planes of a slide that measures it, in blocks, cell by cell.

What is measured of a cell depends on its own tile of `plane_shift.TILE_PX` pixels alone, and tiles are counted from the
slide's corner: blocks of any size give the same survey.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_dilation
from tqdm import tqdm

from tsva.restoration.fusion.bands import BANDS, FREQUENCIES
from tsva.settings.acquisition import OpticsSettings
from tsva.slides.cell_spectra import MODES, grey_levels, measure_cells, planar
from tsva.slides.focal_offsets import (
    OFFSETS_UM,
    Scene,
    SceneFit,
    fit_scene,
    log_likelihood,
    scene_at,
    scenes,
    specimen_power,
)
from tsva.slides.focal_surface import surface
from tsva.slides.grid import CELL_PX, CellGrid
from tsva.slides.plane_shift import MARGIN_PX, TILE_PX, tile_shift
from tsva.slides.shift_field import TRUSTED_PX, fit_field
from tsva.slides.survey import Survey
from tsva.slides.two_planes import TwoPlanes

BLOCK_PX = 1024
"""Edge of the blocks that are read at a time."""
PER_TILE = TILE_PX // CELL_PX
LEAST_STRUCTURE = 2.0
"""A cell is tissue where its spectrum above `STRUCTURE_BANDS[0]` holds so many times the noise's power."""
STRUCTURE_BANDS = slice(1, 7)
FAINTEST = 0.06
"""Or where it is darker than glass by this share."""
KNOWN_SD_UM = 0.6
"""Offsets are called known up to this standard deviation."""
SAME_SHIFT_PX = 0.02
"""Where the shift was found to be another one than a cell's common spectrum was taken with, that spectrum is taken
again: a tenth of a pixel looks like planes that are half as far apart again."""
SHIFT_SD_PX = 0.03
"""How well the shift of moved planes is known; on slides shifted by whole pixels it was off by 0.02 to 0.04."""
NOISE_LEVELS = 12
NOISE_QUANTILE = 0.2
NOISE_BANDS = slice(BANDS - 2, BANDS)
QUIETEST = 0.92
"""Where that quantile of the lesser of two shots of pure noise lies. A cell's power in those bands scatters by 6.5 %;
the lesser of two lies 0.56 of that below the mean and scatters by 0.83 of it; a fifth of the cells lies 0.84 of this
lower."""
ROW_CHUNK = 16


def survey(
    planes: TwoPlanes,
    *,
    optics: OpticsSettings,
    offset_given_um: np.ndarray | None = None,
    block_px: int = BLOCK_PX,
    progress: bool = True,
) -> Survey:
    """Measure a slide.

    Parameters
    ----------
    planes : TwoPlanes
    optics : OpticsSettings
        Nominal optics. Their pixel size is replaced by the slide's.
    offset_given_um : (R, K) float array, optional
        Focal offset of each cell, where it is known beforehand from more than these planes: it may jump from cell to
        cell, and what is smooth is the difference from it.
    block_px : int
        Edge of the blocks that are read at a time, rounded up to whole tiles. Changes nothing but memory.
    progress : bool
        Show a bar.

    Returns
    -------
    Survey
    """
    optics = optics.model_copy(update={"pixel_um": planes.pixel_um})
    height, width = planes.shape
    grid = CellGrid(height, width)
    held = _Held.empty(grid, planes.channels)
    step = max(1, -(-block_px // TILE_PX)) * TILE_PX
    places = [(y, x) for y in range(0, height, step) for x in range(0, width, step)]
    for y, x in tqdm(places, desc="survey", unit="block", disable=None if progress else True):
        tall, wide = min(step, height - y), min(step, width - x)
        low, high = (planar(_whole_tiles(shot)) for shot in planes.read(y, x, tall, wide))
        held.measure(y, x, low, high)
    return _assembled(planes, optics, grid, held, offset_given_um)


def _whole_tiles(shot: np.ndarray) -> np.ndarray:
    """Continued by reflection to whole tiles: beyond the slide's edges there is nothing."""
    missing = [(0, -size % TILE_PX) for size in shot.shape[:2]]
    return np.pad(shot, (*missing, (0, 0)), mode="symmetric") if any(after for _, after in missing) else shot


@dataclass
class _Held:
    """What the pass keeps of each cell and tile; arrays cover whole tiles."""

    level: np.ndarray
    gradient: np.ndarray
    spectra: np.ndarray
    """Signed roots of the powers: half precision then holds six decades."""
    used_shift: np.ndarray
    tile_shift: np.ndarray
    tile_error: np.ndarray

    @classmethod
    def empty(cls, grid: CellGrid, channels: int) -> _Held:
        tiles = math.ceil(grid.height / TILE_PX), math.ceil(grid.width / TILE_PX)
        cells = tiles[0] * PER_TILE, tiles[1] * PER_TILE
        return cls(
            np.zeros((2, *cells, channels), np.float32),
            np.zeros((2, *cells), np.float32),
            np.zeros((*cells, channels, 3, BANDS), np.float16),
            np.zeros((*cells, 2), np.float32),
            np.full((*tiles, 2), np.nan),
            np.full(tiles, np.inf),
        )

    def measure(self, y: int, x: int, low: np.ndarray, high: np.ndarray) -> None:
        """Take in a block of whole tiles."""
        tiles = slice(y // TILE_PX, (y + low.shape[0]) // TILE_PX), slice(x // TILE_PX, (x + low.shape[1]) // TILE_PX)
        cells = slice(y // CELL_PX, (y + low.shape[0]) // CELL_PX), slice(x // CELL_PX, (x + low.shape[1]) // CELL_PX)
        grey_low, grey_high = grey_levels(low), grey_levels(high)
        for i in range(low.shape[0] // TILE_PX):
            for j in range(low.shape[1] // TILE_PX):
                part = slice(i * TILE_PX, (i + 1) * TILE_PX), slice(j * TILE_PX, (j + 1) * TILE_PX)
                place = tiles[0].start + i, tiles[1].start + j
                self.tile_shift[place], self.tile_error[place] = tile_shift(grey_low[part], grey_high[part])
        found = np.where((self.tile_error[tiles] < TRUSTED_PX)[..., None], self.tile_shift[tiles], 0)
        shift = np.repeat(np.repeat(np.nan_to_num(found), PER_TILE, axis=0), PER_TILE, axis=1)
        self.used_shift[cells] = shift
        measures = measure_cells(low, high, shift)
        self.level[0][cells], self.level[1][cells] = measures.level_low, measures.level_high
        self.gradient[0][cells], self.gradient[1][cells] = measures.gradient_low, measures.gradient_high
        self.spectra[cells] = _roots(measures.spectra)


def _measure_again(
    planes: TwoPlanes,
    grid: CellGrid,
    spectra: np.ndarray,
    shift_px: np.ndarray,
    brightness: np.ndarray,
    chosen: np.ndarray,
) -> None:
    """Spectra of the chosen cells, (R, K) bool, with other shifts, in place; a tile at a time.

    The high shot's window moves with the tissue by whole pixels: windows that differ by two pixels cost half a per cent
    of coherence, which looks like planes that are farther apart.
    """
    whole = np.rint(shift_px).astype(int)
    for row, column in np.argwhere(_any_in_tiles(chosen)):
        tile = slice(row * PER_TILE, (row + 1) * PER_TILE), slice(column * PER_TILE, (column + 1) * PER_TILE)
        wanted, of_cells, shift = chosen[tile], whole[tile], np.zeros((PER_TILE, PER_TILE, 2))
        shift[: wanted.shape[0], : wanted.shape[1]] = (shift_px - whole)[tile]
        around = int(np.abs(of_cells[wanted]).max())
        low, high = _tile_and_around(planes, grid, int(row), int(column), around)
        low = _inner(low, around, 0, 0)
        for dy, dx in np.unique(of_cells[wanted], axis=0):
            found = _roots(measure_cells(low, _inner(high, around, dy, dx), shift).spectra)
            _as_bright(found, brightness)
            same = wanted & (of_cells == (dy, dx)).all(axis=-1)
            spectra[tile][same] = found[: wanted.shape[0], : wanted.shape[1]][same]


def _inner(image: np.ndarray, margin: int, dy: int, dx: int) -> np.ndarray:
    """The tile that lies (dy, dx) from the middle of an image with a margin."""
    return image[margin + dy :, margin + dx :][:TILE_PX, :TILE_PX]


def _as_bright(roots: np.ndarray, brightness: np.ndarray) -> None:
    """Roots of spectra, (…, C, 3, BANDS), as if the high shot were as bright as the low one, in place."""
    roots[..., 1, :] /= brightness[:, None]
    roots[..., 2, :] /= np.sqrt(brightness)[:, None]


def _unsteady(scene: Scene) -> Scene:
    """The scene of planes whose shift is known to `SHIFT_SD_PX`: what that takes off the common spectrum."""
    kept = np.exp(-0.5 * (2 * np.pi * np.array(FREQUENCIES) * SHIFT_SD_PX) ** 2)
    return replace(scene, common=(scene.common * kept).astype(np.float32))


def _any_in_tiles(cells: np.ndarray) -> np.ndarray:
    """(T, U) bool: whether any of a tile's cells is chosen."""
    rows, columns = (np.arange(0, size, PER_TILE) for size in cells.shape)
    return np.asarray(np.logical_or.reduceat(np.logical_or.reduceat(cells, rows, axis=0), columns, axis=1))


def _roots(powers: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(powers) * np.sqrt(np.abs(powers)))


def _powers(roots: np.ndarray) -> np.ndarray:
    values = roots.astype(np.float32)
    return np.asarray(values * np.abs(values))


def _assembled(
    planes: TwoPlanes, optics: OpticsSettings, grid: CellGrid, held: _Held, offset_given_um: np.ndarray | None
) -> Survey:
    """From cells to the slide as a whole, and back."""
    rows, columns = grid.shape
    level, gradient = held.level[:, :rows, :columns], held.gradient[:, :rows, :columns]
    spectra = held.spectra[:rows, :columns]
    white, black = np.quantile(level[0], 0.98, axis=(0, 1)), level[0].min(axis=(0, 1))
    brightness = _brightness(level)
    _as_bright(spectra, brightness)
    noise = _noise_model(spectra, level.mean(axis=0))
    floor = np.maximum(noise[:, 0] + noise[:, 1] * level.mean(axis=0), 1e-8)
    glass = _glass(spectra, floor, level.min(axis=0), white)
    field = fit_field(held.tile_shift, held.tile_error, (rows, columns), _window_of(planes, grid))
    used = held.used_shift[:rows, :columns]
    moved = (np.abs(field.shift_px - used).max(axis=-1) > SAME_SHIFT_PX) | (np.abs(used).max(axis=-1) > 0.5)
    _measure_again(planes, grid, spectra, field.shift_px, brightness, moved & ~glass & field.known)
    usable = ~glass & (field.known | ~moved)
    # a cell that the slide's edge cuts was filled up by reflection, whose spectrum is no tissue's
    usable[grid.height // CELL_PX :], usable[:, grid.width // CELL_PX :] = False, False
    candidates = scenes(optics, planes.delta_um, planes.channels)
    if moved.any():
        candidates = tuple(_unsteady(scene) for scene in candidates)
    # beside a jump a few pixels may be of the other side
    fit = _fitted(spectra, floor, usable & ~binary_dilation(~field.known & ~glass, iterations=2), candidates)
    offset_um, sd_um = _offsets(spectra, floor, usable, fit.scene, offset_given_um)
    copy_rmse, linear_rmse = _expected_rmse(spectra, floor, offset_um, sd_um, fit.scene)
    mean_squares = np.square(level.mean(axis=-1))
    # noise adds twice its variance (of the mean of the channels) to the mean squared difference of two pixels
    grey_noise = 2 * floor.mean(axis=-1) / planes.channels
    sharp = np.maximum(gradient - grey_noise, 0) / np.maximum(mean_squares, 1e-6)
    return Survey(
        height=grid.height,
        width=grid.width,
        pixel_um=planes.pixel_um,
        delta_um=planes.delta_um,
        optics=optics,
        glass=glass,
        level=level[0],
        sharpness_low=sharp[0],
        sharpness_high=sharp[1],
        focal_offset_um=offset_um.astype(np.float32),
        focal_offset_sd_um=sd_um.astype(np.float32),
        offset_known=~glass & (sd_um <= KNOWN_SD_UM),
        copy_rmse=np.where(glass, np.nan, copy_rmse).astype(np.float32),
        linear_rmse=np.where(glass, np.nan, linear_rmse).astype(np.float32),
        shift_px=field.shift_px.astype(np.float32),
        misregistered=~glass & ~field.known,
        noise=noise,
        white=white.astype(float),
        black=black.astype(float),
        brightness=brightness,
        scale=field.scale,
        thickness_um=fit.scene.thickness_um,
        spherical_um=fit.scene.spherical_um,
        delta_scale=fit.delta_scale,
        delta_scale_sd=fit.delta_scale_sd,
    )


def _noise_model(spectra: np.ndarray, level: np.ndarray) -> np.ndarray:
    """(C, 2) variance of the noise at level 0, and its growth with the level.

    Of cells of similar level the quietest fifth in the highest bands, where there is hardly any tissue left.
    """
    channels = level.shape[-1]
    share = np.array(MODES[NOISE_BANDS], np.float32) / sum(MODES[NOISE_BANDS])
    quiet = (np.square(spectra[..., :2, NOISE_BANDS].astype(np.float32)) @ share).min(axis=-1) / QUIETEST
    found = np.zeros((channels, 2))
    for channel in range(channels):
        values, levels = quiet[..., channel].ravel(), level[..., channel].ravel()
        edges = np.unique(np.quantile(levels, np.linspace(0, 1, NOISE_LEVELS + 1)))
        where = np.clip(np.searchsorted(edges, levels, side="right") - 1, 0, max(len(edges) - 2, 0))
        bins = [where == k for k in range(max(len(edges) - 1, 1)) if (where == k).sum() >= 5]
        if not bins:
            found[channel] = float(np.median(values)), 0.0
            continue
        x = np.array([levels[b].mean() for b in bins])
        v = np.array([np.quantile(values[b], NOISE_QUANTILE) for b in bins])
        weight = 1 / np.maximum(v, 1e-9)
        if np.ptp(x) > 0.1 and len(x) > 2:
            slope, start = np.polyfit(x, v, 1, w=weight)
            if slope > 0 and start > 0:
                found[channel] = start, slope
                continue
            if slope > 0:
                found[channel] = 0.0, float(np.average(v / np.maximum(x, 0.05), weights=weight))
                continue
        found[channel] = float(np.average(v, weights=weight)), 0.0
    return found


def _glass(spectra: np.ndarray, floor: np.ndarray, level: np.ndarray, white: np.ndarray) -> np.ndarray:
    """(R, K) bool: neither structure nor darkness."""
    modes = np.array(MODES[STRUCTURE_BANDS], np.float32)
    share = modes / modes.sum()
    power = np.square(spectra[..., :2, STRUCTURE_BANDS].astype(np.float32)).max(axis=-2) @ share
    busy = (power / floor).max(axis=-1) > LEAST_STRUCTURE
    dark = (level < (1 - FAINTEST) * white).any(axis=-1)
    return np.asarray(~(busy | dark))


def _brightness(level: np.ndarray) -> np.ndarray:
    """(C,) level of the high shot over that of the low one: the median over cells, half of which defocus brightens."""
    return np.asarray(np.median(level[1] / np.maximum(level[0], 1e-3), axis=(0, 1)), dtype=float)


def _window_of(planes: TwoPlanes, grid: CellGrid) -> Callable[[int, int], tuple[np.ndarray, np.ndarray]]:
    """Reads grey levels of a tile and around it."""

    def window(row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
        low, high = _tile_and_around(planes, grid, row, column, MARGIN_PX)
        return grey_levels(low), grey_levels(high)

    return window


def _tile_and_around(
    planes: TwoPlanes, grid: CellGrid, row: int, column: int, margin: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both shots of a tile with so many pixels around it, by reflection beyond the slide's edges."""
    first = [n * TILE_PX - margin for n in (row, column)]
    last = [f + TILE_PX + 2 * margin for f in first]
    inside = [(max(f, 0), min(e, s)) for f, e, s in zip(first, last, (grid.height, grid.width), strict=True)]
    (y0, y1), (x0, x1) = inside
    margins = [(a - f, e - b) for f, e, (a, b) in zip(first, last, inside, strict=True)]
    low, high = planes.read(y0, x0, y1 - y0, x1 - x0)
    return np.pad(low, (*margins, (0, 0)), mode="symmetric"), np.pad(high, (*margins, (0, 0)), mode="symmetric")


def _fitted(spectra: np.ndarray, floor: np.ndarray, usable: np.ndarray, candidates: Sequence[Scene]) -> SceneFit:
    chosen = np.flatnonzero(usable)
    # evenly over the slide; the scene needs hundreds of cells, not all
    chosen = (
        chosen[np.unique(np.linspace(0, max(len(chosen) - 1, 0), 2000).round().astype(int))] if len(chosen) else chosen
    )
    flat = _powers(spectra.reshape(-1, *spectra.shape[2:])[chosen])
    return fit_scene(flat, floor.reshape(-1, floor.shape[-1])[chosen], np.ones(len(chosen)), candidates)


def _offsets(
    spectra: np.ndarray, floor: np.ndarray, usable: np.ndarray, scene: Scene, given_um: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(R, K) offsets and standard deviations; where offsets are given, what is smooth is the difference from these."""
    rows, columns = usable.shape
    likelihood = np.zeros((rows, columns, len(OFFSETS_UM)), np.float32)
    for start in range(0, rows, ROW_CHUNK):
        part = slice(start, start + ROW_CHUNK)
        chosen = usable[part]
        if chosen.any():
            found = log_likelihood(_powers(spectra[part][chosen]), floor[part][chosen], scene, bounded=True)
            likelihood[part][chosen] = found - found.max(axis=1, keepdims=True)
    if given_um is None:
        return surface(likelihood, usable.astype(np.float32))
    away_um, sd_um = surface(_from_given(likelihood, given_um), usable.astype(np.float32))
    return np.clip(away_um + given_um, OFFSETS_UM[0], OFFSETS_UM[-1]), sd_um


def _from_given(likelihood: np.ndarray, given_um: np.ndarray) -> np.ndarray:
    """The likelihood of differences from offsets that are given, (R, K), in place of that of offsets."""
    step_um = OFFSETS_UM[1] - OFFSETS_UM[0]
    place = np.clip(np.arange(len(OFFSETS_UM)) + given_um[..., None] / step_um, 0, len(OFFSETS_UM) - 1)
    below = np.minimum(place.astype(int), len(OFFSETS_UM) - 2)
    lower, upper = (np.take_along_axis(likelihood, below + k, axis=-1) for k in (0, 1))
    return np.asarray(lower + (place - below) * (upper - lower), np.float32)


def _expected_rmse(
    spectra: np.ndarray, floor: np.ndarray, offset_um: np.ndarray, sd_um: np.ndarray, scene: Scene
) -> tuple[np.ndarray, np.ndarray]:
    """(R, K) expected errors of the nearer shot and of the best linear restoration.

    Of the shot: what defocus takes off the cell's own spectrum, and the noise. Of the restoration: what Wiener's filter
    of both shots leaves, for that spectrum.
    """
    rows, columns = offset_um.shape
    share = np.array(MODES, np.float32) / CELL_PX**2
    found = np.zeros((2, rows, columns))
    for start in range(0, rows, ROW_CHUNK):
        part = slice(start, start + ROW_CHUNK)
        cells = _powers(spectra[part]).reshape(-1, *spectra.shape[2:])
        noise, n = floor[part].reshape(-1, floor.shape[-1]), offset_um[part].ravel()
        sd, squared = sd_um[part].ravel(), np.zeros((2, len(n)))
        # the error grows faster than the offset's size: its mean over what the offset may be
        for away, chance in ((-1.22, 1 / 4), (0, 1 / 2), (1.22, 1 / 4)):
            at = np.abs(n) + away * sd
            seen = scene_at(scene, np.where(n < 0, -1, 1) * at)
            signal = specimen_power((cells[:, :, 0] + cells[:, :, 1])[:, None], noise[:, None, :, None], _one(seen))[
                :, 0
            ]
            loss = np.where((n < 0)[:, None, None], seen.copy_high, seen.copy_low)
            squared[0] += chance * ((signal * loss) @ share).mean(axis=-1)
            squared[1] += chance * (_left_by_wiener(signal, noise[..., None], seen) @ share).mean(axis=-1)
        squared[0] += noise.mean(axis=-1)
        found[:, part] = np.sqrt(squared).reshape(2, -1, columns)
    return found[0], found[1]


def _left_by_wiener(signal: np.ndarray, noise: np.ndarray, seen: Scene) -> np.ndarray:
    """Power of the in-focus image that both shots together don't show, (N, C, BANDS)."""
    low, high, both = signal * seen.low + noise, signal * seen.high + noise, signal * seen.common
    one, two = signal * seen.focus * seen.to_low, signal * seen.focus * seen.to_high
    shared = (high * one**2 + low * two**2 - 2 * both * one * two) / np.maximum(low * high - both**2, 1e-6 * low * high)
    return np.asarray(np.maximum(signal * seen.focus - shared, 0.0))


def _one(scene: Scene) -> Scene:
    """A scene at one offset a cell, as if that were the only one."""
    return replace(scene, low=scene.low[:, None], high=scene.high[:, None])
