"""tsva calibrate: what full z-stacks tell of the microscope, and the network made its own."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsva.cli.common import checked_section, settings_option
from tsva.errors import UserError
from tsva.settings.optics import OpticsSettings
from tsva.storage.atomic import fresh_folder

if TYPE_CHECKING:
    from tsva.acquisition.stack import Stack

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
    help="Which aperture is looked for; auto: the condenser's where settings tell one, else the objective's.",
)
@click.option("--offset-sd-um", type=float, help="Spread of focal offsets that the distance of the shots is to suit.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of windows and bootstrap.")
@click.option("--out", type=FILE, required=True, help="Folder for calibration.json, index.html and figures.")
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
    seed: int,
    out: Path,
) -> None:
    """Measure the microscope from full z-stacks of tissue: optics, noise, section, focal spread, distance of the shots.

    STACKS are files or folders of any format that holds focal planes, all of one kind.
    """
    from tsva.calibration.measure import measure
    from tsva.calibration.record import as_json
    from tsva.report.calibration_page import calibration_page

    told = _optics(optics, na)
    if offset_sd_um is not None and not 0 < offset_sd_um < float("inf"):
        raise UserError("--offset-sd-um", got=f"{offset_sd_um}", wanted="a length above 0", do="Mend the option.")
    fields = [field for path in stacks for field in _read(path, pattern, pixel_um, z_step_um, bits)]
    measured = measure(
        fields, told, aperture=aperture, offset_sd_um=offset_sd_um, seed=seed, progress=lambda what: log.info(what)
    )
    record: dict[str, Any] = {**as_json(measured), "fine_tuning": None}
    page, figures = calibration_page(record)
    with fresh_folder(out) as folder:
        (folder / "index.html").write_text(page, encoding="utf-8")
        (folder / "calibration.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (folder / "figures").mkdir()
        for name, content in figures.items():
            (folder / "figures" / name).write_bytes(content)
    for line in _told(record):
        click.echo(line)
    click.echo(f"Page: {out / 'index.html'}")


def _optics(optics: dict[str, Any], na: float | None) -> OpticsSettings:
    """What is told of the optics; never guessed.

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
    return checked_section(OpticsSettings, "optics", optics, "optics told")


def _read(
    path: Path, pattern: str, pixel_um: float | None, z_step_um: float | None, bits: int | None
) -> list[tuple[str, Stack]]:
    """Names and stacks of a file or folder."""
    import numpy as np

    from tsva.acquisition.stack import Stack
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
        try:
            stack = Stack(np.stack(list(field.planes())), np.array(field.z_um, dtype=float), field.pixel_um)
        except ValueError as error:
            raise UserError(
                field.where, got=str(error), wanted="planes of one size at rising positions", do="Mend its export."
            ) from None
        log.info("%s: %d planes of %d × %d pixels", field.name, *stack.planes.shape[:3])
        found.append((field.name, stack))
    return found


def _told(record: dict[str, Any]) -> list[str]:
    """The result in a few lines."""
    optics, delta, noise = record["optics"], record["delta"], record["noise"]["channels"]
    key = "na" if optics["na"]["fitted"] or not optics["condenser_ratio"]["fitted"] else "condenser_ratio"
    value, error = optics[key]["value"], optics[key]["standard_error"]
    lines = [f"{key}: {value:.3f}" + (f" ± {error:.3f}" if error is not None else ", as told")]
    if record["section"]["thickness_um"] is not None:
        thickness = record["section"]["thickness_um"], record["section"]["thickness_standard_error_um"]
        lines.append("section thickness: {:.1f} ± {:.1f} µm".format(*thickness))
    lines.append(
        "noise: " + ", ".join(f"{row['channel']} {row['sd_grey_levels']:.2f}" for row in noise) + " grey levels"
    )
    lines.append(f"best δ: {delta['delta_um']:.2f} µm ({delta['low_um']:.2f} to {delta['high_um']:.2f} µm)")
    return lines + [f"Note: {remark}" for remark in record["remarks"]]
