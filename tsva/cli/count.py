"""tsva count: nuclei in a data set's restored patches, and in the same patches in focus."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import pandas as pd
from tqdm import tqdm

from tsva.atomic import fresh_file
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.evaluation.counting.stained_nuclei import TrueNuclei, nuclei_near
from tsva.evaluation.counting.table import count_patch, count_table
from tsva.settings.evaluation import CountSettings
from tsva.stage_files import read_array, read_table, write_table

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
    known = {slide: _nuclei_files(results, slide) for slide in patches.loc[patches["has_clean"] == 1, "slide"].unique()}
    found = []
    for patch, row in zip(patches.index.tolist(), patches.to_dict("records"), strict=True):
        array = arrays[row["array"]]
        target = array[int(row["index"]), array.shape[1] // 2]
        file = known.get(row["slide"], {}).get(row["field"])
        truth = None if file is None else _true_nuclei(file, row, array.shape[2])
        found.append(count_patch(images[patch][places[patch]], target, settings, float(row["pixel_um"]), truth))
    return found


def _nuclei_files(results: Path, slide: str) -> dict[str, Path]:
    """Tables of true nuclei by field of a simulated slide; sharp images of real slides have none."""
    folder = results / "simulate" / slide
    if not (folder / "fields.tsv").is_file():
        raise UserError(
            str(folder / "fields.tsv"),
            got="no such file",
            wanted=f"the table of the simulate stage, as slide {slide} is a simulated one (has_clean is 1)",
            do=f"Run that stage again: snakemake {folder / 'fields.tsv'}.",
        )
    fields = read_table(folder / "fields.tsv")
    named = fields[fields["nuclei_file"] != ""]
    return {field: folder / file for field, file in zip(named["field"], named["nuclei_file"], strict=True)}


def _true_nuclei(file: Path, row: dict[Any, Any], patch_px: int) -> TrueNuclei:
    """True nuclei of a patch."""
    if not file.is_file():
        raise UserError(
            str(file),
            got="no such file",
            wanted=f"the true nuclei of slide {row['slide']}, field {row['field']}, as its fields.tsv names them",
            do="Run the simulate stage of this slide again.",
        )
    return nuclei_near(read_table(file), int(row["y_px"]), int(row["x_px"]), patch_px, float(row["pixel_um"]))
