"""Commands for a slide's planes that are no stages: tsva focus-map for two of them, and tsva edof for a full stack."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from tsva.cli.refocus_slide import FILE, quality_option, two_planes_options
from tsva.cli.stage_settings import settings_option
from tsva.settings.acquisition import OpticsSettings

if TYPE_CHECKING:
    from tsva.slides.opening import SlideInput

log = logging.getLogger(__name__)


@click.command()
@two_planes_options
@settings_option(optics=OpticsSettings)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=FILE, required=True, help="Folder for the map, the pictures, GeoJSON and totals.")
def focus_map(
    planes: SlideInput,
    optics: OpticsSettings,
    threads: int,
    out: Path,
) -> None:
    """Measure the focal offset of a slide cell by cell from two focal planes, as the scan's quality control.

    \b
    tsva focus-map --low A.svs --high B.svs --delta-um 0.5 --out focus/A

    For research use only.
    """
    import torch

    from tsva.slides.opening import open_two_planes
    from tsva.slides.surveyor import survey
    from tsva.slides.trust_files import write

    torch.set_num_threads(threads)
    with open_two_planes(planes) as opened:
        measured = survey(opened, optics=optics)
    summary = write(out, measured, {}, out.name)
    measured.save(out / "survey.npz")
    shares = {row["verdict"]: row["share_of_tissue"] or 0 for row in summary["verdicts"]}
    named = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share)
    log.info("%s: %s", out, f"{named} of the tissue" if named else "glass alone")


@click.command()
@click.argument("stack", type=FILE)
@click.option("--model", type=FILE, help="model.ckpt of the train stage [default: that of the package for slides].")
@click.option("--field", help="Of a file with several fields, the one to take.")
@click.option("--pixel-um", type=click.FloatRange(min=0, min_open=True), help="If the file is wrong or silent.")
@click.option("--z-step-um", type=click.FloatRange(min=0, min_open=True), help="Distance of the planes, likewise.")
@click.option("--bits", type=click.IntRange(8, 16), help="Of 16-bit files: how many bits the camera fills.")
@quality_option
@click.option("--results", type=FILE, help="Folder for maps, verdicts and pictures [default: OUT without its ending].")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=FILE, required=True, help="The pyramid, *.ome.tif, *.ome.zarr or *.dicom.")
def edof(
    stack: Path,
    model: Path | None,
    field: str | None,
    pixel_um: float | None,
    z_step_um: float | None,
    bits: int | None,
    quality: int | None,
    results: Path | None,
    threads: int,
    out: Path,
) -> None:
    """Extended depth of field: restore each cell from its sharpest plane and one beside it, where that helps.

    \b
    tsva edof stack.ome.tif --out sharp.ome.tif

    Elsewhere the sharpest plane is copied. Planes have to lie on one another. For research use only.
    """
    from tsva.atomic import fresh_file
    from tsva.restoration.checkpoint import load
    from tsva.restoration.packaged_model import packaged_model
    from tsva.slides.opening import SlideInput, open_all_planes
    from tsva.slides.slide_results import write_results
    from tsva.slides.slide_run import SlideOptions, refocus_planes, without_ending
    from tsva.slides.trust_files import phrase

    model = model or packaged_model("slides")
    given = SlideInput(stack=stack, field=field, pixel_um=pixel_um, bits=bits, z_step_um=z_step_um)
    folder = results or without_ending(out)
    held = load(model)
    with open_all_planes(given, held.delta_um, held.pixel_um) as planes:
        restored = refocus_planes(planes, model, out, SlideOptions(quality, threads))
        totals = write_results(restored, folder)
        with fresh_file(folder / "planes.npz") as part:
            np.savez_compressed(
                part, low_plane=planes.low_plane, height_um=planes.heights.z_um, known=planes.heights.known
            )
    log.info("%s: %s; verdicts and pictures are in %s", out, phrase(totals), folder)
