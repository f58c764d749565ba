"""tsva split: the data sets of all slides."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from tsva.acquisition.split import check_repeats, split
from tsva.atomic import fresh_file
from tsva.cli.stage_settings import settings_option
from tsva.settings.acquisition import PairsSettings
from tsva.stage_files import read_table, write_table

log = logging.getLogger(__name__)
LISTS = ("--table", "--excluded", "--ingested")


class _WithLists(click.Command):
    """Lets `--table a b c` stand for `--table a --table b --table c`, as workflow rules write lists of files."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _one_flag_each(args))


def _one_flag_each(words: list[str]) -> list[str]:
    out: list[str] = []
    flag = ""
    for word in words:
        if word.startswith("--"):
            flag = word if word in LISTS else ""
            out += [] if flag else [word]
        else:
            out += [flag, word] if flag else [word]
    return out


@click.command(cls=_WithLists)
@settings_option(settings=PairsSettings)
@click.option("--seed", type=int, required=True, help="Of the choice of verification patients.")
@click.option(
    "--table",
    "tables",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="patches.tsv of all slides.",
)
@click.option(
    "--excluded", type=click.Path(path_type=Path), multiple=True, required=True, help="excluded.tsv of all slides."
)
@click.option("--ingested", type=click.Path(path_type=Path), multiple=True, help="Ingest's fields.tsv of all slides.")
@click.option("--out-train", type=click.Path(path_type=Path), required=True)
@click.option("--out-dataset1", type=click.Path(path_type=Path), required=True)
@click.option("--out-dataset2", type=click.Path(path_type=Path), required=True)
@click.option("--out-excluded", type=click.Path(path_type=Path), required=True)
def command(
    settings: PairsSettings,
    seed: int,
    tables: tuple[Path, ...],
    excluded: tuple[Path, ...],
    ingested: tuple[Path, ...],
    out_train: Path,
    out_dataset1: Path,
    out_dataset2: Path,
    out_excluded: Path,
) -> None:
    """Gather the patches of all slides: training and verification by patient, and both test data sets."""
    check_repeats(map(read_table, ingested))
    parts, left_out = split(map(read_table, tables), map(read_table, excluded), settings, seed=seed)
    for role, out in {"train": out_train, "dataset1": out_dataset1, "dataset2": out_dataset2}.items():
        with fresh_file(out) as path:
            write_table(path, parts[role])
        log.info("%s: %s", role, parts[role]["split"].value_counts().to_dict() or "no slides")
    with fresh_file(out_excluded) as path:
        write_table(path, left_out)
    log.info("left out: %d fields or patches", len(left_out))
