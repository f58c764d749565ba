"""tsva refocus: a method on a test data set, at every offset, scored."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from tqdm import tqdm

from tsva.cli.common import fresh_folder, settings_option
from tsva.errors import UserError
from tsva.io import read_table, write_table
from tsva.pair import Pair
from tsva.settings.optics import OpticsSettings
from tsva.settings.pairs import PairsSettings
from tsva.settings.refocus import RefocusSettings

if TYPE_CHECKING:
    from tsva.networks.checkpoint import Checkpoint
    from tsva.refocus import Method

log = logging.getLogger(__name__)
COLUMNS = ["patch", "slide", "sample", "n_um", "protocol", "draw", "target", "psnr_db", "ssim", "identical", "seconds"]


@click.command()
@click.option("--method", required=True, help="y1 (the sharper shot, untouched), or the network in the checkpoint.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="model.ckpt of the train stage; y1 needs none.")
@settings_option(RefocusSettings)
@settings_option(PairsSettings, "pairs")
@settings_option(OpticsSettings, "optics")
@click.option("--table", type=click.Path(path_type=Path), required=True, help="pairs/<dataset>.tsv")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that its paths start from.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for restored.npy and scores.tsv.")
def command(
    method: str, checkpoint: Path | None, settings: RefocusSettings, pairs: PairsSettings, optics: OpticsSettings,
    table: Path, results: Path, threads: int, out: Path,
) -> None:  # fmt: skip
    """Restore every test patch at all offsets of the grid and at its continuous ones, and score it."""
    import torch

    from tsva.refocus import grid_pairs, run

    torch.set_num_threads(threads)
    rows = read_table(table)
    if rows.empty:
        raise UserError(str(table), got="no patches", wanted="at least one", do="Add slides of this role to the sheet.")
    restore = _method(method, checkpoint, settings, pairs, rows, table)
    arrays = {name: np.load(results / name, mmap_mode="r") for name in sorted(set(rows["array"]))}
    shape = (len(rows), len(pairs.offsets_um), *next(iter(arrays.values())).shape[2:])
    tables: list[pd.DataFrame] = []
    with fresh_folder(out) as folder:
        open_memmap(folder / "restored.npy", mode="w+", dtype=np.uint8, shape=shape).flush()
        for patch, row in enumerate(tqdm(rows.to_dict("records"), desc=f"refocus {method}", disable=None)):
            stack = np.asarray(arrays[row["array"]][row["index"]])
            targets, continuous = _truth(results / row["array"], row, stack, pairs, optics)
            restored, scores = run(restore, grid_pairs(stack, pairs, optics), targets)
            # opened for each patch, so that written pages don't count as this process's memory
            open_memmap(folder / "restored.npy", mode="r+")[patch] = restored
            tables.append(scores.assign(protocol="grid", draw=pd.Series(dtype="Int64"), **_of(patch, row)))
            if continuous:
                _, scores = run(restore, continuous, targets)
                draw = scores["pair"].astype("Int64")
                tables.append(scores.assign(protocol="continuous", draw=draw, **_of(patch, row)))
        scores = pd.concat(tables, ignore_index=True)[COLUMNS]
        write_table(folder / "scores.tsv", scores)
    log.info("%s: %d patches, %.3f s a pair", method, len(rows), scores["seconds"].mean())


def _of(patch: int, row: dict) -> dict[str, str | int]:
    return {"patch": patch, "slide": row["slide"], "sample": row["sample"]}


def _method(
    name: str, path: Path | None, settings: RefocusSettings, pairs: PairsSettings, rows: pd.DataFrame, table: Path
) -> Method:
    from tsva.networks.checkpoint import load
    from tsva.refocus import as_captured, with_network

    if name == "y1":
        return as_captured
    if path is None:
        raise UserError("--checkpoint", got="nothing", wanted=f"the trained network {name}", do="Give its model.ckpt.")
    checkpoint = load(path)
    if checkpoint.network != name:
        raise UserError(
            str(path), got=f"the network {checkpoint.network}", wanted=name, do="Give the checkpoint of this method."
        )
    for pixel_um, channels in set(zip(rows["pixel_um"], rows["channels"], strict=True)):
        check_fits(checkpoint, path, str(table), float(pixel_um), int(channels), pairs.delta_um)
    return with_network(checkpoint.restored_network(), settings)


def check_fits(checkpoint: Checkpoint, path: Path, where: str, pixel_um: float, channels: int, delta_um: float) -> None:
    """Refuse images that a network was not trained for: it knows blur in pixels, colours, and one distance of shots.

    Raises
    ------
    UserError
        Names what differs.
    """
    kinds = {1: "grey (1 channel)", 3: "colour (3 channels)"}
    differences = []
    if checkpoint.channels != channels:
        differences.append((kinds[channels], kinds[checkpoint.channels]))
    if abs(checkpoint.pixel_um / pixel_um - 1) > 0.02:
        differences.append((f"pixels of {pixel_um:g} µm", f"pixels of {checkpoint.pixel_um:g} µm"))
    if abs(checkpoint.delta_um - delta_um) > 1e-6:
        differences.append((f"shots at ∓{delta_um:g} µm", f"shots at ∓{checkpoint.delta_um:g} µm"))
    for got, wanted in differences:
        raise UserError(
            where,
            got=got,
            wanted=f"{wanted}, as {path} was trained on",
            do="Give a checkpoint that was trained on such images.",
        )


def _truth(
    array: Path, row: dict, stack: np.ndarray, pairs: PairsSettings, optics: OpticsSettings
) -> tuple[dict[str, np.ndarray], list[Pair]]:
    """A patch's targets by name, and its pairs at continuous offsets, where the slide has them."""
    targets = {"captured": stack[pairs.reach_planes]}
    if row["has_clean"]:
        targets["clean"] = np.asarray(np.load(array.with_name("clean.npy"), mmap_mode="r")[row["index"]])
    if not row["draws"]:
        return targets, []
    offsets = read_table(array.with_name("continuous.tsv"))
    n_um = offsets[offsets["index"] == row["index"]].sort_values("draw")["n_um"]
    shots = np.asarray(np.load(array.with_name("continuous.npy"), mmap_mode="r")[row["index"]][: row["draws"]])
    both = zip(shots, n_um, strict=True)
    return targets, [Pair(low, high, pairs.delta_um, optics, float(n)) for (low, high), n in both]
