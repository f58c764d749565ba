"""`tsva report`: render what `tsva evaluate` found as one page."""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path

import click

from tsva.errors import UserError
from tsva.storage.arrays import read_json
from tsva.storage.atomic import fresh_folder

log = logging.getLogger(__name__)
VERSION = 2
"""Of the summary's layout that the templates show."""


@click.command()
@click.option(
    "--evaluation",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder that tsva evaluate wrote.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for index.html and summary.json.")
def command(evaluation: Path, out: Path) -> None:
    """Write index.html, and summary.json beside it, from what the stage evaluate found; nothing is computed anew."""
    from tsva.report.page import render

    summary, pictures = (read_json(evaluation / name) for name in ("summary.json", "images/index.json"))
    if summary.get("version") != VERSION:
        raise UserError(
            str(evaluation / "summary.json"),
            got=f"version {summary.get('version')}",
            wanted=f"version {VERSION}",
            do="Run the stage evaluate again.",
        )
    page = render(summary, pictures, partial(_content, evaluation / "images"))
    with fresh_folder(out) as folder:
        (folder / "index.html").write_text(page, encoding="utf-8")
        shutil.copyfile(evaluation / "summary.json", folder / "summary.json")
    log.info("wrote %s (%.1f MB)", out / "index.html", len(page) / 1e6)


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
