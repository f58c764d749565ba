"""tsva refocus-fields: a trained network on the fields that the ingest stage read, without training or truth."""

from __future__ import annotations

import logging
from pathlib import Path

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from tsva.acquisition.pair import Pair, shots_about
from tsva.acquisition.stack import Stack
from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.readers.stack_file import read_stack, write_stack
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.restoration import RefocusSettings
from tsva.stage_files import read_table, write_table

log = logging.getLogger(__name__)


@click.command()
@click.option("--checkpoint", type=click.Path(path_type=Path), required=True, help="model.ckpt of the train stage.")
@click.option("--ingest", type=click.Path(path_type=Path), required=True, help="The slide's folder of z-stacks.")
@settings_option(settings=RefocusSettings, pairs=PairsSettings, optics=OpticsSettings)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for images and fields.tsv.")
def command(
    checkpoint: Path,
    ingest: Path,
    settings: RefocusSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    threads: int,
    out: Path,
) -> None:
    """Restore each field of a slide from the two shots about F."""
    import torch

    from tsva.restoration.checkpoint import load
    from tsva.restoration.refocus import NetworkMethod

    torch.set_num_threads(threads)
    held = load(checkpoint)
    method = NetworkMethod(held.restored_network(), settings)
    for difference in held.outside_training(optics):
        log.warning("slide %s: %s; expect less of the result", ingest.name, difference)
    fields = read_table(ingest / "fields.tsv")
    done: list[dict[str, object]] = []
    strange: list[str] = []
    with fresh_folder(out) as folder:
        (folder / "images").mkdir()
        for row in tqdm(fields.to_dict("records"), desc=f"refocus {ingest.name}", disable=None):
            name, file = str(row["field"]), f"images/{row['field']}.ome.tif"
            if row["reason"]:
                done.append({"field": name, "file": "", "reason": row["reason"]})
                continue
            stack = read_stack(ingest / str(row["file"]))
            where = f"slide {ingest.name}, field {name}"
            held.check_fits(checkpoint, where, stack.pixel_um, stack.planes.shape[3], pairs.delta_um)
            low, high = shots_about(
                stack.z_um,
                settings.initial_focal_position_um,
                pairs.delta_um,
                tolerance_um=settings.position_tolerance_um,
                where=where,
            )
            restored = method([Pair(stack.planes[low], stack.planes[high], pairs.delta_um, optics)]).images
            if phrase := held.strange_colours([stack.planes[low]]):
                strange.append(f"field {name}: {phrase}")
            middle_um = float(stack.z_um[low] + stack.z_um[high]) / 2
            write_stack(folder / file, Stack(restored, np.array([middle_um]), stack.pixel_um))
            low_um, high_um = float(stack.z_um[low]), float(stack.z_um[high])
            done.append({"field": name, "file": file, "low_z_um": low_um, "high_z_um": high_um, "reason": ""})
        columns = ["field", "file", "low_z_um", "high_z_um", "reason"]
        write_table(folder / "fields.tsv", pd.DataFrame(done, columns=columns))
    if strange:
        log.warning("slide %s: %s (%d fields so); expect less of the result", ingest.name, strange[0], len(strange))
    log.info("%s: %d of %d fields restored", ingest.name, sum(not row["reason"] for row in done), len(done))
