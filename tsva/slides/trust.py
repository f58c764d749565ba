"""Which cells of a restored slide are to be believed; all others are copied from the shot nearer to focus."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from scipy.ndimage import distance_transform_cdt

from tsva.restoration.colours import FARTHEST, Colours
from tsva.slides.cell_spectra import chosen_cells
from tsva.slides.errors_expected import (
    error_of_mixture,
    expected_errors,
    expected_gain_db,
    features_of,
    reblurred,
    share_of_restoration,
)
from tsva.slides.focal_offsets import one_scene, scene_at
from tsva.slides.grid import CELL_PX
from tsva.slides.survey import Survey


class Verdict(IntEnum):
    """What is made of a cell; all but `RESTORED` are copied."""

    GLASS = 0
    """No tissue."""
    RESTORED = 1
    """The restoration is expected to be better than the shot, and nothing speaks against it."""
    DOUBTFUL = 2
    """It is expected to be better, or the focus is unknown, and something speaks against it."""
    COPIED_GOOD = 3
    """The nearer shot is expected to be as good."""
    COPIED_OUT_OF_RANGE = 4
    """Farther out of focus than the network was trained for."""
    MISREGISTERED = 5
    """Where the planes lie on one another is not known well enough."""


LEAST_GAIN_DB = 0.5
"""Restored cells are expected to be better by this. On development slides, each judged by a fit to slides of other
tissue, whole restorations then made 1.5 % of the cells worse by more than 0.5 dB (packaged network for slides), 0.6 %
(for pairs) and 4.2 % (TSVA of an embedded default); with 0.75 dB 0.9 %, 0.5 % and 2.7 % (benchmarks/slide_errors.py).
Mixed with copies (`errors_expected.CAUTION_DB`) fewer are."""
FADE_PX = 32
"""How far a restoration fades out within its cell. Over 16 pixels it gains 3 % more, and shows steps of 1.1 times their
surroundings in place of 1.05."""
FADE_AT_JUMP_PX = 8
"""The same beside a cell that a jump of the shift crosses, where a step is in the shots already."""
LARGEST_RESIDUAL = 2.5
"""Re-blurred, a result may differ from the shots by so many times what noise and model explain."""

FARTHEST_CELL = 4.0
"""Distance of a cell's own colours from the training's, in standard deviations, above which it is not believed; of the
slide's median cell, `tsva.restoration.colours.FARTHEST`."""


@dataclass(frozen=True)
class CellTrust:
    """Cells of a tile, judged.

    Attributes
    ----------
    row, column : int
        Of the first cell.
    verdict : (r, k) uint8 array
        Codes of `Verdict`.
    values : dict of str to (r, k) float32 arrays
        `expected_gain_db` (of restoring over copying), `expected_rmse` (of the restored cell), `copy_rmse`,
        `reblur_residual`, `restored_share`; NaN on glass.
    share : (r, k) float32 array
        How much of the restoration goes into the cell; 0 in copied ones.
    """

    row: int
    column: int
    verdict: np.ndarray
    share: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)


