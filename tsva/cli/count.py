"""tsva count: nuclei in a data set's restored patches, and in the same patches in focus."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import pandas as pd
from tqdm import tqdm

from tsva.cli.common import settings_option
from tsva.evaluation.counting.table import count_patch, count_table
from tsva.evaluation.counting.truth import TrueNuclei, nuclei_near
from tsva.settings.count import CountSettings
from tsva.storage.arrays import read_array
from tsva.storage.atomic import fresh_file
from tsva.storage.tables import read_table, write_table

log = logging.getLogger(__name__)
CHUNK = 4
"""Patches that a process takes at a time: a few seconds' work."""


@click.command()
@settings_option(settings=CountSettings)
@click.option("--table", type=click.Path(path_type=Path), required=True, help="The data set's patches.")
@click.option(
    "--refocus", type=click.Path(path_type=Path), required=True, help="A method's folder of restored patches."
)
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that tables' paths start from.")
@click.option("--threads", type=click.IntRange(min=1), default=1, help="Processes.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def command(settings: CountSettings, table: Path, refocus: Path, results: Path, threads: int, out: Path) -> None:
    """Count nuclei as ImageJ does and by their stain, restored and in focus, at every offset."""
    patches = read_table(table)
    scores = read_table(refocus / "scores.tsv")
    restored_at = _restored_at(scores)
    counted = _counted(patches.loc[list(restored_at)], restored_at, refocus, results, settings, threads)
    with fresh_file(out) as path:
        write_table(path, count_table(patches, restored_at, counted))
    log.info("%s: %d patches at %d offsets in all", out, len(counted), sum(map(len, restored_at.values())))


def _restored_at(scores: pd.DataFrame) -> dict[int, list[float]]:
    """Offsets at which each patch was restored: all of the grid, or those of a slow method's sample."""
    grid = scores[scores["protocol"] == "grid"]
    found: dict[int, set[float]] = {}
    for patch, focal_offset_um in zip(grid["patch"].tolist(), grid["focal_offset_um"].tolist(), strict=True):
        found.setdefault(patch, set()).add(focal_offset_um)
    return {patch: sorted(found[patch]) for patch in sorted(found)}


def _counted(
    patches: pd.DataFrame,
    restored_at: dict[int, list[float]],
    refocus: Path,
    results: Path,
    settings: CountSettings,
    threads: int,
) -> list[pd.DataFrame]:
    """Counts of all patches."""
    chunks = [patches.iloc[start : start + CHUNK] for start in range(0, len(patches), CHUNK)]
    # a sample, too, has some patch at every offset
    offsets_um = sorted({n for found in restored_at.values() for n in found})
    places = {patch: [offsets_um.index(n) for n in found] for patch, found in restored_at.items()}
    work = partial(_count_chunk, places=places, restored=refocus / "restored.npy", results=results, settings=settings)
    done = tqdm(_in_order(work, chunks, threads), total=len(chunks), desc="count", disable=None)
    return [table for part in done for table in part]


def _in_order(work: partial, chunks: list[pd.DataFrame], threads: int) -> Iterator[list[pd.DataFrame]]:
    if threads == 1 or len(chunks) < 2:
        yield from map(work, chunks)
        return
    with ProcessPoolExecutor(threads, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, chunks)


def _count_chunk(
    patches: pd.DataFrame, places: dict[int, list[int]], restored: Path, results: Path, settings: CountSettings
) -> list[pd.DataFrame]:
    """Count some patches; each process maps the arrays for itself."""
    images = read_array(restored)
    arrays = {name: read_array(results / name) for name in patches["array"].unique()}
    found = []
    for patch, row in zip(patches.index.tolist(), patches.to_dict("records"), strict=True):
        array = arrays[row["array"]]
        target = array[int(row["index"]), array.shape[1] // 2]
        truth = _true_nuclei(row, array.shape[2], results)
        found.append(count_patch(images[patch][places[patch]], target, settings, float(row["pixel_um"]), truth))
    return found


def _true_nuclei(row: dict, patch_px: int, results: Path) -> TrueNuclei | None:
    """True nuclei of a patch; None where the tissue isn't a digital one."""
    path = results / "simulate" / str(row["slide"]) / "truth" / f"{row['field']}_nuclei.tsv"
    if not path.exists():
        return None
    return nuclei_near(read_table(path), int(row["y_px"]), int(row["x_px"]), patch_px, float(row["pixel_um"]))
