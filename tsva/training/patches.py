"""Training patches: read by the table of pairs, and left where they are, on disk behind memory maps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from tsva.errors import UserError
from tsva.restoration.colours import Colours, block_levels
from tsva.settings.acquisition import PairsSettings
from tsva.stage_files import read_array, read_table
from tsva.training.between_planes import camera_noise, shot_between

WHOLE = (slice(None), slice(None))
COLOUR_PATCHES = 100
"""Of each slide, at most so many patches define its colours."""


@dataclass(frozen=True)
class Truth:
    """What a simulated slide knows of its patches beside their stacks.

    Attributes
    ----------
    clean : (patch, Y, X, C) uint8 array
        In-focus images without noise.
    has_clean : (patch,) bool array
        Which patches have one.
    shots : (patch, draw, 2, Y, X, C) uint8 array
        Pairs taken at offsets between the planes.
    focal_offset_um : (patch, draw) float array
        Their offsets; NaN where there is no pair.
    """

    clean: np.ndarray
    has_clean: np.ndarray
    shots: np.ndarray
    focal_offset_um: np.ndarray


@dataclass(frozen=True)
class PatchStacks:
    """Stacks of patches of several slides.

    Attributes
    ----------
    arrays : tuple of (patch, Z, Y, X, C) uint8 arrays
        One a slide, usually memory maps; the middle plane is the target.
    array, index : (N,) int arrays
        Where patch i lies: ``arrays[array[i]][index[i]]``.
    focal_offset_um : (N,) float array
        The offset drawn for each patch.
    pairs : PairsSettings
        Says which planes are the shots.
    truths : tuple of Truth or None
        One an array, or none at all where slides are real.
    target_offset_um : (N,) float array, optional
        How far above its true focus each patch's target lies; 0 without.

    Raises
    ------
    ValueError
        If an array doesn't hold the planes that offsets can reach, or channel counts differ.
    """

    arrays: tuple[np.ndarray, ...]
    array: np.ndarray
    index: np.ndarray
    focal_offset_um: np.ndarray
    pairs: PairsSettings
    truths: tuple[Truth | None, ...] = ()
    target_offset_um: np.ndarray | None = None

    def __post_init__(self) -> None:
        planes = 2 * self.pairs.reach_planes + 1
        for array in self.arrays:
            if array.ndim != 5 or array.shape[1] != planes or array.dtype != np.uint8:
                raise ValueError(f"patches are {array.dtype} {array.shape}, not uint8 (patch, {planes}, Y, X, C)")
        if len({array.shape[4] for array in self.arrays}) != 1:
            raise ValueError("patches of one and of three channels are mixed, or there are none")
        of_patches = [self.array, self.index, self.focal_offset_um]
        of_patches += [] if self.target_offset_um is None else [self.target_offset_um]
        if len({len(each) for each in of_patches}) != 1:
            raise ValueError("array, index, focal_offset_um and target_offset_um differ in length")
        if self.truths and len(self.truths) != len(self.arrays):
            raise ValueError(f"{len(self.truths)} truths of {len(self.arrays)} arrays")

    def __len__(self) -> int:
        return len(self.index)

    @property
    def channels(self) -> int:
        """1 (grey) or 3."""
        return int(self.arrays[0].shape[4])

    def colours(self, stain_jitter: float) -> Colours | None:
        """Which colours a network sees that is trained on these; None of grey ones, and of too little tissue."""
        if self.channels != 3:
            return None
        chosen = [np.sort(self.index[self.array == number]) for number in range(len(self.arrays))]
        spread = [
            own[np.unique(np.linspace(0, len(own) - 1, COLOUR_PATCHES).round().astype(int))]
            for own in chosen
            if len(own)
        ]
        arrays = [array for array, own in zip(self.arrays, chosen, strict=True) if len(own)]
        middle = self.pairs.reach_planes
        return Colours.of(
            (
                np.concatenate([block_levels(array[patch, middle]) for patch in own])
                for array, own in zip(arrays, spread, strict=True)
            ),
            stain_jitter,
        )

    def size_px(self, patch: int) -> tuple[int, int]:
        """Rows and columns of a patch."""
        height, width = self.arrays[self.array[patch]].shape[2:4]
        return height, width

    def clean(self, patch: int) -> np.ndarray | None:
        """The in-focus image without noise, (Y, X, C) uint8, where the patch has one."""
        truth = self._truth(patch)
        index = self.index[patch]
        return truth.clean[index] if truth is not None and truth.has_clean[index] else None

    def draws(self, patch: int) -> int:
        """Pairs of the patch that were taken between the planes; 0 where the slide is real."""
        truth = self._truth(patch)
        return 0 if truth is None else int(np.isfinite(truth.focal_offset_um[self.index[patch]]).sum())

    def drawn(self, patch: int, draw: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """One of these pairs.

        Returns
        -------
        low, high, target : (Y, X, C) uint8 arrays
        focal_offset_um : float
        """
        truth, index, clean = self._truth(patch), self.index[patch], self.clean(patch)
        assert truth is not None
        low, high = truth.shots[index, draw]
        target = self.arrays[self.array[patch]][index, self.pairs.reach_planes] if clean is None else clean
        return low, high, target, float(truth.focal_offset_um[index, draw])

    def _truth(self, patch: int) -> Truth | None:
        return self.truths[self.array[patch]] if self.truths else None

    def from_focus_um(self, patch: int, focal_offset_um: float) -> float:
        """An offset from a patch's target, as `views` takes it, counted from the patch's true focus."""
        return focal_offset_um + (0.0 if self.target_offset_um is None else float(self.target_offset_um[patch]))

    def views(self, patch: int, focal_offset_um: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Both shots and the target of a patch at an offset; nothing is read before the views are.

        Parameters
        ----------
        patch : int
            0 … N - 1.
        focal_offset_um : float
            Offset from the target, on the grid.

        Returns
        -------
        low, high, target : (Y, X, C) uint8 arrays
            The target has no noise where the slide is simulated.
        """
        stack, middle, clean = (
            self.arrays[self.array[patch]][self.index[patch]],
            self.pairs.reach_planes,
            self.clean(patch),
        )
        low, high = self.pairs.shot_planes(focal_offset_um)
        return stack[middle + low], stack[middle + high], stack[middle] if clean is None else clean

    def between(
        self, patch: int, focal_offset_um: float, random: np.random.Generator, where: tuple[slice, slice] = WHOLE
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same at any offset, the shots interpolated between planes, cut out of the patch at `where`.

        Parameters
        ----------
        patch : int
            0 … N - 1.
        focal_offset_um : float
            Offset from the target's plane, within ``pairs.offset_max_um``.
        random : Generator
            Draws the noise that interpolation has averaged away.
        where : tuple of slice
            Rows and columns.

        Returns
        -------
        low, high, target : (Y, X, C) uint8 arrays
        """
        array, reach = self.array[patch], self.pairs.reach_planes
        stack, noise, clean = self.arrays[array][self.index[patch]][:, *where], self.noise[array], self.clean(patch)
        planes = ((focal_offset_um + side * self.pairs.delta_um) / self.pairs.z_step_um for side in (-1, 1))
        low, high = (
            shot_between(stack, reach, plane, noise, random, with_middle=clean is not None) for plane in planes
        )
        return low, high, stack[reach] if clean is None else clean[where]

    @cached_property
    def noise(self) -> tuple[np.ndarray, ...]:
        """Noise of each array's camera: see `camera_noise`."""
        return tuple(camera_noise(array, self.pairs.reach_planes) for array in self.arrays)

    def subset(self, chosen: np.ndarray) -> PatchStacks:
        """The patches where `chosen`, an (N,) bool array, is true."""
        beside = None if self.target_offset_um is None else self.target_offset_um[chosen]
        return PatchStacks(
            self.arrays,
            self.array[chosen],
            self.index[chosen],
            self.focal_offset_um[chosen],
            self.pairs,
            self.truths,
            beside,
        )


def read_patches(
    rows: pd.DataFrame, table: Path, results: Path, pairs: PairsSettings, split: str, *, targets: str = "clean"
) -> PatchStacks:
    """The patches of one side of the split.

    Parameters
    ----------
    rows : DataFrame
        All rows of the table of training pairs.
    table : Path
        Where they are from, for messages.
    results : Path
        Folder that the table's paths start from.
    pairs : PairsSettings
    split : str
        ``training`` or ``verification``.
    targets : str
        ``clean``: images without noise, where there are any; ``captured``: the planes in focus.

    Raises
    ------
    UserError
        If there are none, or an array is missing or damaged.
    """
    rows = rows[rows["split"] == split]
    if rows.empty:
        raise UserError(
            str(table),
            got=f"no {split} patches",
            wanted="some of both training and verification",
            do="Add training slides of further patients, or set pairs.split_by to patch.",
        )
    names = sorted(set(rows["array"]))
    arrays = tuple(read_array(results / name) for name in names)
    rows = rows if targets == "clean" else rows.assign(has_clean=0)
    truths = tuple(read_truth(results / name, rows[rows["array"] == name]) for name in names)
    where = {name: number for number, name in enumerate(names)}
    return PatchStacks(
        arrays,
        rows["array"].map(where).to_numpy(dtype=int),
        rows["index"].to_numpy(dtype=int),
        rows["focal_offset_um"].to_numpy(dtype=float),
        pairs,
        truths,
        rows["target_offset_um"].to_numpy(dtype=float),
    )


def read_truth(patches: Path, rows: pd.DataFrame) -> Truth | None:
    """What a simulated slide knows of its patches, given its array and the table's rows of it; None of a real one."""
    if not (rows["has_clean"].any() or rows["draws"].any()):
        return None
    clean, shots = (read_array(patches.with_name(f"{name}.npy")) for name in ("clean", "continuous"))
    draws = read_table(patches.with_name("continuous.tsv"))
    has_clean, focal_offset_um = np.zeros(len(clean), bool), np.full((len(clean), int(rows["draws"].max())), np.nan)
    has_clean[rows["index"]] = rows["has_clean"] == 1
    focal_offset_um[draws["index"], draws["draw"]] = draws["focal_offset_um"]
    return Truth(clean, has_clean, shots, focal_offset_um)


def data_digest(rows: pd.DataFrame, results: Path) -> str:
    """SHA-256 of the table's rows and of the arrays that they name, read a piece at a time."""
    digest = hashlib.sha256(rows.to_csv(sep="\t", index=False).encode("utf-8"))
    for name, of_slide in rows.groupby("array", sort=True):
        array = results / str(name)
        truths = {"clean": of_slide["has_clean"].any(), "continuous": of_slide["draws"].any()}
        for part in (array, *(array.with_name(f"{kind}.npy") for kind, there in truths.items() if there)):
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