class Judge:
    """Judges the cells of restored tiles.

    Parameters
    ----------
    survey : Survey
    offset_max_um : float
        Largest focal offset that the network was trained for.
    colours : Colours, optional
        That it was trained on; where nobody knows them, the slide's are not asked for.

    Attributes
    ----------
    colour_distance : float
        Of the slide from the training's colours; NaN where it is not known.
    tells_features : bool
        Whether cells' values hold what errors are expected by, too: `errors_expected` is fitted to that.
    """

    tells_features = False

    def __init__(self, survey: Survey, offset_max_um: float, colours: Colours | None = None) -> None:
        self.survey, self.offset_max_um, self.colours = survey, offset_max_um, colours
        self._scene = one_scene(
            survey.optics, survey.delta_um, survey.channels, survey.thickness_um, survey.spherical_um
        )
        self.colour_distance, self._strange = float("nan"), np.zeros_like(survey.glass)
        if colours is not None:
            white = float(survey.white.max())
            self.colour_distance = colours.distance(survey.level[~survey.glass], white)
            self._strange = colours.distances(survey.level, white) > FARTHEST_CELL
        # NaN, without evidence, is no doubt
        self.slide_is_doubtful = survey.distance_seems_wrong or self.colour_distance > FARTHEST

    def __call__(
        self,
        low: np.ndarray,
        high: np.ndarray,
        restored: np.ndarray,
        expected_error: np.ndarray | None,
        y: int,
        x: int,
    ) -> CellTrust:
        """Judge the cells that lie wholly in a tile.

        Parameters
        ----------
        low, high : (Y, X, C) uint8 arrays
            Aligned shots.
        restored : (Y, X, C) float32 array
            In [0, 1].
        expected_error : (Y, X) float32 array or None
            The network's, where it has one.
        y, x : int
            Upper left corner of the tile on the slide.

        Returns
        -------
        CellTrust
            Of each cell by its own pixels alone.
        """
        survey = self.survey
        cells = survey.grid.within(y, x, *low.shape[:2])
        shape = tuple(part.stop - part.start for part in cells)
        if 0 in shape:
            return CellTrust(cells[0].start, cells[1].start, np.zeros(shape, np.uint8), np.zeros(shape, np.float32))
        tissue = ~survey.glass[cells]

        def of_tissue(image: np.ndarray) -> np.ndarray:
            return chosen_cells(_cut(image, cells, y, x), tissue)

        offset_um, near_high = (each[cells][tissue] for each in (survey.focal_offset_um, survey.high_is_nearer()))
        one, two, back = map(of_tissue, (low, high, restored))
        blurred = reblurred(one, two, back, survey.noise, near_high, scene_at(self._scene, offset_um))
        own = None
        if expected_error is not None:
            own = np.sqrt(np.square(of_tissue(expected_error[..., None])).mean(axis=(1, 2, 3)))
        features = features_of(
            own,
            survey.copy_rmse[cells][tissue],
            survey.linear_rmse[cells][tissue],
            blurred,
            offset_um,
            survey.focal_offset_sd_um[cells][tissue],
            survey.delta_um,
        )
        restoring, copying = expected_errors(features, blurred.difference, estimated=own is not None)
        gain_db = expected_gain_db(features)
        share = share_of_restoration(gain_db, copying, blurred.difference)
        found = {
            "expected_gain_db": gain_db,
            "expected_rmse": error_of_mixture(share, restoring, copying, blurred.difference),
            "restored_share": share,
            "copy_rmse": copying,
            "reblur_residual": blurred.residual,
        }
        if self.tells_features:
            found |= {f"feature_{name}": feature for name, feature in features.items()}
        values = {name: np.full(shape, np.nan, np.float32) for name in found}
        for name, value in found.items():
            values[name][tissue] = value
        verdict = self._verdicts(cells, values["expected_gain_db"], values["reblur_residual"])
        of_cell = np.where(verdict == Verdict.RESTORED, values["restored_share"], 0).astype(np.float32)
        return CellTrust(cells[0].start, cells[1].start, verdict, of_cell, values)

    def _verdicts(self, cells: tuple[slice, slice], gain_db: np.ndarray, residual: np.ndarray) -> np.ndarray:
        survey = self.survey
        size_um, sd_um = np.abs(survey.focal_offset_um[cells]), survey.focal_offset_sd_um[cells]
        better = gain_db >= LEAST_GAIN_DB
        # from the last rule to the first, so that the first one that applies stands
        verdict = np.where(better, Verdict.RESTORED, Verdict.COPIED_GOOD)
        verdict[better & (residual > LARGEST_RESIDUAL)] = Verdict.DOUBTFUL
        verdict[size_um + sd_um > self.offset_max_um] = Verdict.COPIED_OUT_OF_RANGE
        verdict[~survey.offset_known[cells] | self._strange[cells]] = Verdict.DOUBTFUL
        if self.slide_is_doubtful:
            verdict[:] = Verdict.DOUBTFUL
        verdict[survey.misregistered[cells]] = Verdict.MISREGISTERED
        verdict[survey.glass[cells]] = Verdict.GLASS
        return np.asarray(verdict, np.uint8)

    def weights(self, shares: np.ndarray, row: int, column: int) -> np.ndarray:
        """`weights`, of cells from (row, column) on."""
        misregistered = self.survey.misregistered
        rows, columns = (
            np.clip(np.arange(first - 1, first - 1 + count), 0, size - 1)
            for first, count, size in zip((row, column), shares.shape, misregistered.shape, strict=True)
        )
        return weights(shares, misregistered[np.ix_(rows, columns)])


