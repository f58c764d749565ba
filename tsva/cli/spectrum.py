"""tsva spectrum: the mean power spectrum of training patches in focus."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from tsva.acquisition.spectrum import signal_table
from tsva.errors import UserError
from tsva.storage.arrays import read_array
from tsva.storage.atomic import fresh_file
from tsva.storage.tables import read_table, write_table

log = logging.getLogger(__name__)


@click.command()
@click.option("--table", type=click.Path(path_type=Path), required=True, help="pairs/train.tsv")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that its paths start from.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="signal.tsv")
def command(table: Path, results: Path, out: Path) -> None:
    """Average the spectra of all training patches in focus, and take off their noise."""
    rows = read_table(table)
    if rows.empty:
        raise UserError(str(table), got="no patches", wanted="some training patches", do="Add slides of role train.")
    arrays = [read_array(results / name) for name in sorted(set(rows["array"]))]
    found = signal_table((array[:, array.shape[1] // 2] for array in arrays), float(rows["pixel_um"].median()))
    with fresh_file(out) as path:
        write_table(path, found)
    log.info("%s: %d patches", out, len(rows))
