"""tsva spectrum: the mean power spectrum of training patches in focus."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd

from tsva.acquisition.shot_spectra import shot_spectra
from tsva.acquisition.spectrum import signal_table
from tsva.atomic import fresh_file
from tsva.errors import UserError
from tsva.stage_files import read_array, read_table, write_table

log = logging.getLogger(__name__)

PATCHES = 30
"""Whose planes' cross-spectra are averaged, spread over the training slides: seconds, and with some 1e5 frequencies a
ring at most rings far more than the filters' eighteen numbers."""


@click.command()
@click.option("--table", type=click.Path(path_type=Path), required=True, help="pairs/train.tsv")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder that its paths start from.")
@click.option("--z-step-um", type=click.FloatRange(min=0, min_open=True), required=True, help="Of the stacks.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="signal.tsv")
@click.option("--shots", type=click.Path(path_type=Path), required=True, help="shots.npz")
def command(table: Path, results: Path, z_step_um: float, out: Path, shots: Path) -> None:
    """Average training patches' spectra: in focus without noise, and of all planes with the ground truth."""
    rows = read_table(table)
    if rows.empty:
        raise UserError(str(table), got="no patches", wanted="some training patches", do="Add slides of role train.")
    arrays = [read_array(results / name) for name in sorted(set(rows["array"]))]
    found = signal_table((array[:, array.shape[1] // 2] for array in arrays), float(rows["pixel_um"].median()))
    with fresh_file(out) as path:
        write_table(path, found)
    log.info("%s: %d patches", out, len(rows))
    clean = bool(rows["has_clean"].any())
    chosen = rows[rows["has_clean"] == 1] if clean else rows
    chosen = chosen.iloc[np.unique(np.linspace(0, len(chosen) - 1, PATCHES).round().astype(int))]
    planes = arrays[0].shape[1]
    z_um = (np.arange(planes) - planes // 2) * z_step_um
    spectra = shot_spectra(_patches(chosen, results, clean, z_step_um), z_um, clean=clean)
    with fresh_file(shots) as path:
        np.savez(path, gram=spectra.gram, z_um=spectra.z_um, clean=spectra.clean, patches=spectra.patches)
    log.info("%s: %d patches, ground truth %s", shots, spectra.patches, "noise-free" if clean else "as captured")


def _patches(
    rows: pd.DataFrame, results: Path, clean: bool, z_step_um: float
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Stacks of training patches, what they should become, and how many steps above the true focus the middle lies."""
    for name, index, beside_um in zip(rows["array"], rows["index"], rows["target_offset_um"], strict=True):
        stack = np.asarray(read_array(results / name)[index])
        truth = read_array((results / name).with_name("clean.npy"))[index] if clean else stack[len(stack) // 2]
        # a captured truth shares its plane's noise, which no other plane shall have
        yield stack, np.asarray(truth), beside_um / z_step_um if clean else 0.0
