"""tsva baseline: a method without training on a test data set, a batch of its pairs at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from tsva.acquisition.pair import Pair
from tsva.acquisition.sample import sample_pairs
from tsva.acquisition.stack import eight_bits
from tsva.cli.common import settings_option
from tsva.cli.patches import SCORES, Patch, read_patches, read_patches_table
from tsva.evaluation.metrics import best_shift_psnr_db
from tsva.evaluation.scoring import score_table
from tsva.restoration.baselines.registry import SCORED_SHIFTED, TRUE_OPTICS, Told, method_named
from tsva.restoration.baselines.restored import Restored
from tsva.restoration.baselines.spectra import Signal
from tsva.settings.baselines import BaselineSettings
from tsva.settings.methods import BASELINES, BaselineName, MethodsSettings
from tsva.settings.optics import OpticsSettings
from tsva.settings.pairs import PairsSettings
from tsva.storage.arrays import read_array
from tsva.storage.atomic import fresh_folder
from tsva.storage.tables import read_table, write_table

log = logging.getLogger(__name__)


@click.command()
@click.option("--method", "name", type=click.Choice(BASELINES), required=True)
@settings_option(
    settings=BaselineSettings,
    methods=MethodsSettings,
    pairs=PairsSettings,
    optics=OpticsSettings,
    true_optics=dict[str, OpticsSettings],
)
@click.option("--signal", type=click.Path(path_type=Path), required=True, help="spectrum/signal.tsv")
@click.option("--seed", type=int, required=True, help="Of a slow method's sample.")
@click.option("--batch", type=click.IntRange(min=0), required=True, help="Which of the batches this is.")
@click.option("--batches", type=click.IntRange(min=1), required=True)
@click.option("--table", type=click.Path(path_type=Path), required=True, help="pairs/<dataset>.tsv")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that its paths start from.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for restored.npy and scores.tsv.")
def command(
    name: BaselineName,
    settings: BaselineSettings,
    methods: MethodsSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    true_optics: dict[str, OpticsSettings],
    signal: Path,
    seed: int,
    batch: int,
    batches: int,
    table: Path,
    results: Path,
    out: Path,
) -> None:
    """Restore and score a batch of a test data set's pairs."""
    rows = read_patches_table(table)
    method = method_named(name, Told(settings, Signal.of_table(read_table(signal))))
    slow = name in methods.slow
    wanted = np.ones((len(rows), len(pairs.offsets_um)), dtype=bool)
    if slow:
        wanted = sample_pairs(rows["slide"].tolist(), len(pairs.offsets_um), methods.sample_per_offset, seed)
    # every batch has pairs of all slides and offsets, so that batches take about the same time
    wanted &= (np.cumsum(wanted.ravel()) % batches == batch).reshape(wanted.shape)
    told = {slide: true_optics.get(slide, optics) for slide in set(rows["slide"])} if name in TRUE_OPTICS else optics
    some = rows.iloc[np.flatnonzero(wanted.any(axis=1))]
    images: list[np.ndarray] = []
    tables = [pd.DataFrame(columns=SCORES)]
    for patch in tqdm(read_patches(some, results, pairs, told), f"baseline {name}", len(some), disable=None):
        chosen = np.flatnonzero(wanted[patch.number])
        restored, scores = _run(name, method, [patch.grid[place] for place in chosen], patch)
        images += restored
        tables.append(patch.named(scores, "grid"))
        if patch.continuous and not slow and batch == patch.number % batches:
            tables.append(patch.named(_run(name, method, patch.continuous, patch)[1], "continuous"))
    scores = pd.concat(tables[1:] or tables, ignore_index=True)
    with fresh_folder(out) as folder:
        shape = read_array(results / rows["array"].iloc[0]).shape[2:]
        np.save(folder / "restored.npy", np.array(images, dtype=np.uint8).reshape(-1, *shape))
        np.save(folder / "wanted.npy", wanted)
        write_table(folder / "scores.tsv", scores)
    failed = (scores.loc[scores["target"] == "captured", "failure"] != "").sum()
    log.info("%s: %d pairs, %d failed, %.3f s a pair", name, len(images), failed, scores["seconds"].mean())


def _run(
    name: str, method: Callable[[Pair], Restored], pairs: list[Pair], patch: Patch
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Restore pairs one by one, and score them."""
    began = time.perf_counter()
    found = [method(pair) for pair in pairs]
    seconds = (time.perf_counter() - began) / len(pairs)
    images = [eight_bits(one.image) for one in found]
    facts: dict[str, Sequence[float | str | None]] = {
        "estimated_focal_offset_um": [one.focal_offset_um for one in found],
        "estimated_focal_offset_sd_um": [one.focal_offset_sd_um for one in found],
        "psnr_shifted_db": [_shifted(name, one, patch) for one in found],
        "failure": [one.failure for one in found],
    }
    return images, score_table(
        np.stack(images), patch.targets, [pair.focal_offset_um for pair in pairs], seconds, facts
    )


def _shifted(name: str, restored: Restored, patch: Patch) -> float | None:
    """PSNR at the best whole-pixel shift: blind methods leave the kernel's centre undetermined."""
    if name not in SCORED_SHIFTED:
        return None
    return best_shift_psnr_db(eight_bits(restored.image), patch.targets["captured"])
