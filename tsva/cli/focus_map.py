"""tsva focus-map: where a slide's two planes are in focus, without a network."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsva.cli.common import settings_option
from tsva.cli.refocus_slide import FILE, two_planes_options
from tsva.settings.acquisition import OpticsSettings

if TYPE_CHECKING:
    from tsva.slides.opening import SlideInput

log = logging.getLogger(__name__)


@click.command()
@two_planes_options
@settings_option(optics=OpticsSettings)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=FILE, required=True, help="Folder for the map, the pictures, GeoJSON and totals.")
def command(
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
    log.info("%s: %s", out, ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share))
