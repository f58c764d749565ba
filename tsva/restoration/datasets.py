"""Test data sets: each patch's stack, its pairs and what they should become, and which of them slow methods restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from tsva.acquisition.draws import rng
from tsva.acquisition.pair import Pair, grid_pairs
from tsva.errors import UserError
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.stage_files import read_array, read_table


@dataclass(frozen=True)
class Patch:
    """A test patch.

    Attributes
    ----------
    number : int
        Row of the data set's table.
    row : mapping
        That row.
    grid : list of Pair
        At every offset of the grid.
    continuous : list of Pair
        At offsets between the planes; none where the slide has no such shots.
    draws : list of int
        Number of each of these among the field's.
    targets : dict of str to (Y, X, C) uint8 array
        By name: captured, clean.
    """

    number: int
    row: Mapping
    grid: list[Pair]
    continuous: list[Pair]
    draws: list[int]
    targets: dict[str, np.ndarray]


def read_patches_table(table: Path, *, share_draws: bool = False) -> pd.DataFrame:
    """The table of a test data set.

    Parameters
    ----------
    table : Path
    share_draws : bool
        As in the settings' section pairs.

    Returns
    -------
    DataFrame
        With two columns more: of a patch's pairs at continuous offsets, in the order of these, every `draw_step`th is
        used from the `draw_first`th on.

    Raises
    ------
    UserError
        If it has no rows.
    """
    rows = read_table(table)
    if rows.empty:
        raise UserError(str(table), got="no patches", wanted="at least one", do="Add slides of this role to the sheet.")
    if not share_draws:
        return rows.assign(draw_first=0, draw_step=1)
    fields = rows.groupby(["slide", "field"], sort=False)["draws"]
    return rows.assign(draw_first=fields.cumcount(), draw_step=fields.transform("size"))


def read_patches(
    rows: pd.DataFrame,
    results: Path,
    pairs: PairsSettings,
    optics: Mapping[str, OpticsSettings],
    *,
    noise_free: bool = False,
) -> Iterator[Patch]:
    """A data set's patches, one at a time, behind memory maps.

    Parameters
    ----------
    rows : DataFrame
        Of `read_patches_table`, or some of its rows (the index is the patch's number).
    results : Path
        Folder that the table's paths start from.
    pairs : PairsSettings
    optics : mapping of str to OpticsSettings
        What methods are given, by slide.
    noise_free : bool
        Whether the continuous pairs come with their shots without noise.
    """
    arrays = {name: read_array(results / name) for name in sorted(set(rows["array"]))}
    offsets = cache(read_table)  # a slide's, not a patch's
    for number, row in zip(rows.index.tolist(), rows.to_dict("records"), strict=True):
        stack = np.asarray(arrays[row["array"]][row["index"]])
        given = optics[row["slide"]]
        array = results / row["array"]
        drawn = _drawn(array, row, stack, pairs, given, offsets)
        if noise_free and drawn:
            clean = read_array(array.with_name("continuous_clean.npy"))[row["index"]]
            drawn = {
                draw: replace(pair, noise_free=(np.asarray(clean[draw, 0]), np.asarray(clean[draw, 1])))
                for draw, pair in drawn.items()
            }
        grid = grid_pairs(stack, pairs, given, float(row["target_offset_um"]))
        yield Patch(number, row, grid, list(drawn.values()), list(drawn), _targets(array, row, stack, pairs))


def _targets(array: Path, row: Mapping, stack: np.ndarray, pairs: PairsSettings) -> dict[str, np.ndarray]:
    targets = {"captured": stack[pairs.reach_planes]}
    if row["has_clean"]:
        targets["clean"] = np.asarray(read_array(array.with_name("clean.npy"))[row["index"]])
    return targets


def _drawn(
    array: Path,
    row: Mapping,
    stack: np.ndarray,
    pairs: PairsSettings,
    optics: OpticsSettings,
    read: Callable[[Path], pd.DataFrame],
) -> dict[int, Pair]:
    """A patch's pairs at continuous offsets, by their number in the arrays."""
    if not row["draws"]:
        return {}
    offsets = read(array.with_name("continuous.tsv"))
    of_patch = offsets[offsets["index"] == row["index"]].set_index("draw")["focal_offset_um"].sort_values()
    of_patch = of_patch.iloc[int(row["draw_first"]) :: int(row["draw_step"])].sort_index()
    shots = read_array(array.with_name("continuous.npy"))[row["index"]]
    means = stack[pairs.reach_planes].mean(axis=(0, 1))
    within_um = pairs.z_step_um / 2
    found = {}
    for draw, n in of_patch.items():
        low, high = (np.asarray(shot) for shot in shots[draw])
        found[int(draw)] = Pair(low, high, pairs.delta_um, optics, float(n), within_um, means)
    return found


def sample_pairs(slides: Sequence[str], offsets: int, per_offset: int, seed: int) -> np.ndarray:
    """Choose patches for every offset, from as many slides as there are.

    Parameters
    ----------
    slides : sequence of N str
        Slide of each patch.
    offsets : int
        How many offsets there are.
    per_offset : int
        Patches at each of them; all if there are fewer.
    seed : int

    Returns
    -------
    (N, offsets) bool array
        True where a patch is restored at an offset. Every slide has its turn before any has a second one; the turn goes
        on from offset to offset, so that all slides are seen. The same for every method, so that slow methods are
        compared on the same pairs.
    """
    names = sorted(set(slides))
    where = {name: [i for i, slide in enumerate(slides) if slide == name] for name in names}
    order = [str(name) for name in rng(seed, "sample", "slides").permutation(names)]
    chosen = np.zeros((len(slides), offsets), dtype=bool)
    turn = 0
    for offset in range(offsets):
        left = {name: list(rng(seed, "sample", name, offset).permutation(where[name])) for name in names}
        for _ in range(min(per_offset, len(slides))):
            while not left[order[turn % len(order)]]:
                turn += 1
            chosen[left[order[turn % len(order)]].pop(), offset] = True
            turn += 1
    return chosen
