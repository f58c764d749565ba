"""tsva ingest: a slide's z-stacks, read, checked and written as OME-TIFF."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from tsva.acquisition.brightness import BrightnessRecorder, check_brightness, check_places, gains, matched, spread
from tsva.acquisition.ingest import check_positions, check_step, checked, cropped, resulting_pixel_um
from tsva.acquisition.stack import SAME_PIXEL, regular_step_um
from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.scale import check_enlarging, reduction_note
from tsva.readers.source import FieldSource, facts_of, files_of
from tsva.readers.stack_file import read_stack, write_planes
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.ingest import IngestSettings
from tsva.settings.sheet import SlideRow
from tsva.stage_files import STACK_COLUMNS, read_table, write_table

log = logging.getLogger(__name__)
COLUMNS = [
    *STACK_COLUMNS,
    "source_pixel_um",
    "mosaic_px",
    "pixel_source",
    "z_source",
    "z_absolute",
    "notes",
    "brightness_spread",
    "brightness_matched",
    "digest",
]
PLANE_COLUMNS = ["field", "plane", "z_um", "brightness_1", "brightness_2", "brightness_3", "darkest", "brightest"]
Row = dict[str, object]


class IngestedField(NamedTuple):
    """A field's row, those of its planes, and what its files say."""

    row: Row
    planes: list[Row]
    facts: dict[str, object]


WHOLE = ("planes", "height_px", "width_px", "channels", "mosaic_px")


@click.command()
@settings_option(slide=SlideRow, settings=IngestSettings, pairs=PairsSettings, optics=OpticsSettings)
@click.option(
    "--sheet-folder", type=click.Path(path_type=Path), required=True, help="What paths in the sheet start from."
)
@click.option("--simulated", type=click.Path(path_type=Path), help="The simulate stage's folder of this slide.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def command(
    slide: SlideRow,
    settings: IngestSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    sheet_folder: Path,
    simulated: Path | None,
    out: Path,
) -> None:
    """Read a slide's z-stacks, check them, and write each field as OME-TIFF at the common pixel size."""
    with fresh_folder(out) as folder:
        (folder / "stacks").mkdir()
        files: dict[str, object] = {}
        if simulated is not None:
            taken = _take_simulated(simulated, folder, slide, pairs, optics)
        else:
            files, taken = _take_in(folder, slide, settings, pairs, optics, sheet_folder)
        rows = [field.row for field in taken]
        table = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(WHOLE, "Int64"))
        if not (table["reason"] == "").any():
            raise UserError(
                f"slide {slide.slide}",
                got=f"no usable field ({table['reason'].iloc[0]})" if len(table) else "no field at all",
                wanted="at least one field",
                do="Give the slide another image, or take it out of the sheet.",
            )
        write_table(folder / "fields.tsv", table)
        _write_facts(folder / "inputs.json", slide, files, [field.facts for field in taken])
        planes = [plane for field in taken for plane in field.planes]
        write_table(folder / "planes.tsv", pd.DataFrame(planes, columns=PLANE_COLUMNS))
    usable = int((table["reason"] == "").sum())
    log.info("%s: %d fields taken in, %d left out", slide.slide, usable, len(table) - usable)


