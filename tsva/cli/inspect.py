"""tsva inspect: what a file is, whether it is fit for training, and its row for the slide sheet."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from tsva.acquisition.brightness import spread
from tsva.acquisition.stack import SAME_PIXEL
from tsva.cli.commands import quiet_log
from tsva.cli.inspecting.drawings import BLOCKS, chart
from tsva.cli.inspecting.facts import UNKNOWN, Facts, cells_for, find, find_facts, sheet
from tsva.cli.inspecting.fitness import FieldVerdict, has_two_shots, judge_all, look
from tsva.cli.inspecting.sheet_check import AMBER, GREEN, RED, as_facts, look_at_sheet, worst
from tsva.cli.run_settings import load_settings
from tsva.errors import UserError
from tsva.readers.registry import SHOWN
from tsva.readers.source import FieldSource, files_of
from tsva.settings.root import Settings

COLOURS = {GREEN: "green", AMBER: "yellow", RED: "red"}
UNFIT = 3
"""The command's status where something is not fit as it is."""
ASCII = str.maketrans({"µ": "u", "×": "x", "±": "+-", "…": "...", "–": "-"})
CHARTS = 3


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--pattern", default="", help="Names of the planes of a folder, e.g. {field}_z{z}um.tif; guessed without."
)
@click.option("--pixel-um", type=float, help="Pixel size in the specimen, where the file doesn't know it.")
@click.option("--z-step-um", type=float, help="Distance between planes, where neither file nor names know it.")
@click.option("--bits", type=click.IntRange(8, 16), help="Bits that the camera fills, of 16-bit pixels.")
@click.option("--configfile", type=click.Path(path_type=Path), multiple=True, help="Settings to be fit for.")
@click.option("--sheet-folder", type=click.Path(path_type=Path), default=Path(), help="Where the slide sheet lies.")
@click.option("--fields", type=click.IntRange(1), default=4, help="Fields that are read and judged.")
@click.option("--png", type=click.Path(path_type=Path), help="Draw curves and pictures into this file.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object and nothing else.")
@click.option("--row", "row_only", is_flag=True, help="Print the slide sheet's header and row and nothing else.")
def command(
    path: Path,
    pattern: str,
    pixel_um: float | None,
    z_step_um: float | None,
    bits: int | None,
    configfile: tuple[Path, ...],
    sheet_folder: Path,
    fields: int,
    png: Path | None,
    as_json: bool,
    row_only: bool,
) -> None:
    """Report what PATH is: planes, z, pixel size, sharpness, whether it is fit for training, and its sheet row.

    PATH may be a slide sheet (.tsv): all of its slides are looked at. Status 3 says that something is not fit as it is.
    """
    settings = load_settings(configfile)
    screen = _Screen(quiet=row_only or as_json)
    if path.is_file() and path.suffix.lower() == ".tsv":
        with quiet_log():
            slides = look_at_sheet(path, settings, fields)
        for slide in slides:
            screen.verdict(f"{slide['slide']} ({slide['fields']} fields)", slide["light"], slide["reasons"])
        found: dict[str, Any] = {"path": str(path), "slides": slides, "light": worst(slides)}
    else:
        with quiet_log():
            facts = find_facts(path, pattern)
            cells = cells_for(path, facts, sheet_folder, pixel_um, z_step_um, bits)
        screen.say(click.style(str(path), bold=True))
        screen.table({**facts.entries, **({"pattern": facts.pattern} if facts.pattern else {})})
        with quiet_log():
            if facts.source == "image":
                found = _image(path, pixel_um, cells, settings, screen, fields, png)
            else:
                found = _stacks(facts, cells, sheet_folder, settings, screen, fields, png)
        screen.say("\nRow for the slide sheet (patient and sample are to be filled in):")
        screen.quiet = as_json
        screen.say(sheet(cells))
        found = {"path": str(path), "facts": facts.entries, **found, "row": cells}
    if as_json:
        click.echo(json.dumps(found, indent=1))
    if found["light"] == RED:
        sys.exit(UNFIT)


def _stacks(
    facts: Facts,
    cells: dict[str, str],
    sheet_folder: Path,
    settings: Settings,
    screen: _Screen,
    most: int,
    png: Path | None,
) -> dict[str, object]:
    row, sources, missing = find(cells, sheet_folder, settings)
    first = sources[0]
    known = "not in the file" if "pixel_um" in missing else f"{first.pixel_um:.4g} µm ({first.pixel_source})"
    if abs(first.pixel_um / settings.optics.pixel_um - 1) > SAME_PIXEL:
        known += f", resampled to {settings.optics.pixel_um:g}"
    files = files_of(row, sheet_folder, sources)
    screen.table({"taken": _counted(files), "pixel size": known, "z by": _place(first), "fields": str(len(sources))})
    judged = judge_all(sources[:most], row, settings)
    for number, field in enumerate(judged):
        _field(field, screen, draw=number < CHARTS)
    if len(sources) > most:
        screen.say(f"\n{len(sources) - most} further fields were not read (--fields).")
    usable = [field for field in judged if not field.problems]
    unfit = [_lacking(column, *said) for column, said in missing.items()]
    for field in judged:
        # one that the run would only leave out matters if there is no other
        unfit += [f"{field.name}: {problem}" for problem in field.problems if field.refused or not usable]
    notes = [f"{field.name} is left out: {field.problems[0]}" for field in judged if field.problems and usable]
    notes += dict.fromkeys(note for field in judged for note in field.source.notes)
    notes += [f"{field.name}: {note}" for field in judged for note in field.notes]
    light = RED if unfit else AMBER if notes else GREEN
    if not unfit:
        cells["role"] = "train"
    elif not missing and all(
        field.stack is not None
        and not field.is_copy
        and has_two_shots(field.z_um, settings.protocol.delta_um, settings.refocus.position_tolerance_um)
        for field in judged
    ):
        light = AMBER
        notes.append(f"it has planes {2 * settings.protocol.delta_um:g} µm apart, as role refocus needs them")
    screen.verdict("", light, unfit + notes, is_fit=not unfit)
    if png is not None:
        _draw_stacks(png, judged, settings, facts)
    return {
        "light": light,
        "fit_for_training": not unfit,
        "reasons": unfit + notes,
        "files": files,
        "fields": list(map(as_facts, judged)),
    }


