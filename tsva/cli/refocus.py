"""tsva refocus: a method of any kind on a test data set, scored."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.restoration.datasets import read_patches, read_patches_table, sample_pairs
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.methods import METHODS, MethodsSettings
from tsva.settings.restoration import BaselineSettings, RefocusSettings
from tsva.stage_files import SCORES_ORDER, Rows, read_array, read_arrays, read_table, write_table

if TYPE_CHECKING:
    from tsva.restoration.contract import Method

log = logging.getLogger(__name__)


@click.command()
@click.option("--method", "name", type=click.Choice(list(METHODS)), required=True)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="model.ckpt of the train stage, for a network.")
@click.option("--signal", type=click.Path(path_type=Path), help="spectrum/signal.tsv, for methods without training.")
@click.option("--shots", type=click.Path(path_type=Path), help="spectrum/shots.npz, for methods that learn from it.")
@settings_option(
    settings=RefocusSettings,
    baselines=BaselineSettings,
    methods=MethodsSettings,
    pairs=PairsSettings,
    optics=OpticsSettings,
    true_optics=dict[str, OpticsSettings],
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of a slow method's sample.")
@click.option("--batch", type=click.IntRange(min=0), default=0, show_default=True, help="Which of the batches this is.")
@click.option("--batches", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--table", type=click.Path(path_type=Path), required=True, help="pairs/<dataset>.tsv")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that its paths start from.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for restored.npy and scores.tsv.")
def command(
    name: str,
    checkpoint: Path | None,
    signal: Path | None,
    shots: Path | None,
    settings: RefocusSettings,
    baselines: BaselineSettings,
    methods: MethodsSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    true_optics: dict[str, OpticsSettings],
    seed: int,
    batch: int,
    batches: int,
    table: Path,
    results: Path,
    threads: int,
    out: Path,
) -> None:
    """Restore the patches of a test data set at all offsets of the grid and at their continuous ones, and score them.

    A slow method restores a sample, at the grid's offsets; the one that is given shots without noise restores the
    continuous ones alone. With --batches, a part of the pairs is restored, and
    tsva gather puts the parts together; pairs that are not restored are holes in restored.npy.
    """
    from tsva.evaluation.scoring import SCORES, named, run

    rows, entry = read_patches_table(table, share_draws=pairs.share_draws), METHODS[name]
    method = (
        _network(name, checkpoint, settings, pairs, rows, table, threads)
        if entry.trained
        else _baseline(name, baselines, signal, shots)
    )
    wanted = np.ones((len(rows), len(pairs.offsets_um)), dtype=bool)
    if name in methods.slow:
        wanted = sample_pairs(rows["slide"].tolist(), len(pairs.offsets_um), methods.sample_per_offset, seed)
    if entry.noise_free:
        wanted[:] = False  # planes of the grid are known with their noise alone
    # every batch has pairs of all slides and offsets, so that batches take about the same time
    wanted &= (np.cumsum(wanted.ravel()) % batches == batch).reshape(wanted.shape)
    nominal = dict.fromkeys(rows["slide"], optics)
    known = (
        nominal | {slide: true_optics[slide] for slide in nominal.keys() & true_optics}
        if entry.true_optics
        else nominal
    )
    some = rows if entry.noise_free else rows.iloc[np.flatnonzero(wanted.any(axis=1))]
    tables = [pd.DataFrame(columns=SCORES)]
    with fresh_folder(out) as folder:
        shape = read_array(results / rows["array"].iloc[0]).shape[2:]
        restored = Rows(folder / "restored.npy", (*wanted.shape, *shape), axes=2)
        patches = read_patches(some, results, pairs, known, noise_free=entry.noise_free)
        for patch in tqdm(patches, f"refocus {name}", len(some), disable=None):
            chosen = np.flatnonzero(wanted[patch.number])
            chosen_pairs = [patch.grid[place] for place in chosen]
            if chosen_pairs:
                images, scores = run(method, chosen_pairs, patch.targets, shifted=entry.scored_shifted)
                restored.write(patch.number * wanted.shape[1] + chosen, images)
                tables.append(named(scores, patch.number, patch.row, "grid"))
            if patch.continuous and name not in methods.slow and batch == patch.number % batches:
                scores = run(method, patch.continuous, patch.targets, shifted=entry.scored_shifted)[1]
                scores = scores.assign(pair=np.array(patch.draws)[scores["pair"]])
                tables.append(named(scores, patch.number, patch.row, "continuous"))
        if batches > 1:
            np.save(folder / "wanted.npy", wanted)
        scores = pd.concat(tables[1:] or tables, ignore_index=True)
        write_table(folder / "scores.tsv", scores.sort_values(SCORES_ORDER, kind="stable"))
    failed = (scores.loc[scores["target"] == "captured", "failure"] != "").sum()
    log.info("%s: %d pairs, %d failed, %.3f s a pair", name, wanted.sum(), failed, scores["seconds"].mean())


def _baseline(name: str, settings: BaselineSettings, signal: Path | None, shots: Path | None) -> Method:
    from tsva.acquisition.shot_spectra import ShotSpectra
    from tsva.restoration.baselines.one_by_one import Known, baseline
    from tsva.restoration.baselines.plane import Signal

    spectra = Signal.of_table(read_table(signal)) if signal else None
    return baseline(name, Known(settings, spectra, ShotSpectra.of_arrays(read_arrays(shots)) if shots else None))


def _network(
    name: str,
    path: Path | None,
    settings: RefocusSettings,
    pairs: PairsSettings,
    rows: pd.DataFrame,
    table: Path,
    threads: int,
) -> Method:
    import torch

    from tsva.restoration.checkpoint import load
    from tsva.restoration.pair_network import SharperShotNetwork
    from tsva.restoration.refocus import NetworkMethod
    from tsva.restoration.runtime import runtime_of

    torch.set_num_threads(threads)
    if path is None:
        raise UserError("--checkpoint", got="nothing", wanted=f"the trained network {name}", do="Give its model.ckpt.")
    checkpoint = load(path)
    if checkpoint.network != name:
        raise UserError(
            str(path), got=f"the network {checkpoint.network}", wanted=name, do="Give the checkpoint of this method."
        )
    for pixel_um, channels in set(zip(rows["pixel_um"], rows["channels"], strict=True)):
        checkpoint.check_fits(path, str(table), float(pixel_um), int(channels), pairs.delta_um)
    network, runtime = checkpoint.restored_network(), None
    if isinstance(network, SharperShotNetwork):
        runtime = runtime_of(network, int(rows["channels"].iloc[0]), threads)
        log.info("%s runs the network", runtime.name)
    return NetworkMethod(network, settings, runtime=runtime)
