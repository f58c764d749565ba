"""What the report is made from: tables and arrays of the stages before, as docs/data.md names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.evaluation import CountSettings, ReportSettings


@dataclass(frozen=True)
class Method:
    """What one method made of one data set.

    Attributes
    ----------
    scores : DataFrame
        `refocus/<dataset>/<method>/scores.tsv`.
    restored : (patch, offset, Y, X, C) uint8 array or None
        Restored patches, in the order of the data set's table; offsets rise.
    counts : DataFrame or None
        `count/<dataset>/<method>.tsv`.
    """

    scores: pd.DataFrame
    restored: np.ndarray | None = None
    counts: pd.DataFrame | None = None


@dataclass(frozen=True)
class DataSet:
    """Test patches and what the methods made of them.

    Attributes
    ----------
    patches : DataFrame
        `pairs/<dataset>.tsv`.
    stacks : mapping of str to (patch, Z, Y, X, C) uint8 array
        Patch stacks, under the names that the table's column `array` gives them; the middle plane is the target.
    """

    name: str
    patches: pd.DataFrame
    methods: Mapping[str, Method]
    stacks: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """`train/<network>/summary.json` and `log.csv`."""

    network: str
    summary: Mapping[str, Any]
    log: pd.DataFrame


@dataclass(frozen=True)
class Slide:
    """What the stages say of a slide; None where a stage left nothing (or has not run).

    Attributes
    ----------
    ingest : DataFrame or None
        `ingest/<slide>/fields.tsv`.
    focus : mapping or None
        `focus/<slide>/summary.json`.
    fields : DataFrame or None
        `focus/<slide>/fields.tsv`.
    levels : DataFrame or None
        `ingest/<slide>/planes.tsv`: brightness of each plane.
    planes : DataFrame or None
        `focus/<slide>/planes.tsv`: sharpness, shift and scale of each plane.
    excluded : DataFrame or None
        `pairs/<slide>/excluded.tsv`.
    tissue, stain, microscope : str or None
        What the slide sheet says of digital tissue and of simulated microscopes.
    patches : DataFrame or None
        The slide's rows of the tables of pairs.
    stacks : (patch, Z, Y, X, C) uint8 array or None
        `pairs/<slide>/patches.npy`; the middle plane is the field's in-focus plane.
    surfaces : mapping of str to (Y, X) float array
        By field: true height of the focal surface in micrometres; none where defocus is real.
    """

    name: str
    role: str | None = None
    sample: str | None = None
    source: str | None = None
    ingest: pd.DataFrame | None = None
    focus: Mapping[str, Any] | None = None
    fields: pd.DataFrame | None = None
    levels: pd.DataFrame | None = None
    planes: pd.DataFrame | None = None
    excluded: pd.DataFrame | None = None
    tissue: str | None = None
    stain: str | None = None
    microscope: str | None = None
    patches: pd.DataFrame | None = None
    stacks: np.ndarray | None = None
    surfaces: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Advice:
    """`advise/delta.tsv` and `advise/summary.json`."""

    curves: pd.DataFrame
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Inputs:
    """Everything; `train` and `run` are printed as they come, and so is `run_times`, a row a stage."""

    datasets: Sequence[DataSet]
    slides: Sequence[Slide]
    training: Sequence[Training]
    pairs: PairsSettings
    optics: OpticsSettings
    count: CountSettings
    report: ReportSettings
    train: Mapping[str, Any]
    run: Mapping[str, Any]
    seed: int
    advice: Advice | None = None
    run_times: Sequence[Mapping[str, Any]] = ()


def advice_of(found: Advice | None) -> dict[str, Any] | None:
    """What the page says of the distance of the shots.

    Returns
    -------
    dict or None
        The stage's summary; `curves` (rows of its table); `cost_db`: what the distance that was scanned with costs
        against the best one (dB, n estimated; None where it isn't among those compared), and `second_shot_db`: what the
        second shot's pixels add to the sharper one's there (both with known n).
    """
    if found is None:
        return None
    curves = found.curves
    summary: dict[str, Any] = {**found.summary, "curves": curves.to_dict("records")}
    here = curves[np.isclose(curves["delta_um"], summary["scanned_with_um"])].set_index("method")["psnr_db"]
    blind = curves[(curves["method"] == "wiener_blind") & (curves["delta_um"] > 0)]["psnr_db"]
    summary["cost_db"] = float(blind.max() - here["wiener_blind"]) if len(here) else None
    summary["second_shot_db"] = float(here["wiener_two_shot"] - here["wiener_one_shot"]) if len(here) else None
    return summary
