"""tsva inspect: what a file is, whether it is fit for training, and its row for the slide sheet."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
import numpy as np

from tsva.acquisition.brightness import spread
from tsva.acquisition.resample import SAME_PIXEL
from tsva.cli.config import load_settings, quiet_log
from tsva.cli.inspecting.chart import BLOCKS, chart
from tsva.cli.inspecting.facts import Facts, find_facts
from tsva.cli.inspecting.fitness import Judged, has_two_shots, judge
from tsva.cli.inspecting.row import UNKNOWN, cells_for, find, sheet
from tsva.cli.inspecting.sharp import look
from tsva.errors import UserError
from tsva.settings.root import Settings

ASCII = str.maketrans({"µ": "u", "×": "x", "±": "+-", "…": "...", "–": "-"})
CHARTS = 3


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--pattern", default="", help="Names of the planes of a folder, e.g. {field}_z{z}um.tif; guessed without."
)
@click.option("--pixel-um", type=float, help="Pixel size in the specimen, where the file doesn't know it.")
@click.option("--z-step-um", type=float, help="Distance between planes, where neither file nor names know it.")
@click.option("--configfile", type=click.Path(path_type=Path), multiple=True, help="Settings to be fit for.")
@click.option("--sheet-folder", type=click.Path(path_type=Path), default=Path(), help="Where the slide sheet lies.")
@click.option("--fields", type=click.IntRange(1), default=4, help="Fields that are read and judged.")
@click.option("--png", type=click.Path(path_type=Path), help="Draw curves and pictures into this file.")
@click.option("--row", "row_only", is_flag=True, help="Print the slide sheet's header and row and nothing else.")
def command(
    path: Path,
    pattern: str,
    pixel_um: float | None,
    z_step_um: float | None,
    configfile: tuple[Path, ...],
    sheet_folder: Path,
    fields: int,
    png: Path | None,
    row_only: bool,
) -> None:
    """Tell what PATH is: planes, z, pixel size, sharpness, whether it is fit for training, and its sheet row."""
    settings = load_settings(configfile)
    facts = find_facts(path, pattern)
    cells = cells_for(path, facts, sheet_folder, pixel_um, z_step_um)
    screen = _Screen(quiet=row_only)
    screen.say(click.style(str(path), bold=True))
    screen.table({**facts.told, **({"pattern": facts.pattern} if facts.pattern else {})})
    with quiet_log():
        if facts.source == "image":
            _image(path, pixel_um, cells, settings, screen, fields, png)
        else:
            _stacks(facts, cells, sheet_folder, settings, screen, fields, png)
    screen.say("\nRow for the slide sheet (patient and sample are to be filled in):")
    screen.quiet = False
    screen.say(sheet(cells))


def _stacks(
    facts: Facts,
    cells: dict[str, str],
    sheet_folder: Path,
    settings: Settings,
    screen: _Screen,
    most: int,
    png: Path | None,
) -> None:
    row, sources, missing = find(cells, sheet_folder, settings)
    first = sources[0]
    known = "not in the file" if "pixel_um" in missing else f"{first.pixel_um:.4g} µm"
    if abs(first.pixel_um / settings.optics.pixel_um - 1) > SAME_PIXEL:
        known += f", resampled to {settings.optics.pixel_um:g}"
    screen.table({"pixel size": known, "fields": str(len(sources))})
    judged = [judge(source, row, settings) for source in sources[:most]]
    for number, field in enumerate(judged):
        _field(field, screen, draw=number < CHARTS)
    if len(sources) > most:
        screen.say(f"\n{len(sources) - most} further fields were not read (--fields).")
    usable = [field for field in judged if not field.problems]
    unfit = [_lacking(column, number) for column, number in missing.items()]
    for field in judged:
        # one that the run would only leave out matters if there is no other
        unfit += [f"{field.name}: {problem}" for problem in field.problems if field.refused or not usable]
    _verdict(
        unfit,
        [f"{field.name} is left out: {field.problems[0]}" for field in judged if field.problems and usable]
        + [f"{field.name}: {note}" for field in judged for note in field.notes],
        screen,
    )
    if not unfit:
        cells["role"] = "train"
    elif all(has_two_shots(f.z_um, settings.protocol.delta_um, settings.refocus.position_tolerance_um) for f in judged):
        screen.say(f"It has planes {2 * settings.protocol.delta_um:g} µm apart, as role refocus needs them.")
    if png is not None:
        _draw_stacks(png, judged, settings, facts)


def _lacking(column: str, assumed: str) -> str:
    what = "pixel size" if column == "pixel_um" else "z positions"
    return f"no {what} in the file; put it in place of {UNKNOWN[column]} (judged here as if it were {assumed} µm)"


def _field(field: Judged, screen: _Screen, *, draw: bool) -> None:
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
) -> None:
    found = look(path, pixel_um, settings, most)
    size = f"{found.pixel_um:.4g} µm" if found.pixel_um else "not in the file"
    screen.table({"pixel size": size, "planes": "1: sharp, defocus would be simulated on it"})
    if pixel_um is None and found.pixel_um is None:
        cells["pixel_um"] = UNKNOWN["pixel_um"]
    cells["role"] = "train"
    _verdict(list(found.problems), list(found.notes), screen)
    if png is not None and found.fields:
        from tsva.cli.inspecting.picture import draw_fields  # matplotlib takes a second to import

        draw_fields(png, found.fields)


def _draw_stacks(png: Path, judged: list[Judged], settings: Settings, facts: Facts) -> None:
    from tsva.cli.inspecting.picture import draw_stacks

    drawn = [field for field in judged if field.stack is not None][:CHARTS]
    if not drawn:
        raise UserError(
            str(png), got=f"no {facts.source} that could be read", wanted="one", do="Mend what is told above."
        )
    draw_stacks(png, drawn, settings.protocol)


def _verdict(problems: list[str], notes: list[str], screen: _Screen) -> None:
    word = click.style("no", fg="red") if problems else click.style("yes", fg="green")
    screen.say(f"\nfit for training: {word}")
    for line in problems + notes:
        screen.say(f"  - {line}")


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

    def draw(self, field: Judged) -> None:
        """Draw a field's sharpness."""
        for line in chart(field.z_um, field.brenner, field.focus_plane, width=self._width, plain=self._plain):
            self.say(line)