def _counted(files: Mapping[str, Any]) -> str:
    names = ", ".join(files["left_names"][:SHOWN]) + (", …" if files["left"] > SHOWN else "")
    left = f"{files['left']} left ({names})" if files["left"] else "none left"
    return f"{files['taken']} file{'s' * (files['taken'] != 1)}, {left}"


def _place(source: FieldSource) -> str:
    return source.z_source + ("" if source.z_absolute else ", counted from each stack's first plane")


def _lacking(column: str, assumed: str, said: str) -> str:
    what = "pixel size" if column == "pixel_um" else "z positions"
    got = said if said.startswith("pixels of") or "apart" in said else f"no {what} in the file"
    return f"{got}; put it in place of {UNKNOWN[column]} (judged here as if it were {assumed} µm)"


def _field(field: FieldVerdict, screen: _Screen, *, draw: bool) -> None:
    steps = sorted({round(high - low, 3) for low, high in zip(field.z_um, field.z_um[1:], strict=False)})
    apart = (
        ""
        if not steps
        else f", {steps[0]:g} µm apart"
        if steps[-1] - steps[0] < 0.02
        else (f", {steps[0]:g} to {steps[-1]:g} µm apart")
    )
    screen.say(
        f"\n{click.style(field.name, bold=True)}: {len(field.z_um)} planes,"
        f" z from {field.z_um[0]:g} to {field.z_um[-1]:g} µm{apart}"
    )
    if field.brightness:
        means = [np.mean(plane.means) for plane in field.brightness]
        screen.say(
            f"brightness: {min(means):.1f} to {max(means):.1f} grey levels, range {spread(field.brightness):.1%}"
        )
    if field.stack is not None:
        if draw:
            screen.say("Brenner gradient by z:")
            screen.draw(field)
        focus = "" if field.focus_plane is None else f", in focus at {field.z_um[field.focus_plane]:g} µm"
        screen.say(f"focus: {field.verdict}{focus}; usable patches: {field.patches}")
        known = [scale for scale in field.scale if not np.isnan(scale)]
        if len(known) > 1:
            screen.say(f"scale by plane: {min(known):.4f} to {max(known):.4f}")
        for reason, count in field.left_out.items():
            screen.say(f"  left out: {count} ({reason})")


def _image(
    path: Path,
    pixel_um: float | None,
    cells: dict[str, str],
    settings: Settings,
    screen: _Screen,
    most: int,
    png: Path | None,
) -> dict[str, object]:
    found = look(path, pixel_um, settings, most)
    size = f"{found.pixel_um:.4g} µm" if found.pixel_um else "not in the file"
    screen.table({"pixel size": size, "planes": "1: sharp, defocus would be simulated on it"})
    if pixel_um is None and found.pixel_um is None:
        cells["pixel_um"] = UNKNOWN["pixel_um"]
    cells["role"] = "train"
    light = RED if found.problems else AMBER if found.notes else GREEN
    reasons = [*found.problems, *found.notes]
    screen.verdict("", light, reasons, is_fit=not found.problems)
    if png is not None and found.fields:
        from tsva.cli.inspecting.drawings import draw_fields  # matplotlib takes a second to import

        draw_fields(png, found.fields)
    return {"light": light, "fit_for_training": not found.problems, "reasons": reasons, "pixel_um": found.pixel_um}


def _draw_stacks(png: Path, judged: list[FieldVerdict], settings: Settings, facts: Facts) -> None:
    from tsva.cli.inspecting.drawings import draw_stacks

    drawn = [field for field in judged if field.stack is not None][:CHARTS]
    if not drawn:
        raise UserError(
            str(png), got=f"no {facts.source} that could be read", wanted="one", do="Correct what is named above."
        )
    draw_stacks(png, drawn, settings.protocol)


class _Screen:
    """Standard output, as wide as it is and in the characters that it knows."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._encoding = sys.stdout.encoding or "ascii"
        self._width = shutil.get_terminal_size((100, 24)).columns
        try:
            BLOCKS.encode(self._encoding)
            self._plain = False
        except UnicodeEncodeError:
            self._plain = True

    def say(self, text: str) -> None:
        """Print a line."""
        if not self.quiet:
            if self._plain:
                text = text.translate(ASCII).encode(self._encoding, "replace").decode(self._encoding)
            click.echo(text)

    def table(self, cells: dict[str, str]) -> None:
        """Print words and what they are."""
        for key, value in cells.items():
            self.say(f"  {key:<12}{value}")

    def verdict(self, what: str, light: str, reasons: list[str], *, is_fit: bool | None = None) -> None:
        """Print whether something is fit, and why not."""
        word = click.style(light, fg=COLOURS[light])
        if is_fit is not None:
            what = f"\nfit for training: {'yes' if is_fit else 'no'}"
        self.say(f"{what} ({word})" if is_fit is not None else f"{word} {' ' * (len(GREEN) - len(light))}{what}")
        for reason in reasons:
            self.say(f"  - {reason}")

    def draw(self, field: FieldVerdict) -> None:
        """Draw a field's sharpness."""
        for line in chart(field.z_um, field.brenner, field.focus_plane, width=self._width, plain=self._plain):
            self.say(line)