def weights(shares: np.ndarray, misregistered: np.ndarray | None = None) -> np.ndarray:
    """How much of the restoration goes into each pixel; the rest is the nearer shot.

    Parameters
    ----------
    shares : (r + 2, k + 2) float array
        `CellTrust.share` of r by k cells and one more on each side (at the slide's edges, the outermost cells again).
    misregistered : (r + 2, k + 2) bool array, optional
        Cells across a jump of the shift: beside them restorations fade within `FADE_AT_JUMP_PX`.

    Returns
    -------
    (r * CELL_PX, k * CELL_PX) float32 array
        0 in cells that are not restored; in restored ones their share, falling to that of neighbours with less within
        `FADE_PX` of them: nothing that is not believed gets in.
    """
    if misregistered is not None and misregistered.any():
        inner = np.repeat(np.repeat(misregistered, CELL_PX, axis=0), CELL_PX, axis=1)
        away_px = distance_transform_cdt(~inner, "chessboard")[CELL_PX:-CELL_PX, CELL_PX:-CELL_PX]
        # such cells take no part in the fading of their neighbours
        return weights(np.where(misregistered, 1, shares)) * _ramp((away_px - 0.5) / FADE_AT_JUMP_PX)
    believed = shares.astype(np.float32)
    padded = np.pad(believed, 1, mode="edge")
    # a knot at each cell's middle, edge and corner: the least of the cells that it touches
    rows, columns = believed.shape
    corner = np.minimum.reduce([padded[i : i + rows + 1, j : j + columns + 1] for i in (0, 1) for j in (0, 1)])
    across = np.minimum(padded[:-1, 1:-1], padded[1:, 1:-1])
    along = np.minimum(padded[1:-1, :-1], padded[1:-1, 1:])
    knots = np.empty((2 * rows + 1, 2 * columns + 1), np.float32)
    knots[0::2, 0::2], knots[0::2, 1::2], knots[1::2, 0::2], knots[1::2, 1::2] = corner, across, along, believed
    knots = knots[2:-2, 2:-2]
    half = CELL_PX // 2
    ramp = _ramp((np.arange(half, dtype=np.float32) + 0.5) / FADE_PX)
    both = np.stack([ramp, 1 - ramp[::-1]])  # from a cell's edge to its middle, and from there to the other edge
    by_row, by_column = (both[np.arange(count - 1) % 2] for count in knots.shape)
    down = knots[:-1, None] * (1 - by_row[..., None]) + knots[1:, None] * by_row[..., None]
    down = down.reshape(-1, knots.shape[1])
    whole = down[:, :-1, None] * (1 - by_column) + down[:, 1:, None] * by_column
    return np.asarray(whole.reshape(len(down), -1), np.float32)


def _ramp(share: np.ndarray) -> np.ndarray:
    """A smooth way from 0 to 1."""
    within = np.clip(share, 0, 1).astype(np.float32)
    return within * within * (3 - 2 * within)


def _cut(image: np.ndarray, cells: tuple[slice, slice], y: int, x: int) -> np.ndarray:
    """The cells' pixels; cells that the slide's edge cuts are filled up by reflection."""
    first, stop = ([edge * CELL_PX for edge in (part.start, part.stop)] for part in cells)
    top, left = first[0] - y, stop[0] - x
    part = image[top : first[1] - y, left : stop[1] - x]
    missing = [(0, first[1] - first[0] - part.shape[0]), (0, stop[1] - stop[0] - part.shape[1])]
    return np.pad(part, (*missing, (0, 0)), mode="symmetric") if any(after for _, after in missing) else part