def _take_in(
    folder: Path,
    slide: SlideRow,
    settings: IngestSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    sheet_folder: Path,
) -> tuple[dict[str, object], list[IngestedField]]:
    """Read, check and write the fields of the user's files, one at a time; tells which files these are."""
    sources = find_fields(slide, sheet_folder, settings.max_field_px)
    for source in sources:
        _check(source, slide, settings, pairs, optics)
    taken: list[IngestedField] = []
    for source in tqdm(sources, desc=f"ingest {slide.slide}", disable=None):
        file = f"stacks/{source.name}.ome.tif"
        watch = BrightnessRecorder()
        pixel_um, shape = write_field(source, folder / file, optics.pixel_um, watch, crop=settings.crop_planes)
        check_places(watch.planes, source.where)
        _check_new(source, watch, taken)
        notes = [
            check_brightness(watch.planes, source.where, settings, slide.role),
            reduction_note(source.pixel_um, source.pixel_source, optics.pixel_um),
        ]
        warnings = [note for note in notes if note]
        for warning in warnings:
            log.warning("%s: %s", source.where, warning)
        if settings.match_brightness:
            _match(folder / file, watch, source.where)
        resampled = pixel_um != source.pixel_um
        if resampled:
            log.info("%s: resampled from %.4g to %.4g µm per pixel", source.where, source.pixel_um, pixel_um)
        row = {
            **_row(slide, source.name, file, shape, np.array(source.z_um), pixel_um, watch),
            "source_pixel_um": source.pixel_um if resampled else None,
            "mosaic_px": source.mosaic_px,
            "brightness_matched": int(settings.match_brightness),
            **sources_of(source),
        }
        facts = {**facts_of(source), "brightness": [list(plane.means) for plane in watch.planes], "warnings": warnings}
        taken.append(IngestedField(row, _planes(source.name, source.z_um, watch), facts))
    return files_of(slide, sheet_folder, sources), taken


def _check_new(source: FieldSource, watch: BrightnessRecorder, taken: list[IngestedField]) -> None:
    """Refuse the pixels of a field that the slide has already, under whatever name: they would count twice."""
    is_even = all(plane.darkest == plane.brightest for plane in watch.planes)  # as overexposed glass is
    for other in taken:
        if other.row["digest"] == watch.digest and not is_even:
            raise UserError(
                source.where,
                got=f"field {source.name} with the pixels of field {other.row['field']}",
                wanted="each field once",
                do="Take the copy out of the sheet's column path.",
            )


def _write_facts(path: Path, slide: SlideRow, files: dict[str, object], fields: list[dict[str, object]]) -> None:
    """What is reported of a slide's files, as `tsva inspect --json` prints it; amber if there is more to know."""
    reasons: list[object] = []
    for key in ("notes", "warnings"):
        reasons += [note for field in fields for note in cast("list[str]", field.get(key, []))]
    light = "amber" if reasons else "green"
    row = {"slide": slide.slide, "role": slide.role, "source": slide.source, "path": slide.path}
    facts = {**row, "files": files, "light": light, "reasons": list(dict.fromkeys(reasons)), "fields": fields}
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def sources_of(source: FieldSource) -> dict[str, object]:
    """Who says what of a field, for the table and the report."""
    return {
        "pixel_source": source.pixel_source,
        "z_source": source.z_source,
        "z_absolute": source.z_absolute,
        "notes": "; ".join(source.notes),
    }


def _match(path: Path, watch: BrightnessRecorder, where: str) -> None:
    """Write a stack anew with all planes at the same brightness."""
    stack = read_stack(path)
    factors = gains(np.array([plane.means for plane in watch.planes]))
    part = path.with_name(f"matched-{path.name}")
    write_planes(part, matched(stack.planes, factors), stack.z_um, stack.pixel_um)
    part.replace(path)
    log.info("%s: brightness matched, by factors of %.3f to %.3f", where, factors.min(), factors.max())


def write_field(
    source: FieldSource, path: Path, common_pixel_um: float, watch: BrightnessRecorder, *, crop: bool = False
) -> tuple[float, tuple[int, int, int]]:
    """Read, check, measure and write a field plane by plane; gives the pixel size and a plane's shape as written."""
    stored = cropped(source.planes, source.where) if crop else source.planes()
    planes = checked(
        watch.over(stored), source.plane_names, source.pixel_um, source.where, common_pixel_um=common_pixel_um
    )
    pixel_um = resulting_pixel_um(source.pixel_um, common_pixel_um)
    return pixel_um, write_planes(path, planes, np.array(source.z_um), pixel_um)


