"""Two planes in, an in-focus pyramid out: reading, network and encoding side by side, resumed where it broke off."""

from __future__ import annotations

import io
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from tsva.atomic import fresh_file, fresh_folder
from tsva.readers.stack_file import read_ahead
from tsva.slides.blending import blended, reduced, shape_at, thumbnail_level
from tsva.slides.cell_spectra import planar
from tsva.slides.grid import CELL_PX, Box, Unit, box_of, filled, per_pixel, units, whole_cells
from tsva.slides.pyramid import SlideFacts, is_dicom_folder, is_zarr, write_pyramid, write_zarr
from tsva.slides.shares import KnownShares, Shares
from tsva.slides.slide_plan import SlidePlan
from tsva.slides.stored_tiles import TILE_PX, build_levels, level_shapes, padded, tile_grid, tiles_of
from tsva.slides.survey import Survey
from tsva.slides.tile_restorers import TileRestorer
from tsva.slides.two_planes import TwoPlanes
from tsva.slides.workplace import THUMBNAIL, TILE, VERDICTS, Journal, Key

log = logging.getLogger(__name__)
WAITING = 2
"""Restored units that may wait for the encoder: memory holds no more."""
MIXED_UM = 0.25
"""So far from the middle of the planes the copy is a mixture of both shots, which are as far out of focus there and
share no noise. On four development slides 0.5 % of the copied cells then lie more than 0.5 dB below the sharper shot;
with a border of one cell between cells of either shot it was 2.9 %."""


class CellTrust(Protocol):
    """What is judged of the cells that lie wholly in a region.

    Attributes
    ----------
    row, column : int
        The first cell.
    verdict : (r, k) uint8 array
    share : (r, k) float32 array
        How much of the restoration goes into each.
    values : dict of str to (r, k, …) arrays
        By cell.
    """

    @property
    def row(self) -> int: ...

    @property
    def column(self) -> int: ...

    @property
    def verdict(self) -> np.ndarray: ...

    @property
    def share(self) -> np.ndarray: ...

    @property
    def values(self) -> dict[str, np.ndarray]: ...


class Judge(Protocol):
    """Decides by cell whether a restoration is believed."""

    def __call__(
        self, low: np.ndarray, high: np.ndarray, restored: np.ndarray, expected_error: np.ndarray | None, y: int, x: int
    ) -> CellTrust:
        """Judge the cells of a region, (Y, X, …) arrays whose upper left pixel is (y, x) of the slide."""
        ...

    def weights(self, shares: np.ndarray, row: int, column: int) -> np.ndarray:
        """Share of the restored image of pixels, (64 r, 64 k), of (r+2, k+2) cells' shares: one more on each side of
        those from (row, column) on. It has to be 0 where nothing is restored: the restored image is 0 on glass."""
        ...


