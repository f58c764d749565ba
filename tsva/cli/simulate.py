"""tsva simulate: z-stacks of a slide that no real microscope has taken, and the truth behind them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.readers.stack_file import write_stack
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import SimulateSettings
from tsva.simulation.simulate import SimulatedField, sharp_sampling, simulate_slide
from tsva.stage_files import STACK_COLUMNS, write_table

log = logging.getLogger(__name__)

COLUMNS = [
    *STACK_COLUMNS,
    "clean_file",
    "continuous_file",
    "continuous_clean_file",
    "continuous_z_um",
    "surface_file",
    "in_focus_file",
    "nuclei_file",
    "focus_z_um",
]


@click.command()
@settings_option(slide=SlideRow, settings=SimulateSettings, pairs=PairsSettings, optics=OpticsSettings)
@click.option("--seed", type=int, required=True, help="Of every draw.")
@click.option(
    "--sheet-folder", type=click.Path(path_type=Path), required=True, help="What paths in the sheet start from."
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def command(
    slide: SlideRow,
    settings: SimulateSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    seed: int,
    sheet_folder: Path,
    threads: int,
    out: Path,
) -> None:
    """Simulate a slide: digital tissue, or sharp real fields, at every stage position."""
    count = slide.fields or settings.fields[slide.role]
    sharp = (
        _sharp_fields(slide, count, sharp_sampling(settings, optics), sheet_folder) if slide.source == "image" else ()
    )
    rows, test = [], slide.role in ("dataset1", "dataset2")
    with fresh_folder(out) as folder:
        (folder / "stacks").mkdir()
        (folder / "truth").mkdir()
        fields = simulate_slide(slide, settings, pairs, optics, seed=seed, sharp=sharp, threads=threads)
        for field in tqdm(fields, desc=f"simulate {slide.slide}", total=count, disable=None):
            rows.append({"slide": slide.slide, **_write(field, folder, test=test)})
        table = pd.DataFrame(rows, columns=COLUMNS)
        table = table.astype(dict.fromkeys(("planes", "height_px", "width_px", "channels"), "Int64"))
        write_table(folder / "fields.tsv", table)
    usable = int((table["reason"] == "").sum())
    log.info("%s: %d fields simulated, %d left out", slide.slide, usable, len(table) - usable)


def _sharp_fields(
    slide: SlideRow, left: int, sampling: tuple[float, tuple[int, int]], sheet_folder: Path
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Fields of all files behind a slide; each file gives an even share, and what it can't give the next ones may."""
    from tsva.readers.slide import read_sharp_fields  # OpenSlide's library is needed for real images alone

    place = sheet_folder / slide.path
    files = [place] if place.is_file() else sorted(path for path in place.parent.glob(place.name) if path.is_file())
    if not files:
        raise UserError(
            f"slide {slide.slide}, column path",
            got=str(place),
            wanted="an image or slide, or a pattern that matches some",
            do="Correct the path; it is relative to the sheet.",
        )
    twins = [file for file in files if [other.stem for other in files].count(file.stem) > 1]
    if twins:
        raise UserError(
            f"slide {slide.slide}, column path",
            got=f"{twins[0].name} and {twins[1].name}",
            wanted="files of different names: they name the fields",
            do="Rename one of them.",
        )
    for index, file in enumerate(files):
        share = math.ceil(left / (len(files) - index))
        if share == 0:
            return
        for name, picture, reason in read_sharp_fields(file, slide.pixel_um, *sampling, share):
            left -= not reason
            yield name, picture, reason


def _write(field: SimulatedField, folder: Path, *, test: bool) -> dict[str, object]:
    """Write a field's files; its cells of the table. Only test slides are scored at their drawn shots without noise."""
    if field.stack is None:
        return {"field": field.name, "reason": field.reason}
    stack, truth = field.stack, f"truth/{field.name}_"
    planes, height, width, channels = stack.planes.shape
    cells: dict[str, object] = {
        "field": field.name,
        "file": f"stacks/{field.name}.ome.tif",
        "planes": planes,
        "height_px": height,
        "width_px": width,
        "channels": channels,
        "pixel_um": stack.pixel_um,
        "z_first_um": stack.z_um[0],
        "z_last_um": stack.z_um[-1],
        "z_step_um": stack.z_step_um,
        "reason": "",
        "focus_z_um": field.focus_z_um,
    }
    write_stack(folder / str(cells["file"]), stack)
    if field.clean is not None:
        cells["clean_file"] = f"{truth}clean.ome.tif"
        write_stack(folder / str(cells["clean_file"]), field.clean)
    if field.continuous is not None and field.continuous_z_um is not None and len(field.continuous):
        cells["continuous_file"] = f"{truth}continuous.npy"
        cells["continuous_z_um"] = ",".join(f"{z:.6f}" for z in field.continuous_z_um)
        np.save(folder / str(cells["continuous_file"]), field.continuous)
        if test and field.continuous_clean is not None:
            cells["continuous_clean_file"] = f"{truth}continuous_clean.npy"
            np.save(folder / str(cells["continuous_clean_file"]), field.continuous_clean)
    if field.surface_um is not None:
        cells["surface_file"] = f"{truth}surface.npy"
        np.save(folder / str(cells["surface_file"]), field.surface_um)
    if field.in_focus is not None:
        cells["in_focus_file"] = f"{truth}in_focus.npy"
        np.save(folder / str(cells["in_focus_file"]), field.in_focus)
    if field.nuclei is not None:
        cells["nuclei_file"] = f"{truth}nuclei.tsv"
        write_table(folder / str(cells["nuclei_file"]), field.nuclei)
    return cells
