"""tsva refocus-slide: one whole slide out of its two focal planes; and the options that name these planes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.restoration import RefocusSettings
from tsva.settings.sheet import SlideRow
from tsva.stage_files import write_table

if TYPE_CHECKING:
    from tsva.slides.opening import SlideInput
    from tsva.slides.slide_run import SlideOptions


FILE = click.Path(path_type=Path)
OPTIONS = (
    click.option("--low", type=FILE, help="The lower plane: an OpenSlide format, TIFF, or a TileConfiguration.txt."),
    click.option("--high", type=FILE, help="The upper plane, likewise."),
    click.option("--stack", type=FILE, help="Both planes in one file: OME-TIFF, TIFF, OME-Zarr, NDPI, DICOM, CZI."),
    click.option("--planes", type=(int, int), help="Which planes of the stack are the shots, counted from 1."),
    click.option("--z-um", type=(float, float), help="Their positions, in place of --planes."),
    click.option("--field", help="Which field of a stack file of several; by default all, joined by their positions."),
    click.option(
        "--delta-um", type=float, help="Half of the distance between the planes; a stack's positions state it."
    ),
    click.option("--pixel-um", type=float, help="Size of a pixel in the specimen, where the file is wrong or silent."),
    click.option("--bits", type=click.IntRange(9, 16), help="Of 16-bit files: how many bits the camera fills."),
)


def two_planes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options; it gets them as one argument, ``planes``, a `SlideInput`."""

    @wraps(command)
    def all_options(**given: Any) -> None:
        from tsva.slides.opening import SlideInput

        own = given.keys() & {field.name for field in fields(SlideInput)}
        planes = SlideInput(**{name: given.pop(name) for name in own})
        command(planes=planes, **given)

    for option in reversed(OPTIONS):
        all_options = option(all_options)
    return all_options


quality_option = click.option(
    "--quality", type=click.IntRange(50, 100), help="JPEG of this quality, 4:4:4, in place of Deflate without loss."
)
log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--model", "--checkpoint", "model", type=FILE, help="model.ckpt of the train stage [default: that of the package]."
)
@two_planes_options
@quality_option
@click.option("--results", type=FILE, help="Folder for maps, verdicts and pictures [default: OUT without its ending].")
@settings_option(settings=RefocusSettings, pairs=PairsSettings, optics=dict[str, Any], slide=dict[str, Any])
@click.option("--sheet-folder", type=FILE, help="Restore the slide of the settings' row, whose path starts here.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--out",
    type=FILE,
    required=True,
    help="The pyramid, *.ome.tif, *.ome.zarr or *.dicom; with --sheet-folder a folder.",
)
def command(
    model: Path | None,
    planes: SlideInput,
    quality: int | None,
    results: Path | None,
    settings: RefocusSettings,
    pairs: PairsSettings,
    optics: dict[str, Any],
    slide: dict[str, Any],
    sheet_folder: Path | None,
    threads: int,
    out: Path,
) -> None:
    """Restore a whole slide from two focal planes, cell by cell where that is believed to help.

    \b
    tsva refocus-slide --low A.svs --high B.svs --delta-um 0.5 --out slide.ome.tif
    tsva refocus-slide --model model.ckpt --stack slide.ndpi --planes 2 4 --out slide.ome.tif

    A run that was killed goes on where it broke off when it is started again, and gives the same file.
    The settings' optics, where a file of them is given, are taken to be the microscope's; else those of the model.
    For research use only.
    """
    from tsva.restoration.packaged_model import packaged_model
    from tsva.slides.slide_run import SlideOptions, without_ending

    model = model or packaged_model("slides")
    known = OpticsSettings.model_validate(optics) if optics else None
    options = SlideOptions(quality, threads=threads, optics=known)
    if sheet_folder is not None:
        restore_row(SlideRow.model_validate(slide), sheet_folder, model, out, options, settings, pairs)
        return
    _restore(planes, model, out, options, results or without_ending(out))


def restore_row(
    row: SlideRow,
    sheet_folder: Path,
    model: Path,
    out: Path,
    options: SlideOptions,
    settings: RefocusSettings,
    pairs: PairsSettings,
) -> None:
    """All that a row of the sheet names, into a folder whose table comes last.

    One that fails stops no other: the table holds its reason and no file.

    Raises
    ------
    UserError
        If all fail: that of the first.
    """
    from tsva.slides.sheet_inputs import inputs_of_row

    out.mkdir(parents=True, exist_ok=True)
    done, failed = [], []
    for name, planes in inputs_of_row(row, sheet_folder, pairs.delta_um, settings):
        file = out / f"{name}.ome.tif"
        try:
            if isinstance(planes, UserError):
                raise planes
            _restore(planes, model, file, options, out / name)
            done.append({"field": name, "file": file.name, "reason": ""})
        except UserError as error:
            log.error("%s: %s", name, error)
            failed.append(error)
            done.append({"field": name, "file": "", "reason": str(error)})
    if len(failed) == len(done):
        raise failed[0]
    write_table(out / "slides.tsv", pd.DataFrame(done))
    log.info("%s: %d of %d restored", row.slide, len(done) - len(failed), len(done))


def _restore(planes: SlideInput, model: Path, out: Path, options: SlideOptions, results: Path) -> None:
    from tsva.slides.opening import open_two_planes
    from tsva.slides.slide_results import write_results
    from tsva.slides.slide_run import refocus_planes
    from tsva.slides.trust_files import phrase

    with open_two_planes(planes) as opened:
        restored = refocus_planes(opened, model, out, options)
    totals = write_results(restored, results)
    log.info("%s: %s; verdicts and pictures are in %s", out, phrase(totals), results)
