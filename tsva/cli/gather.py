"""tsva gather: the batches of a baseline put together, as the refocus stage leaves its own."""

from __future__ import annotations

import logging
from pathlib import Path

import click
import numpy as np
import pandas as pd

from tsva.storage.arrays import read_array
from tsva.storage.atomic import fresh_folder
from tsva.storage.rows import Rows
from tsva.storage.tables import read_table, write_table

log = logging.getLogger(__name__)


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for restored.npy and scores.tsv.")
def command(folders: tuple[Path, ...], out: Path) -> None:
    """Put a method's batches together, in the order of patches and offsets."""
    masks = [read_array(folder / "wanted.npy") for folder in folders]
    shape = read_array(folders[0] / "restored.npy").shape[1:]
    with fresh_folder(out) as folder:
        # what was not restored stays a hole in the file
        restored = Rows(folder / "restored.npy", (*masks[0].shape, *shape), axes=2)
        for mask, source in zip(masks, folders, strict=True):
            restored.write(np.flatnonzero(mask), read_array(source / "restored.npy"))
        tables = [read_table(source / "scores.tsv") for source in folders]
        scores = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
        order = ["patch", "protocol", "focal_offset_um", "target"]
        write_table(folder / "scores.tsv", scores.sort_values(order, kind="stable"))
    log.info("%s: %d pairs restored", out, sum(mask.sum() for mask in masks))
