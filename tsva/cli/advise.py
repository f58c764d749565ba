"""tsva advise: which distance of the two shots suits these optics and this focal spread."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click
import pandas as pd
from tqdm import tqdm

from tsva.acquisition.spectrum import signal_table
from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.evaluation.advise import METHODS, Bench, best, curves, in_focus, measure
from tsva.optics.pupil import travel_per_depth
from tsva.restoration.baselines.plane import Signal
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.evaluation import AdviseSettings
from tsva.settings.restoration import BaselineSettings
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings
from tsva.stage_files import write_table

log = logging.getLogger(__name__)


@click.command()
@settings_option(
    settings=AdviseSettings,
    optics=OpticsSettings,
    pairs=PairsSettings,
    baselines=BaselineSettings,
    microscope=MicroscopeSettings,
    simulate=SimulateSettings,
)
@click.option("--seed", type=int, required=True, help="Of tissue, offsets, camera and bootstrap.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for delta.tsv and summary.json.")
def command(
    settings: AdviseSettings,
    optics: OpticsSettings,
    pairs: PairsSettings,
    baselines: BaselineSettings,
    microscope: MicroscopeSettings,
    simulate: SimulateSettings,
    seed: int,
    out: Path,
) -> None:
    """Restore level digital tissue from shots at several distances, and name the best one."""
    layers, detail = simulate.section_layers, simulate.fine_detail
    bench = Bench(optics, microscope, baselines, settings, pairs.offset_sd_um, seed, layers, detail)
    signal = Signal.of_table(signal_table(in_focus(bench), optics.pixel_um))
    numbers = tqdm(range(settings.specimens), "advise", disable=None)
    table = pd.concat([measure(bench, signal, number) for number in numbers], ignore_index=True)
    found = curves(table, METHODS)
    peaks = {method: best(table, method, seed=seed) for method in METHODS}
    summary = {
        "na": optics.na,
        "travel_per_depth": travel_per_depth(optics),
        "offset_sd_um": pairs.offset_sd_um,
        "specimens": settings.specimens,
        "offsets": settings.offsets,
        "best": peaks,
        "scanned_with_um": pairs.delta_um,
    }
    with fresh_folder(out) as folder:
        write_table(folder / "delta.tsv", found)
        write_table(folder / "patches.tsv", table)
        (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    blind = peaks["wiener_blind"]
    log.info("best δ %.2f µm (%.2f to %.2f)", blind["delta_um"], blind["low_um"], blind["high_um"])
