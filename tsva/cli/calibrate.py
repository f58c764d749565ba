"""tsva calibrate: what full z-stacks show of the microscope, and the network made its own."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import checked_section, settings_option
from tsva.errors import UserError
from tsva.settings.acquisition import OpticsSettings

if TYPE_CHECKING:
    from tsva.acquisition.stack import Stack
    from tsva.restoration.checkpoint import Checkpoint

log = logging.getLogger(__name__)
FILE = click.Path(path_type=Path)


@click.command()
@click.argument("stacks", nargs=-1, required=True, type=FILE)
@settings_option(optics=dict[str, Any])
@click.option("--na", type=float, help="Numerical aperture of the objective; wins over the settings' optics.na.")
@click.option("--pixel-um", type=float, help="Size of a pixel in the specimen, where the file is wrong or silent.")
@click.option("--z-step-um", type=float, help="Distance between planes, likewise.")
@click.option("--bits", type=click.IntRange(9, 16), help="Of 16-bit files: how many bits the camera fills.")
@click.option("--pattern", default="", help="Names of the planes in a folder, as in the slide sheet; default: guessed.")
@click.option(
    "--fit",
    "aperture",
    type=click.Choice(["auto", "na", "condenser_ratio"]),
    default="auto",
    show_default=True,
    help="Which aperture is looked for; auto: the condenser's where settings give one, else the objective's.",
)
@click.option("--offset-sd-um", type=float, help="Spread of focal offsets that the distance of the shots is to suit.")
@click.option("--measure-only", is_flag=True, help="Fine-tune no network.")
@click.option("--checkpoint", type=FILE, help="The network to fine-tune; default: the one that comes with the package.")
@click.option("--delta-um", type=float, help="Half the distance of the network's shots; default: the network's own.")
@click.option("--offset-max-um", type=float, help="Largest focal offset that is trained on; default: three spreads.")
@click.option("--steps", type=click.IntRange(min=10), default=300, show_default=True, help="Of fine-tuning.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of windows, bootstrap, and fine-tuning.")
@click.option(
    "--out", type=FILE, required=True, help="Folder for calibration.json, index.html, figures and model.ckpt."
)
def command(
    stacks: tuple[Path, ...],
    optics: dict[str, Any],
    na: float | None,
    pixel_um: float | None,
    z_step_um: float | None,
    bits: int | None,
    pattern: str,
    aperture: Any,
    offset_sd_um: float | None,
    measure_only: bool,
    checkpoint: Path | None,
    delta_um: float | None,
    offset_max_um: float | None,
    steps: int,
    threads: int,
    seed: int,
    out: Path,
) -> None:
    """Measure the microscope from full z-stacks of tissue, and fine-tune a network on part of their area.

    STACKS are files or folders of any format that holds focal planes, all of one kind. Measured are optics, noise,
    section, focal spread and the best distance of the shots. The network is compared on the area kept aside, and kept
    as it was where fine-tuning is not better.
    """
    from tsva.report.calibration_page import calibration_page
    from tsva.training.calibration.calibrate import calibrated

    nominal = _optics(optics, na)
    lengths = {"--offset-sd-um": offset_sd_um, "--delta-um": delta_um, "--offset-max-um": offset_max_um}
    for name, value in lengths.items():
        if value is not None and not 0 < value < float("inf"):
            raise UserError(name, got=f"{value}", wanted="a length above 0", do="Correct the option.")
    given = None if measure_only else _checkpoint(checkpoint, threads)
    fields = [field for path in stacks for field in _read(path, pattern, pixel_um, z_step_um, bits)]
    found = calibrated(
        fields,
        nominal,
        given,
        aperture=aperture,
        offset_sd_um=offset_sd_um,
        delta_um=delta_um,
        offset_max_um=offset_max_um,
        steps=steps,
        seed=seed,
        tuning_may_fail=checkpoint is None,
        progress=lambda what: log.info("%s", what),
    )
    page, figures = calibration_page(found.record)
    with fresh_folder(out) as folder:
        (folder / "index.html").write_text(page, encoding="utf-8")
        (folder / "calibration.json").write_text(json.dumps(found.record, indent=1) + "\n", encoding="utf-8")
        (folder / "figures").mkdir()
        for name, content in figures.items():
            (folder / "figures" / name).write_bytes(content)
        if found.checkpoint is not None:
            found.save_model(folder / "model.ckpt")
    for line in _lines(found.record):
        click.echo(line)
    click.echo(f"Page: {out / 'index.html'}")


def _checkpoint(path: Path | None, threads: int) -> Checkpoint:
    """The network to begin with, read before anything is measured."""
    import torch

    from tsva.restoration.checkpoint import load
    from tsva.restoration.packaged_model import packaged_model

    torch.set_num_threads(threads)
    return load(path if path is not None else packaged_model())


def _optics(optics: dict[str, Any], na: float | None) -> OpticsSettings:
    """What is given of the optics; never guessed.

    Raises
    ------
    UserError
        If there is no aperture.
    """
    if na is not None:
        optics = {**optics, "na": na}
    if "na" not in optics:
        raise UserError(
            "tsva calibrate",
            got="no numerical aperture",
            wanted="that of the objective, as engraved on it",
            do="Give --na, or --settings with a section optics (docs/settings.md).",
        )
    # exact for any aperture; the paper's paraxial eq. 1 is for those who ask for it
    optics = {"model": "debye", **optics}
    return checked_section(OpticsSettings, "optics", optics, "nominal optics")


def _read(
    path: Path, pattern: str, pixel_um: float | None, z_step_um: float | None, bits: int | None
) -> list[tuple[str, Stack]]:
    """Names and stacks of a file or folder."""
    from tsva.api import Field
    from tsva.cli.inspecting.facts import find_facts
    from tsva.readers.fields import find_fields
    from tsva.settings.sheet import SlideRow

    facts = find_facts(path, pattern)
    if facts.source not in ("stack", "planes"):
        raise UserError(str(path), got="one plane", wanted="a z-stack", do="Give a file or folder with focal planes.")
    row = checked_section(
        SlideRow,
        "slide",
        {
            "slide": "calibration",
            "patient": "p",
            "sample": "s",
            "role": "refocus",
            "source": facts.source,
            "path": str(path.resolve()),
            "pattern": facts.pattern,
            "pixel_um": pixel_um,
            "z_step_um": z_step_um,
            "bits": bits,
        },
        str(path),
    )
    found = []
    for field in find_fields(row, Path()):
        stack = Field(field.name, field.z_um, field.pixel_um, field.where, field.planes).read()
        log.info("%s: %d planes of %d × %d pixels", field.name, *stack.planes.shape[:3])
        found.append((field.name, stack))
    return found


def _lines(record: dict[str, Any]) -> list[str]:
    """The result in a few lines."""
    optics, delta, noise = record["optics"], record["delta"], record["noise"]["channels"]
    key = "na" if optics["na"]["fitted"] or not optics["condenser_ratio"]["fitted"] else "condenser_ratio"
    value, error = optics[key]["value"], optics[key]["standard_error"]
    lines = [f"{key}: {value:.3f}" + (f" ± {error:.3f}" if error is not None else ", nominal")]
    if record["section"]["thickness_um"] is not None:
        thickness = record["section"]["thickness_um"], record["section"]["thickness_standard_error_um"]
        lines.append("section thickness: {:.1f} ± {:.1f} µm".format(*thickness))
    lines.append(
        "noise: " + ", ".join(f"{row['channel']} {row['sd_grey_levels']:.2f}" for row in noise) + " grey levels"
    )
    lines.append(f"best δ: {delta['delta_um']:.2f} µm ({delta['low_um']:.2f} to {delta['high_um']:.2f} µm)")
    if (tuning := record["fine_tuning"]) is not None:
        scores = (
            f"{tuning[key]['gain_db']:+.2f} dB, {tuning[key]['made_worse']:.0%} worse" for key in ("before", "after")
        )
        lines.append(f"{tuning['headline']} (gain on area kept aside: {' before, '.join(scores)} after)")
    return lines + [f"Note: {remark}" for remark in record["remarks"]]
