"""`tsva report`: render what `tsva evaluate` found as one page."""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path

import click

from tsva.atomic import fresh_folder
from tsva.errors import UserError
from tsva.stage_files import read_json

log = logging.getLogger(__name__)
VERSION = 3
"""Of the summary's layout that the templates show."""


@click.command()
@click.option(
    "--evaluation",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that tsva evaluate wrote.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the pages, figures and tables.")
def command(evaluation: Path, threads: int, out: Path) -> None:
    """Write pages, figures and tables from what the stage evaluate found; nothing is computed anew."""
    from tsva.report.page import render

    summary, pictures = (read_json(evaluation / name) for name in ("summary.json", "images/index.json"))
    if summary.get("version") != VERSION:
        raise UserError(
            str(evaluation / "summary.json"),
            got=f"version {summary.get('version')}",
            wanted=f"version {VERSION}",
            do="Run the stage evaluate again.",
        )
    pages = render(summary, pictures, partial(_content, evaluation / "images"), threads)
    with fresh_folder(out) as folder:
        (folder / "index.html").write_text(pages.index, encoding="utf-8")
        (folder / "inputs.html").write_text(pages.inputs, encoding="utf-8")
        (folder / "figures").mkdir()
        for name, content in pages.figures.items():
            (folder / "figures" / name).write_bytes(content)
        shutil.copytree(evaluation / "tables", folder / "tables")
        shutil.copyfile(evaluation / "summary.json", folder / "summary.json")
    log.info("wrote %s (%.1f MB) and %d figure files", out / "index.html", len(pages.index) / 1e6, len(pages.figures))


def _content(folder: Path, name: str) -> bytes:
    """A picture's bytes."""
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise UserError(
            str(folder / name),
            got=error.strerror or str(error),
            wanted="a picture of the stage evaluate",
            do="Run that stage again.",
        ) from None
