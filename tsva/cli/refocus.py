"""tsva refocus: a method on a test data set, at every offset, scored."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pandas as pd
from tqdm import tqdm

from tsva.cli.common import settings_option
from tsva.cli.patches import read_patches, read_patches_table
from tsva.errors import UserError
from tsva.settings.optics import OpticsSettings
from tsva.settings.pairs import PairsSettings
from tsva.settings.refocus import RefocusSettings
from tsva.storage.atomic import fresh_folder
from tsva.storage.rows import Rows
from tsva.storage.tables import write_table

if TYPE_CHECKING:
    from tsva.restoration.networks.checkpoint import Checkpoint
    from tsva.restoration.refocus import Method

log = logging.getLogger(__name__)


@click.command()
@click.option("--method", required=True, help="y1 (the sharper shot, untouched), or the network in the checkpoint.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="model.ckpt of the train stage; y1 needs none.")
@settings_option(settings=RefocusSettings, pairs=PairsSettings, optics=OpticsSettings)
@click.option("--table", type=click.Path(path_type=Path), required=True, help="pairs/<dataset>.tsv")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that its paths start from.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for restored.npy and scores.tsv.")
def command(
    method: str,
    checkpoint: Path | None,
    settings: RefocusSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    table: Path,
    results: Path,
    threads: int,
    out: Path,
) -> None:
    """Restore every test patch at all offsets of the grid and at its continuous ones, and score it."""
    import torch

    from tsva.evaluation.scoring import run

    torch.set_num_threads(threads)
    rows = read_patches_table(table)
    restore = _method(method, checkpoint, settings, pairs, rows, table)
    tables: list[pd.DataFrame] = []
    with fresh_folder(out) as folder:
        array: Rows | None = None
        for patch in tqdm(read_patches(rows, results, pairs, optics), f"refocus {method}", len(rows), disable=None):
            restored, scores = run(restore, patch.grid, patch.targets)
            array = array or Rows(folder / "restored.npy", (len(rows), *restored.shape))
            array.write([patch.number], restored[None])
            tables.append(patch.named(scores, "grid"))
            if patch.continuous:
                tables.append(patch.named(run(restore, patch.continuous, patch.targets)[1], "continuous"))
        scores = pd.concat(tables, ignore_index=True)
        write_table(folder / "scores.tsv", scores)
    log.info("%s: %d patches, %.3f s a pair", method, len(rows), scores["seconds"].mean())


def _method(
    name: str, path: Path | None, settings: RefocusSettings, pairs: PairsSettings, rows: pd.DataFrame, table: Path
) -> Method:
    from tsva.restoration.networks.checkpoint import load
    from tsva.restoration.refocus import as_captured, with_network

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
