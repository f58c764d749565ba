"""tsva focus: the in-focus planes of a slide's fields and patches, and which of them to leave out."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click
import pandas as pd
from tqdm import tqdm

from tsva.acquisition.focus import focus_field, summarise
from tsva.acquisition.registration import breathing, drift
from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.readers.stack_file import read_stack
from tsva.settings.acquisition import PairsSettings
from tsva.settings.ingest import FocusSettings
from tsva.stage_files import read_table, write_table

log = logging.getLogger(__name__)
FIELD_COLUMNS = [
    "slide",
    "field",
    "verdict",
    "reason",
    "focus_plane",
    "focus_z_um",
    "peak_ratio",
    "tissue_fraction",
    "focal_offset_um",
    "max_shift_px",
    "max_edge_shift_px",
]


@click.command()
@settings_option(settings=FocusSettings, pairs=PairsSettings)
@click.option("--ingest", type=click.Path(path_type=Path), required=True, help="The slide's folder of z-stacks.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def command(settings: FocusSettings, pairs: PairsSettings, ingest: Path, out: Path) -> None:
    """Find the in-focus plane of every field and patch of a slide, and say where there is none to be believed."""
    ingested = read_table(ingest / "fields.tsv")
    taken = ingested[ingested["reason"] == ""].to_dict("records")
    planes, rows, patches = [], [], []
    for field in tqdm(taken, desc=f"focus {ingest.name}", disable=None):
        mosaic_px = None if pd.isna(field["mosaic_px"]) else int(field["mosaic_px"])
        if mosaic_px is not None and mosaic_px % pairs.patch_px:
            raise UserError(
                f"{ingest}, field {field['field']}",
                got=f"patches of {mosaic_px} pixels, cut before they came here",
                wanted=f"a multiple of pairs.patch_px ({pairs.patch_px})",
                do="Set pairs.patch_px accordingly.",
            )
        stack = read_stack(ingest / field["file"])
        of_planes, row, of_patches = focus_field(field["field"], stack, pairs.patch_px, mosaic_px, settings)
        planes.append(of_planes)
        rows.append({"slide": field["slide"], **row})
        patches.append(of_patches)
        if row["verdict"] != "ok":
            log.warning("%s, field %s: %s (%s)", ingest.name, field["field"], row["verdict"], row["reason"])
        warnings = [look(row, settings.max_edge_shift_px) for look in (drift, breathing) if row["verdict"] == "ok"]
        for warning in filter(None, warnings):
            log.warning("%s, field %s: %s", ingest.name, field["field"], warning)
    # positions that each count from a first plane of its own don't lie on one scale
    shared = all(str(field.get("z_absolute", True)) == "True" for field in taken)
    fields, summary = summarise(pd.DataFrame(rows), pairs.offset_sd_um, shared_z=shared)
    with fresh_folder(out) as folder:
        write_table(folder / "planes.tsv", pd.concat(planes))
        write_table(folder / "fields.tsv", fields[FIELD_COLUMNS])
        write_table(folder / "patches.tsv", pd.concat(patches))
        (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    scatter_um = summary["focal_offset_sd_um"]
    log.info("%s: %s of %s fields usable", ingest.name, summary["usable"], summary["fields"])
    if scatter_um is not None:
        log.info("focal positions scatter by %.2f µm about the first (assumed: %g)", scatter_um, pairs.offset_sd_um)
