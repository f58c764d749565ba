"""`tsva slides-page`: restored slides as one page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from tsva.atomic import fresh_file
from tsva.errors import UserError
from tsva.stage_files import read_json, read_table

if TYPE_CHECKING:
    from tsva.report.other_pages import SlideShown

log = logging.getLogger(__name__)


@click.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The page, *.html.")
def command(folders: tuple[Path, ...], out: Path) -> None:
    """Show restored slides: before and after, verdicts, focal offsets, and what failed.

    \b
    tsva slides-page results/slides/A1 results/slides/B2 --out slides.html
    tsva slides-page slide --out slides.html

    FOLDERS are those of the target slides, or the folders beside pyramids of tsva refocus-slide.
    """
    from tsva.report.other_pages import slides_page

    slides = [slide for folder in folders for slide in _slides_of(folder)]
    page = slides_page(slides)
    with fresh_file(out) as part:
        part.write_text(page, encoding="utf-8")
    log.info("wrote %s (%.1f MB), %d slides", out, len(page) / 1e6, len(slides))


def _slides_of(folder: Path) -> list[SlideShown]:
    """What one folder holds: the rows of its ``slides.tsv``, or a single slide."""
    from tsva.report.other_pages import SlideShown

    if (folder / "slides.tsv").is_file():
        rows = read_table(folder / "slides.tsv").to_dict("records")
        names = [(str(row["field"]), str(row["reason"])) for row in rows]
        return [
            SlideShown(folder.name, name, reason) if reason else _shown(folder.name, folder / name)
            for name, reason in names
        ]
    return [_shown(folder.name, folder)]


def _shown(slide: str, folder: Path) -> SlideShown:
    from tsva.report.other_pages import PICTURES, SlideShown

    try:
        facts = {**read_json(folder / "slide.json"), **read_json(folder / "summary.json")}
        pictures = {name: (folder / f"{name}.png").read_bytes() for name in PICTURES}
        with np.load(folder / "survey.npz") as held:
            offsets_um = held["focal_offset_um"][held["offset_known"]]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            str(folder),
            got=" ".join(str(error).split()),
            wanted="a folder that tsva refocus-slide wrote",
            do="Name such a folder, or restore the slide again.",
        ) from None
    return SlideShown(slide, folder.name, "", facts, pictures, offsets_um)
