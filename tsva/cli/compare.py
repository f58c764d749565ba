"""`tsva compare`: what changed from one run to another, and whether anything got worse."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd

from tsva.atomic import fresh_folder
from tsva.errors import UserError
from tsva.stage_files import read_json, read_table, write_table

log = logging.getLogger(__name__)
REGRESSED = 3
"""Exit status where a method got worse; 1 and 2 are those of mistakes."""


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for index.html, comparison.tsv and figures.")
@click.option(
    "--tolerance-db",
    type=click.FloatRange(min=0),
    default=0.05,
    show_default=True,
    help="A loss that is clear of zero is a regression where it is larger than this.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with status 0 though there are regressions.")
def command(runs: tuple[Path, ...], out: Path | None, tolerance_db: float, exit_zero: bool) -> None:
    """Compare RUNS with the first of them: working folders, or their folders of results.

    Differences are paired where the test patches are the same, with 95 % intervals over slides. A method whose
    interval lies below zero is a regression. Exit status: 0 without a regression, 3 with one.
    """
    from tsva.evaluation.compare import compare
    from tsva.report.other_pages import compare_page
    from tsva.settings.evaluation import ReportSettings

    if len(runs) < 2:
        raise UserError("RUNS", got="one run", wanted="two or more", do="Name the run to compare with first.")
    read = [_run(path, name) for path, name in zip(runs, _names(runs), strict=True)]
    found = compare(read, ReportSettings(), tolerance_db)
    if not found["rows"]:
        raise UserError(
            ", ".join(map(str, runs)),
            got="no data set and method that the runs share",
            wanted="runs that scored the same methods",
            do="Compare runs of the same test sets and methods.",
        )
    for row in found["rows"]:
        click.echo(_line(row))
    for row in found["missing"]:
        click.echo(f"{row['run']} lacks {row['method']} on {row['dataset']}")
    if out is not None:
        page, figures = compare_page(found)
        with fresh_folder(out) as folder:
            (folder / "index.html").write_text(page, encoding="utf-8")
            (folder / "comparison.json").write_text(json.dumps(found, indent=1, default=float) + "\n")
            table = pd.DataFrame(found["rows"]).drop(columns="by_size")
            write_table(folder / "comparison.tsv", table.astype({"regression": int}))
            (folder / "figures").mkdir()
            for name, content in figures.items():
                (folder / "figures" / name).write_bytes(content)
        log.info("wrote %s", out / "index.html")
    if found["regressions"] and not exit_zero:
        raise SystemExit(REGRESSED)


def _names(runs: Sequence[Path]) -> list[str]:
    """The runs' folders by their last names; those that share it, by their paths."""
    last = [(path.parent if path.name == "results" else path).resolve().name for path in runs]
    return last if len({*last}) == len(last) else [str(path) for path in runs]


def _line(row: dict[str, Any]) -> str:
    where = f"{row['dataset']} {row['name']}, {row['after']} less {row['before']}"
    if row["difference_db"] is None:
        gains = [row["gain_before_db"], row["gain_after_db"]]
        both = " and ".join("no gain known" if gain is None else f"{gain:+.2f} dB over Y1" for gain in gains)
        return f"{where}: no common patches; side by side {both}"
    limits = "no interval" if row["low_db"] is None else f"{row['low_db']:+.3f} to {row['high_db']:+.3f}"
    mark = "  REGRESSION" if row["regression"] else ""
    return f"{where}: {row['difference_db']:+.3f} dB ({limits}), {row['patches']} patches: {row['state']}{mark}"


def _run(path: Path, name: str) -> Any:
    """A run's tables of patches and of scores.

    Raises
    ------
    UserError
        If the folder holds no evaluated run.
    """
    from tsva.evaluation.compare import Run
    from tsva.settings.acquisition import PairsSettings

    results = next((folder for folder in (path / "results", path) if (folder / "evaluate").is_dir()), None)
    summary = None if results is None else next(iter(sorted(results.glob("evaluate/*/summary.json"))), None)
    if results is None or summary is None:
        raise UserError(
            str(path),
            got="no evaluate/*/summary.json" if path.is_dir() else "no such folder",
            wanted="the working folder of a run that made its report, or its folder of results",
            do="Name such a folder, or let that run make its report first.",
        )
    patches = {
        dataset: read_table(results / "pairs" / f"{dataset}.tsv")
        for dataset in ("dataset1", "dataset2")
        if (results / "refocus" / dataset / "y1" / "scores.tsv").exists()
    }
    scores = {
        (dataset, file.parent.name): read_table(file)
        for dataset in patches
        for file in sorted((results / "refocus" / dataset).glob("*/scores.tsv"))
    }
    return Run(name, PairsSettings(**read_json(summary)["settings"]["pairs"]), patches, scores)
