"""tsva focus-map: where a slide's two planes are in focus, without a network."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from tsva.cli.common import settings_option
from tsva.settings.optics import OpticsSettings

log = logging.getLogger(__name__)
FILE = click.Path(path_type=Path)


@click.command()
@click.option("--low", type=FILE, help="The lower plane: an OpenSlide format, TIFF, or a TileConfiguration.txt.")
@click.option("--high", type=FILE, help="The upper plane, likewise.")
@click.option("--stack", type=FILE, help="Both planes in one file: OME-TIFF, TIFF, OME-Zarr, NDPI, DICOM, CZI.")
@click.option("--planes", type=(int, int), help="Which planes of the stack are the shots, counted from 1.")
@click.option("--z-um", type=(float, float), help="Their positions, in place of --planes.")
@click.option("--field", help="Which field of a stack file of several; by default all, joined by their positions.")
@click.option("--delta-um", type=float, help="Half of the distance between the planes; a stack's positions tell it.")
@click.option("--pixel-um", type=float, help="Size of a pixel in the specimen, where the file is wrong or silent.")
@click.option("--bits", type=click.IntRange(9, 16), help="Of 16-bit files: how many bits the camera fills.")
@settings_option(optics=OpticsSettings)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=FILE, required=True, help="Folder for the map, the pictures, GeoJSON and totals.")
def command(
    low: Path | None,
    high: Path | None,
    stack: Path | None,
    planes: tuple[int, int] | None,
    z_um: tuple[float, float] | None,
    field: str | None,
    delta_um: float | None,
    pixel_um: float | None,
    bits: int | None,
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

    from tsva.slides.opening import SlideInput, open_two_planes
    from tsva.slides.surveyor import survey
    from tsva.slides.trust_files import write

    torch.set_num_threads(threads)
    told = SlideInput(low, high, stack, planes, z_um, field, delta_um, pixel_um, bits)
    with open_two_planes(told) as opened:
        measured = survey(opened, optics=optics)
    summary = write(out, measured, {}, out.name)
    measured.save(out / "survey.npz")
    shares = {row["verdict"]: row["share_of_tissue"] or 0 for row in summary["verdicts"]}
    log.info("%s: %s", out, ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share))