class Aligner(Protocol):
    """Brings both shots of a region onto one another.

    Attributes
    ----------
    margin_px : int
        That it needs around what is used.
    """

    @property
    def margin_px(self) -> int: ...

    def __call__(self, low: np.ndarray, high: np.ndarray, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
        """Both shots, (Y, X, C) uint8 as they came, of a region whose upper left pixel is (y, x) of the slide."""
        ...


@dataclass(frozen=True)
class Restored:
    """A unit's pixels, ready to be stored, what was judged of its cells, the nearer shot as captured, reduced, and the
    shares of all cells that were judged, its neighbours' among them."""

    unit: Unit
    pixels: np.ndarray
    values: dict[str, np.ndarray]
    thumbnail: np.ndarray
    shares: Shares


class SlideEngine:
    """Restores the units of one slide.

    Parameters
    ----------
    planes : TwoPlanes
    survey : Survey
    restorer : TileRestorer
    aligner : Aligner
    judge : Judge
    core_px : int
        Edge of the cores.
    origin : (int, int)
        Where their grid begins; no pixel depends on it.
    in_order : bool
        Units are restored in their order, or recalled: cells that were judged around an earlier one are not judged, nor
        restored, again.
    """

    def __init__(
        self,
        planes: TwoPlanes,
        survey: Survey,
        restorer: TileRestorer,
        aligner: Aligner,
        judge: Judge,
        core_px: int,
        origin: tuple[int, int] = (0, 0),
        *,
        in_order: bool = True,
    ) -> None:
        self._shares = KnownShares(survey.grid, in_order)
        self._planes, self._survey, self._restorer = planes, survey, restorer
        self._align, self._judge = aligner, judge
        self._is_copied = survey.glass | survey.misregistered  # whatever the network says
        by_sharpness_um = np.where(survey.high_is_nearer(), -MIXED_UM, MIXED_UM)
        offset_um = np.where(survey.offset_known, survey.focal_offset_um, by_sharpness_um)
        self._offset_um = filled(offset_um, ~survey.glass, 0.0)
        self.units = list(
            units(
                planes.shape,
                core_px,
                halo_px=restorer.halo_px,
                multiple=restorer.multiple,
                align_px=aligner.margin_px,
                origin=origin,
            )
        )

    def read(self, unit: Unit) -> tuple[Unit, np.ndarray, np.ndarray]:
        """Both shots of a unit, on one another."""
        box = unit.read
        shots = self._align(*self._planes.read(box.y, box.x, box.height, box.width), box.y, box.x)
        low, high = (planar(unit.restored.cut(shot, box)) for shot in shots)
        return unit, low, high

    def restored(self, unit: Unit, low: np.ndarray, high: np.ndarray) -> Restored:
        """Restore, judge and blend one unit; `low` and `high` cover its box `restored`."""
        core, frame, judged = unit.core, unit.restored, self._shares.to_judge(unit)
        shots = judged.cut(low, frame), judged.cut(high, frame)
        restored, error = self._restored(judged, frame, low, high)
        trust = self._judge(*shots, restored, error, judged.y, judged.x)
        shares = Shares(trust.row, trust.column, trust.share)
        self._shares.add(unit, shares)
        cells = self._survey.grid.touched(core.y, core.x, core.height, core.width)
        first_y, first_x = (CELL_PX * each.start for each in cells)
        weight = self._judge.weights(self._shares.window(unit), cells[0].start, cells[1].start)
        weight = weight[core.y - first_y :, core.x - first_x :][: core.height, : core.width]
        low, high, restored = (core.cut(image, judged) for image in (*shots, restored))
        pixels, before = blended(low, high, restored, self._share_of_high(core), weight)
        values = {name: each[shares.place(cells)] for name, each in {"verdict": trust.verdict, **trust.values}.items()}
        return Restored(unit, pixels, values, reduced(before, thumbnail_level(self._planes.shape)), shares)

    def recall(self, unit: Unit, shares: Shares) -> None:
        """Take in what was judged of a unit that an earlier run has restored."""
        self._shares.add(unit, shares)

    def _restored(
        self, judged: Box, frame: Box, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Result and expected error of the pixels of a box, of shots of a frame; 0 beyond the box's cells of tissue.

        Nothing that is restored gets into a cell of glass.
        """
        cells = self._survey.grid.touched(judged.y, judged.x, judged.height, judged.width)
        nothing = np.zeros((low.shape[2], judged.height, judged.width), np.float32).transpose(1, 2, 0)
        if self._is_copied[cells].all():
            return nothing, None
        wanted = box_of(~self._survey.glass[cells], (cells[0].start, cells[1].start)).within(judged)
        seen = wanted.grown(whole_cells(self._restorer.halo_px, self._restorer.multiple), self._planes.shape)
        seen = seen.within(frame)
        result, error = self._restorer(seen.cut(low, frame), seen.cut(high, frame), seen.y, seen.x)
        if wanted != judged:
            result = _put(wanted.cut(result, seen), nothing, wanted, judged)
            error = None if error is None else _put(wanted.cut(error, seen), nothing[..., 0].copy(), wanted, judged)
            return result, error
        return wanted.cut(result, seen), None if error is None else wanted.cut(error, seen)

    def _share_of_high(self, box: Box) -> np.ndarray:
        """(Y, X) float32: how much of the high shot goes into the copy; it changes softly."""
        offset_um = per_pixel(self._offset_um, box.y, box.x, box.height, box.width)
        return np.asarray(np.clip(0.5 - offset_um / (2 * MIXED_UM), 0, 1), np.float32)


def _put(part: np.ndarray, whole: np.ndarray, box: Box, frame: Box) -> np.ndarray:
    box.cut(whole, frame)[:] = part
    return whole


class Engine(Protocol):
    """Reads and restores the units of one slide; shots are whatever `read` gives."""

    units: list[Unit]

    def read(self, unit: Unit) -> tuple[Unit, Any, Any]:
        """Both shots of a unit."""
        ...

    def restored(self, unit: Unit, low: Any, high: Any) -> Restored:
        """Restore, judge and blend one unit."""
        ...

    def recall(self, unit: Unit, shares: Shares) -> None:
        """Take in what was judged of a unit that an earlier run has restored."""
        ...


def restore_tiles(engine: Engine, plan: SlidePlan, journal: Journal, progress: Callable[[int], object]) -> None:
    """Restore all units that the journal lacks: one thread reads, one computes, one encodes.

    `progress` is called with the pixels that are done.
    """
    todo = []
    for unit in engine.units:
        key = Key(VERDICTS, 0, unit.row, unit.column)
        if key in journal:
            with np.load(io.BytesIO(journal.read(key))) as held:
                row, column = held["judged_from"]
                engine.recall(unit, Shares(int(row), int(column), held["judged_share"]))
            progress(unit.core.height * unit.core.width)
        else:
            todo.append(unit)
    encoding: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="encode") as encoder:
        for unit, low, high in read_ahead(engine.read(unit) for unit in todo):
            encoding.append(encoder.submit(_store, engine.restored(unit, low, high), plan, journal))
            while len(encoding) > WAITING:
                encoding.popleft().result()
            progress(unit.core.height * unit.core.width)
        for left in encoding:
            left.result()


def _store(done: Restored, plan: SlidePlan, journal: Journal) -> None:
    """Encode a unit's tiles; what was judged comes last, and says that all are there."""
    codec, core = plan.codec, done.unit.core
    for top, left in product(range(0, core.height, TILE_PX), range(0, core.width, TILE_PX)):
        key = Key(TILE, 0, (core.y + top) // TILE_PX, (core.x + left) // TILE_PX)
        journal.append(key, codec.encode(padded(done.pixels[top : top + TILE_PX, left : left + TILE_PX])))
    written = io.BytesIO()
    shares = done.shares
    first = {
        "row": np.array(core.y // CELL_PX),
        "column": np.array(core.x // CELL_PX),
        "judged_from": np.array([shares.row, shares.column]),
        "judged_share": shares.share,
    }
    np.savez(written, **first, **done.values)  # type: ignore[arg-type]
    journal.append(Key(THUMBNAIL, 0, done.unit.row, done.unit.column), _array_bytes(done))
    journal.append(Key(VERDICTS, 0, done.unit.row, done.unit.column), written.getvalue())


def _array_bytes(done: Restored) -> bytes:
    written = io.BytesIO()
    np.savez(written, place=np.array([done.unit.core.y, done.unit.core.x]), pixels=done.thumbnail)
    return written.getvalue()


def before_picture(journal: Journal, shape: tuple[int, int], channels: int) -> np.ndarray:
    """The nearer shot as captured, (Y, X, C) uint8, as small as `thumbnail_level`."""
    level = thumbnail_level(shape)
    whole = np.full((*shape_at(shape, level), channels), 255, np.uint8)
    for key in journal.keys(THUMBNAIL):
        with np.load(io.BytesIO(journal.read(key))) as held:
            (y, x), part = held["place"] >> level, held["pixels"]
        whole[y : y + part.shape[0], x : x + part.shape[1]] = part
    return whole


def judged_cells(journal: Journal, survey: Survey) -> dict[str, np.ndarray]:
    """What was judged of all cells of the slide, (R, K, …) arrays by name."""
    whole: dict[str, np.ndarray] = {}
    for key in journal.keys(VERDICTS):
        with np.load(io.BytesIO(journal.read(key))) as held:
            row, column = int(held["row"]), int(held["column"])
            for name in sorted(set(held.files) - {"row", "column", "judged_from", "judged_share"}):
                part = held[name]
                if name not in whole:
                    whole[name] = np.zeros((*survey.grid.shape, *part.shape[2:]), part.dtype)
                whole[name][row : row + part.shape[0], column : column + part.shape[1]] = part
    return whole


def assemble(plan: SlidePlan, journal: Journal, facts: SlideFacts, out: Path) -> None:
    """Build the coarser levels and write the pyramid; it appears under its name when it is complete."""
    shapes = level_shapes(*plan.shape)
    coarse = sum(rows * columns for rows, columns in map(tile_grid, shapes[1:]))
    with tqdm(total=coarse, desc="levels", unit="tile", disable=None) as bar:
        build_levels(journal, plan.codec, shapes, bar.update)
    wanted = [key for level, shape in enumerate(shapes) for key in tiles_of(level, shape)]
    stored = sum(journal.size(key) for key in wanted)
    fresh = fresh_folder if is_zarr(out) or is_dicom_folder(out) else fresh_file
    with fresh(out) as part, tqdm(total=len(wanted), desc="pyramid", unit="tile", disable=None) as bar:

        def tile(level: int, row: int, column: int) -> bytes:
            bar.update()
            return journal.read(Key(TILE, level, row, column))

        if is_zarr(out):
            write_zarr(part, shapes, plan.codec, tile, facts)
        elif is_dicom_folder(out):
            from tsva.slides.dicom_pyramid import write_dicom  # half a second, for few

            write_dicom(part, shapes, plan.codec, tile, facts, plan.digest)
        else:
            write_pyramid(part, shapes, plan.codec, tile, facts, stored)