def _check(
    source: FieldSource, slide: SlideRow, settings: IngestSettings, pairs: PairsSettings, optics: OpticsSettings
) -> None:
    """Refuse a field before any of its pixels is read."""
    check_enlarging(source.where, source.pixel_um, source.pixel_source, optics.pixel_um)
    regular = settings.require_regular_z
    check_positions(source.z_um, source.plane_names, source.where, regular=regular)
    if regular and slide.role != "refocus":
        check_step(source.z_um, pairs.z_step_um, source.where)
    if source.mosaic_px is not None and abs(optics.pixel_um / source.pixel_um - 1) > SAME_PIXEL:
        raise UserError(
            source.where,
            got=f"patches with pixels of {source.pixel_um:g} µm",
            wanted=f"{optics.pixel_um:g} µm (optics.pixel_um), as patches that are already cut can't be resampled",
            do="Set optics.pixel_um to the patches' pixel size, or correct the sheet's column pixel_um.",
        )


def _take_simulated(
    simulated: Path, folder: Path, slide: SlideRow, pairs: PairsSettings, optics: OpticsSettings
) -> list[IngestedField]:
    """Take over the stacks of the simulate stage, without copying where the disk can link them."""
    taken: list[IngestedField] = []
    for cells in read_table(simulated / "fields.tsv").to_dict("records"):
        if cells["reason"]:
            row = {"slide": slide.slide, "field": cells["field"], "file": "", "reason": cells["reason"]}
            taken.append(IngestedField(row, [], {"field": cells["field"], "reason": cells["reason"]}))
            continue
        file = simulated / str(cells["file"])
        stack = read_stack(file)
        check_step(stack.z_um.tolist(), pairs.z_step_um, str(file))
        if abs(stack.pixel_um / optics.pixel_um - 1) > SAME_PIXEL:
            raise UserError(
                str(file),
                got=f"pixels of {stack.pixel_um:g} µm",
                wanted=f"{optics.pixel_um:g} µm (optics.pixel_um)",
                do="Simulate with cameras of the nominal pixel size.",
            )
        field = str(cells["field"])
        own = f"stacks/{field}.ome.tif"
        watch = BrightnessRecorder()
        deque(watch.over(stack.planes), maxlen=0)
        row = _row(slide, field, own, stack.planes.shape[1:], stack.z_um, stack.pixel_um, watch)
        planes = _planes(field, stack.z_um.tolist(), watch)
        facts = {"field": field, "planes": len(stack.planes), "z_um": stack.z_um.tolist(), "pixel_um": stack.pixel_um}
        taken.append(IngestedField({**row, "brightness_matched": 0, "z_absolute": True}, planes, facts))
        _link(file, folder / own)
    return taken


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _row(
    slide: SlideRow,
    field: str,
    file: str,
    shape: tuple[int, ...],
    z_um: np.ndarray,
    pixel_um: float,
    watch: BrightnessRecorder,
) -> dict[str, object]:
    height, width, channels = shape
    return {
        "slide": slide.slide,
        "field": field,
        "file": file,
        "planes": len(z_um),
        "height_px": height,
        "width_px": width,
        "channels": channels,
        "pixel_um": pixel_um,
        "z_first_um": z_um[0],
        "z_last_um": z_um[-1],
        "z_step_um": regular_step_um(z_um),
        "reason": "",
        "brightness_spread": spread(watch.planes),
        "digest": watch.digest,
    }


def _planes(field: str, z_um: Sequence[float], watch: BrightnessRecorder) -> list[Row]:
    """Brightness of a field's planes as stored."""
    rows: list[Row] = []
    for number, plane in enumerate(watch.planes):
        row: Row = {"field": field, "plane": number, "z_um": z_um[number]}
        row |= {f"brightness_{channel}": mean for channel, mean in enumerate(plane.means, start=1)}
        rows.append({**row, "darkest": plane.darkest, "brightest": plane.brightest})
    return rows
