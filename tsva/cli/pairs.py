"""tsva pairs: the patches of one slide, cut out of its z-stacks."""

from __future__ import annotations

import logging
from pathlib import Path

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from tsva.acquisition.pairs import alignments, cut, plan, plane_at, reachable_planes
from tsva.acquisition.registration import all_aligned
from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.readers.stack_file import read_stack
from tsva.settings.acquisition import PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.stage_files import Rows, read_array, read_table, write_table

log = logging.getLogger(__name__)


@click.command()
@settings_option(slide=SlideRow, settings=PairsSettings)
@click.option("--seed", type=int, required=True, help="Of the patches' offsets.")
@click.option("--ingest", type=click.Path(path_type=Path), required=True, help="The slide's folder of z-stacks.")
@click.option("--focus", type=click.Path(path_type=Path), required=True, help="The slide's folder of verdicts.")
@click.option("--simulated", type=click.Path(path_type=Path), help="The slide's folder of simulated truth.")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that tables' paths start from.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def command(
    slide: SlideRow,
    settings: PairsSettings,
    seed: int,
    ingest: Path,
    focus: Path,
    simulated: Path | None,
    results: Path,
    out: Path,
) -> None:
    """Cut a slide's patches, with every plane that offsets can reach, and list what was left out."""
    ingested, focused, patches = (
        read_table(folder) for folder in (ingest / "fields.tsv", focus / "fields.tsv", focus / "patches.tsv")
    )
    truth = pd.DataFrame() if simulated is None else read_table(simulated / "fields.tsv")
    patches = _known_focus(patches, truth, simulated or Path(), settings.patch_px)
    moves, unusable = (
        alignments(read_table(focus / "planes.tsv"), focused, patches, settings) if settings.align_planes else ({}, {})
    )
    used, excluded = plan(
        slide,
        ingested,
        focused,
        patches,
        settings,
        seed=seed,
        array=(out.absolute().relative_to(results.absolute()) / "patches.npy").as_posix(),
        unusable=unusable,
    )
    files = dict(zip(ingested["field"].astype(str), ingested["file"], strict=True))
    with fresh_folder(out) as folder:
        channels = int(used["channels"].iloc[0]) if len(used) else 3
        shape = (2 * settings.reach_planes + 1, settings.patch_px, settings.patch_px, channels)
        array = Rows(folder / "patches.npy", (len(used), *shape))
        for field, rows in tqdm(used.groupby("field", sort=False), desc=f"pairs {slide.slide}", disable=None):
            stack = read_stack(ingest / str(files[str(field)]))
            for target, of_target in rows.groupby("target_plane"):
                planes = reachable_planes(stack, int(str(target)), settings)
                if str(field) in moves:
                    planes = _aligned(planes, int(str(target)), moves[str(field)], settings)
                array.write(of_target.index, cut(planes, of_target, settings.patch_px))
        used = _cut_truth(used, truth, simulated or Path(), folder, settings)
        write_table(folder / "patches.tsv", used)
        write_table(folder / "excluded.tsv", excluded)
    log.info("%s: %d patches, %d fields or patches left out", slide.slide, len(used), len(excluded))


def _known_focus(patches: pd.DataFrame, truth: pd.DataFrame, simulated: Path, patch_px: int) -> pd.DataFrame:
    """The patches with their true focus where it is known: the mean height of the focal surface over the patch."""
    if not len(truth) or "surface_file" not in truth or not len(patches):
        return patches
    files = {str(row["field"]): row["surface_file"] for row in truth.to_dict("records") if _named(row["surface_file"])}
    patches = patches.copy()
    for field, rows in patches.groupby("field"):
        if str(field) in files:
            surface_um = read_array(simulated / files[str(field)])
            of_patches = cut(surface_um[..., None], rows, patch_px)
            patches.loc[rows.index, "focus_z_um"] = of_patches.mean(axis=(1, 2, 3), dtype=np.float64)
    return patches


def _aligned(planes: np.ndarray, target: int, moves: pd.DataFrame, settings: PairsSettings) -> np.ndarray:
    move = moves[(moves["plane"] - target).abs() <= settings.reach_planes]
    return all_aligned(planes, move["scale_trend"].to_numpy(), move[["shift_y_px", "shift_x_px"]].to_numpy())


def _cut_truth(
    used: pd.DataFrame, truth: pd.DataFrame, simulated: Path, folder: Path, settings: PairsSettings
) -> pd.DataFrame:
    """Cut the noise-free targets and the shots at continuous offsets; say in the table which patches have them.

    All files are always written: of real slides they hold nothing.
    """
    fields, patch_px = {row["field"]: row for row in truth.to_dict("records")}, settings.patch_px
    draws = max((len(_positions_um(row)) for row in fields.values()), default=0)
    channels = int(used["channels"].iloc[0]) if len(used) else 3
    clean = Rows(folder / "clean.npy", (len(used) if fields else 0, patch_px, patch_px, channels))
    shape = (draws, 2, patch_px, patch_px, channels)
    continuous = Rows(folder / "continuous.npy", (len(used) if draws else 0, *shape))
    noise_free = any(_named(row.get("continuous_clean_file")) for row in fields.values())
    continuous_clean = Rows(folder / "continuous_clean.npy", (len(used) if noise_free else 0, *shape))
    used, offsets = used.copy(), []
    for field, rows in used.groupby("field", sort=False) if fields else ():
        row = fields[str(field)]
        plane = _noise_free(row, simulated, float(rows["focus_z_um"].iloc[0]), settings)
        if plane is not None:
            clean.write(rows.index, cut(plane, rows, patch_px))
            used.loc[rows.index, "has_clean"] = 1
        if _named(row["continuous_file"]):
            shots = read_array(simulated / row["continuous_file"])
            continuous.write(rows.index, cut(shots, rows, patch_px))
            if _named(row.get("continuous_clean_file")):
                clean_shots = read_array(simulated / row["continuous_clean_file"])
                continuous_clean.write(rows.index, cut(clean_shots, rows, patch_px))
            used.loc[rows.index, "draws"] = len(shots)
            from_um = rows["target_z_um"] - rows["target_offset_um"]
            positions_um = _positions_um(row)
            offsets += [
                (index, draw, z - from_um[index]) for index in rows.index for draw, z in enumerate(positions_um)
            ]
    write_table(folder / "continuous.tsv", pd.DataFrame(offsets, columns=["index", "draw", "focal_offset_um"]))
    return used


def _noise_free(row: dict, simulated: Path, focus_z_um: float, settings: PairsSettings) -> np.ndarray | None:
    """What a field's patches should be, without noise: each place in focus, or the field's plane in focus."""
    if settings.truth == "patch":
        file = row.get("in_focus_file")
        return read_array(simulated / str(file)) if _named(file) else None
    return plane_at(read_stack(simulated / row["clean_file"]), focus_z_um) if _named(row["clean_file"]) else None


def _positions_um(row: dict) -> list[float]:
    """Middle positions of the continuous draws of a field; none where there are no draws."""
    cell = row["continuous_z_um"]
    return [float(part) for part in str(cell).split(",")] if _named(row["continuous_file"]) else []


def _named(cell: object) -> bool:
    return isinstance(cell, str) and cell != ""
