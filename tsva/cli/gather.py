"""tsva gather: the batches of a slow method put together, as the refocus stage leaves a whole one."""

from __future__ import annotations

import logging
from pathlib import Path

import click
import numpy as np
import pandas as pd

from tsva.atomic import fresh_folder
from tsva.stage_files import SCORES_ORDER, Rows, read_array, read_table, write_table

log = logging.getLogger(__name__)


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for restored.npy and scores.tsv.")
def command(folders: tuple[Path, ...], out: Path) -> None:
    """Put a method's batches together, in the order of patches and offsets."""
    wanted = [read_array(folder / "wanted.npy") for folder in folders]
    with fresh_folder(out) as folder:
        # what was not restored stays a hole in the file
        restored: Rows | None = None
        for mask, source in zip(wanted, folders, strict=True):
            batch = read_array(source / "restored.npy")
            restored = restored or Rows(folder / "restored.npy", batch.shape, axes=2)
            for row in np.flatnonzero(mask):
                restored.write([int(row)], batch[np.unravel_index(row, mask.shape)][None])
        tables = [read_table(source / "scores.tsv") for source in folders]
        scores = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
        write_table(folder / "scores.tsv", scores.sort_values(SCORES_ORDER, kind="stable"))
    log.info("%s: %d pairs restored", out, sum(mask.sum() for mask in wanted))
