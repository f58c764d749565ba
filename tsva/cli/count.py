"""tsva count: nuclei in a data set's restored patches, and in the same patches in focus."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from tsva.cli.common import fresh_file, settings_option
from tsva.count.table import count_patch, count_table, nuclei_inside
from tsva.io.tables import read_table, write_table
from tsva.settings.count import CountSettings

log = logging.getLogger(__name__)
CHUNK = 8
"""Patches that a process takes at a time: about a tenth of a second's work."""


@click.command()
@settings_option(CountSettings)
@click.option("--table", type=click.Path(path_type=Path), required=True, help="The data set's patches.")
@click.option(
    "--refocus", type=click.Path(path_type=Path), required=True, help="A method's folder of restored patches."
)
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that tables' paths start from.")
@click.option("--threads", type=click.IntRange(min=1), default=1, help="Processes.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def command(settings: CountSettings, table: Path, refocus: Path, results: Path, threads: int, out: Path) -> None:
    """Count nuclei as ImageJ does, restored and in focus, at every offset."""
    patches = read_table(table)
    scores = read_table(refocus / "scores.tsv")
    offsets_um = sorted(scores.loc[scores["protocol"] == "grid", "n_um"].unique().tolist())
    counts, areas_px = _counted(patches, len(offsets_um), refocus / "restored.npy", results, settings, threads)
    with fresh_file(out) as path:
        write_table(path, count_table(patches, offsets_um, counts, areas_px, _true_nuclei(patches, results)))
    log.info("%s: %d patches at %d offsets", out, len(patches), len(offsets_um))


def _counted(
    patches: pd.DataFrame, offsets: int, restored: Path, results: Path, settings: CountSettings, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts and areas of all patches, (patch, offset + 1) each."""
    chunks = [patches.iloc[start : start + CHUNK] for start in range(0, len(patches), CHUNK)]
    work = partial(_count_chunk, restored=restored, results=results, settings=settings)
    done = list(tqdm(_in_order(work, chunks, threads), total=len(chunks), desc="count", disable=None))
    if not done:
        return np.zeros((0, offsets + 1), int), np.zeros((0, offsets + 1), int)
    counts, areas_px = (np.concatenate(part) for part in zip(*done, strict=True))
    return counts, areas_px


def _in_order(work: partial, chunks: list[pd.DataFrame], threads: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if threads == 1 or len(chunks) < 2:
        yield from map(work, chunks)
        return
    with ProcessPoolExecutor(threads, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, chunks)


def _count_chunk(
    patches: pd.DataFrame, restored: Path, results: Path, settings: CountSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Count some patches; each process maps the arrays for itself."""
    images = np.load(restored, mmap_mode="r")
    arrays = {name: np.load(results / name, mmap_mode="r") for name in patches["array"].unique()}
    found = []
    for patch, row in patches.iterrows():
        array = arrays[row["array"]]
        target = array[int(row["index"]), array.shape[1] // 2]
        found.append(count_patch(images[patch], target, settings, float(row["pixel_um"])))
    return np.array([counts for counts, _ in found]), np.array([areas for _, areas in found])


def _true_nuclei(patches: pd.DataFrame, results: Path) -> list[int | None]:
    """True nuclei of each patch; None where the tissue isn't a digital one."""
    found: dict[object, int] = {}
    for (slide, field), rows in patches.groupby(["slide", "field"]):
        path = results / "simulate" / str(slide) / "truth" / f"{field}_nuclei.tsv"
        if not path.exists():
            continue
        nuclei, patch_px = read_table(path), _patch_px(rows, results)
        for patch, row in rows.iterrows():
            found[patch] = nuclei_inside(nuclei, int(row["y_px"]), int(row["x_px"]), patch_px)
    return [found.get(patch) for patch in patches.index]


def _patch_px(rows: pd.DataFrame, results: Path) -> int:
    array = np.load(results / str(rows["array"].iloc[0]), mmap_mode="r")
    return int(array.shape[2])
