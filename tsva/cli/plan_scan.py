"""tsva plan-scan: how long a scan takes with a stack, a focus map or two shots for each tile."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from tsva.atomic import fresh_file
from tsva.errors import UserError
from tsva.evaluation.scan_plan import MAP, STACK, TWO_SHOTS, ScanTime, grid, map_time, plan
from tsva.settings.evaluation import ScanSettings

MAPS = (1, 2, 4, 9, 16, 25, 49, 100)
PARTS = {"moving_s": "moving", "settling_s": "settling", "exposing_s": "exposure and readout"}
MOST_TILES = 500_000
"""More than a whole slide of 25 by 75 mm has at a magnification of 100."""
FORMATS = (".svg", ".png", ".pdf")


def scan_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for every field of the settings, with its default and its sentence."""
    for name, field in reversed(ScanSettings.model_fields.items()):
        option = click.option(
            f"--{name.replace('_', '-')}",
            name,
            type=field.annotation,
            default=field.default,
            show_default=True,
            help=field.description,
        )
        command = option(command)
    return command


@click.command()
@scan_options
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the numbers here.")
@click.option("--figure", type=click.Path(path_type=Path, dir_okay=False), help="Draw them here (.svg, .png, .pdf).")
def command(json_file: Path | None, figure: Path | None, **values: Any) -> None:
    """Minutes a slide: a stack at every tile, a focus map, or two shots at every tile.

    The defaults are an example, not a scanner: give your own scanner's numbers.
    """
    scan = _checked(values)
    if figure is not None and figure.suffix.lower() not in FORMATS:
        raise UserError(
            "--figure", got=str(figure), wanted=f"a name that ends in {', '.join(FORMATS)}", do="Name it so."
        )
    tiles = math.prod(grid(scan))
    if tiles > MOST_TILES:
        raise UserError(
            "the area, the tile and --overlap",
            got=f"{tiles} tiles",
            wanted=f"at most {MOST_TILES}",
            do="Give a smaller area, a larger tile or less overlap.",
        )
    times = plan(scan)
    click.echo(table(scan, times))
    if json_file is not None:
        with fresh_file(json_file) as path:
            path.write_text(json.dumps(numbers(scan, times), indent=1) + "\n", encoding="utf-8")
    if figure is not None:
        with fresh_file(figure) as path:
            draw(scan, times, path, figure.suffix.lower().removeprefix("."))


def _checked(values: dict[str, Any]) -> ScanSettings:
    try:
        return ScanSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "delta_um"
        raise UserError(
            f"--{name.replace('_', '-')}",
            got=str(values[name]),
            wanted=first["msg"].removeprefix("Input should be ").removeprefix("Value error, "),
            do="Give another number.",
        ) from None


def table(scan: ScanSettings, times: list[ScanTime]) -> str:
    """Lines for the terminal."""
    columns, rows = grid(scan)
    head = f"{columns * rows} tiles ({columns} x {rows}), {scan.planes} planes, a map from every {scan.map_every}. tile"
    lines = [head, "", f"{'':<22}{'shots':>8}{'scanner':>10}{'computing':>11}{'in focus after':>16}"]
    for time in times:
        lines.append(
            f"{time.scheme:<22}{time.shots:>8}{time.scanner_min:>6.1f} min"
            f"{time.computing_s / 60:>7.1f} min{time.beside_min:>12.1f} min"
        )
    by_scheme = {time.scheme: time for time in times}
    two, stack, focus_map = (by_scheme[name] for name in (TWO_SHOTS, STACK, MAP))
    return "\n".join(
        [
            *lines,
            "",
            f"On the scanner, two shots take {two.scanner_min / stack.scanner_min:.0%} of the time of stacks"
            f" and {two.scanner_min / focus_map.scanner_min:.0%} of a focus map's.",
        ]
    )


def numbers(scan: ScanSettings, times: list[ScanTime]) -> dict[str, Any]:
    """Settings and times, seconds by part, as the file holds them."""
    return {
        "settings": scan.model_dump(),
        "schemes": [
            vars(time) | {"scanner_min": time.scanner_min, "beside_min": time.beside_min, "after_min": time.after_min}
            for time in times
        ],
        "map_every": [{"map_every": k, "scanner_min": map_time(scan, k).scanner_min} for k in MAPS],
    }


def draw(scan: ScanSettings, times: list[ScanTime], path: Path, kind: str) -> None:
    """Bars of the scanner's minutes by what they go to; beside them, a focus map's minutes by its density."""
    import matplotlib as mpl  # numbers alone don't wait for it
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    bars, curve = figure.subplots(1, 2, width_ratios=(3, 2))
    names = [time.scheme for time in times]
    left = [0.0] * len(times)
    for part, label in PARTS.items():
        minutes = [getattr(time, part) / 60 for time in times]
        bars.barh(names, minutes, left=left, label=label)
        left = [a + b for a, b in zip(left, minutes, strict=True)]
    for time in times:
        if time.computing_s:
            bars.plot(time.computing_s / 60, time.scheme, "kD", markersize=5, label="computing, beside the scan")
    bars.invert_yaxis()
    bars.set_xlabel("minutes a slide")
    bars.legend(fontsize="small")
    curve.semilogx(MAPS, [map_time(scan, k).scanner_min for k in MAPS], "o-", label=MAP)
    for time, style in zip([t for t in times if t.scheme != MAP], ("k--", "k:"), strict=True):
        curve.axhline(time.scanner_min, linestyle=style[1:], color="black", label=time.scheme)
    curve.set_xticks(MAPS, map(str, MAPS))
    curve.minorticks_off()
    curve.set_xlabel("tiles to a stack of the focus map")
    curve.set_ylabel("minutes on the scanner")
    curve.set_ylim(bottom=0)
    curve.legend(fontsize="small")
    with mpl.rc_context({"svg.hashsalt": "tsva", "svg.fonttype": "none"}):
        figure.savefig(path, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
