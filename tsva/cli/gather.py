"""tsva gather: the batches of a slow method put together, as the refocus stage leaves a whole one."""

from __future__ import annotations

import logging
from pathlib import Path

import click
import numpy as np
import pandas as pd

from tsva.cli.common import settings_option
from tsva.cli.patches import ORDER
from tsva.settings.pairs import PairsSettings
from tsva.storage.arrays import read_array
from tsva.storage.atomic import fresh_folder
from tsva.storage.rows import Rows
from tsva.storage.tables import read_table, write_table

log = logging.getLogger(__name__)


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), required=True)
@settings_option(pairs=PairsSettings)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for restored.npy and scores.tsv.")
def command(folders: tuple[Path, ...], pairs: PairsSettings, out: Path) -> None:
    """Put a method's batches together, in the order of patches and offsets."""
    tables = [read_table(folder / "scores.tsv") for folder in folders]
    places = {offset_um: place for place, offset_um in enumerate(pairs.offsets_um)}
    number = 0
    with fresh_folder(out) as folder:
        restored: Rows | None = None
        for table, source in zip(tables, folders, strict=True):
            batch = read_array(source / "restored.npy")
            restored = restored or Rows(folder / "restored.npy", batch.shape, axes=2)
            grid = table[(table["protocol"] == "grid") & (table["target"] == "captured")]
            for patch, offset_um in zip(grid["patch"], grid["focal_offset_um"], strict=True):
                place = places[float(offset_um)]
                restored.write([patch * len(places) + place], np.asarray(batch[patch, place])[None])
            number += len(grid)
        scores = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
        write_table(folder / "scores.tsv", scores.sort_values(ORDER, kind="stable"))
    log.info("%s: %d pairs restored", out, number)
