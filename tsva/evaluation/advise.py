"""Which distance of the two shots to scan with: restoration against δ, on level digital tissue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import sem
from scipy.stats import t as student_t

from tsva.acquisition.draws import rng
from tsva.acquisition.pair import Pair, y1_of
from tsva.acquisition.stack import eight_bits
from tsva.evaluation.scoring import psnr_db
from tsva.optics.camera import expose, frame_for, illumination, samples_per_pixel
from tsva.optics.imaging import image_specimen
from tsva.optics.otf import OtfTable
from tsva.optics.pupil import travel_per_depth
from tsva.optics.specimen import Specimen
from tsva.restoration.baselines.one_by_one import Known
from tsva.restoration.baselines.plane import Signal
from tsva.restoration.baselines.wiener import wiener_blind, wiener_one_shot, wiener_two_shot
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.evaluation import AdviseSettings
from tsva.settings.restoration import BaselineSettings
from tsva.settings.simulate import MicroscopeSettings
from tsva.simulation.phantom import tissue as phantom

LAYER_SPACING_UM = 0.5
DRAWS = 2000
INTERVAL = (0.025, 0.975)
CURVE_COLUMNS = (
    "delta_um",
    "method",
    "psnr_db",
    "low_db",
    "high_db",
    "gain_over_one_shot_db",
    "gain_low_db",
    "gain_high_db",
)
"""`delta_um` 0 is one shot at F; gains are over its Wiener restoration, paired by specimen."""
METHODS = ("sharper_shot", "wiener_one_shot", "wiener_two_shot", "wiener_blind")
"""Columns of PSNR: the sharper shot as captured; Wiener restoration of it, and of both, n known; both, n estimated."""


@dataclass(frozen=True)
class Bench:
    """A simulated microscope and what its methods know.

    Attributes
    ----------
    optics : OpticsSettings
        True and nominal ones.
    microscope : MicroscopeSettings
        Its camera.
    baselines : BaselineSettings
        Parameters of Wiener restoration.
    settings : AdviseSettings
    offset_sd_um : float
        Standard deviation of the offset of F from the true focus.
    seed : int
    section_layers : int
        Layers of the tissue that differ in depth and absorb one after the other; 1: extruded.
    fine_detail : float
        Strength of its fine detail.
    """

    optics: OpticsSettings
    microscope: MicroscopeSettings
    baselines: BaselineSettings
    settings: AdviseSettings
    offset_sd_um: float
    seed: int
    section_layers: int = 1
    fine_detail: float = 0.0

    def kind(self, specimen: int) -> str:
        """Kind of tissue of a specimen by its number."""
        return self.settings.tissues[specimen % len(self.settings.tissues)]

    def offsets_um(self, specimen: int) -> np.ndarray:
        """(offset,) n of a specimen: one anywhere in each part of the Gaussian of equal probability, rising."""
        count = self.settings.offsets
        share = (np.arange(count) + rng(self.seed, "advise", "offsets", specimen).uniform(size=count)) / count
        return self.offset_sd_um * ndtri(share)


def in_focus(bench: Bench) -> Iterator[np.ndarray]:
    """One captured in-focus image of each kind, (1, Y, X, 3) uint8: other specimens than `measure` restores.

    Their mean spectrum is what restoration knows of the signal.
    """
    for number, kind in enumerate(dict.fromkeys(bench.settings.tissues)):
        captured, _ = _images(bench, kind, np.zeros(1), ("signal", number))
        yield captured


def measure(bench: Bench, signal: Signal, specimen: int) -> pd.DataFrame:
    """Restore one specimen at all its offsets and all distances.

    Parameters
    ----------
    bench : Bench
    signal : Signal
        Mean spectrum of images in focus.
    specimen : int
        Its number; draws depend on it and on the seed alone.

    Returns
    -------
    DataFrame
        A row for each offset and distance: `specimen`, `tissue`, `focal_offset_um`, `delta_um` (0: one shot, at F),
        and a column
        of PSNR (dB) against the noise-free in-focus image for each of `METHODS` (NaN where a single shot allows none).
        The camera's noise is drawn anew for every picture.
    """
    offsets, deltas = bench.offsets_um(specimen), np.array(bench.settings.deltas_um)
    steps = np.concatenate(([0.0], -deltas, deltas))
    z_um = np.add.outer(offsets, steps)
    captured, target = _images(bench, bench.kind(specimen), z_um.ravel(), ("test", specimen))
    captured = captured.reshape(len(offsets), len(steps), *captured.shape[1:])
    rows = []
    for focal_offset_um, (alone, *shots) in zip(offsets.tolist(), captured, strict=True):
        rows.append(
            {"focal_offset_um": focal_offset_um, "delta_um": 0.0}
            | _scores(bench, signal, alone, alone, 0.0, focal_offset_um, target)
        )
        lows, highs = shots[: len(deltas)], shots[len(deltas) :]
        for delta_um, low, high in zip(deltas.tolist(), lows, highs, strict=True):
            found = _scores(bench, signal, low, high, delta_um, focal_offset_um, target)
            rows.append({"focal_offset_um": focal_offset_um, "delta_um": delta_um} | found)
    table = pd.DataFrame(rows, columns=["focal_offset_um", "delta_um", *METHODS])
    table.insert(0, "specimen", specimen)
    table.insert(1, "tissue", bench.kind(specimen))
    return table


def _scores(
    bench: Bench,
    signal: Signal,
    low: np.ndarray,
    high: np.ndarray,
    delta_um: float,
    focal_offset_um: float,
    target: np.ndarray,
) -> dict[str, float]:
    pair, known = Pair(low, high, delta_um, bench.optics, focal_offset_um), Known(bench.baselines, signal)
    images = {
        "sharper_shot": y1_of(pair),
        "wiener_one_shot": wiener_one_shot(pair, known).image,
    }
    if delta_um:
        images["wiener_two_shot"] = wiener_two_shot(pair, known).image
        images["wiener_blind"] = wiener_blind(pair, known).image
    return {name: float(psnr_db(eight_bits(image)[None], target[None])[0]) for name, image in images.items()}


def _images(bench: Bench, kind: str, z_um: np.ndarray, key: tuple[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of a level specimen at defocus z, (Z, Y, X, 3) uint8, and (Y, X, 3) the one in focus without noise."""
    optics, edge = bench.optics, bench.settings.field_px
    fine = samples_per_pixel(optics)
    reach_um = float(np.abs(z_um).max())
    blur_um = reach_um * optics.na / np.sqrt(optics.refractive_index**2 - optics.na**2)
    frame = frame_for((edge, edge), blur_um, optics.pixel_um, fine)
    stain = next(iter(phantom.STAINS))
    draws = rng(bench.seed, "advise", "tissue", *key)
    shape, pixel_um, layers, detail = frame.fine_shape, frame.fine_um, bench.section_layers, bench.fine_detail
    specimen: Specimen | Sequence[Specimen]
    if layers == 1 and detail == 0:
        specimen, _ = phantom.tissue(kind, stain, shape=shape, pixel_um=pixel_um, rng=draws)
    else:
        specimen, _ = phantom.layered_tissue(
            kind, stain, shape=shape, pixel_um=pixel_um, rng=draws, layers=layers, detail=detail
        )
    level = np.zeros(frame.fine_shape, np.float32)
    lamp = illumination(bench.microscope, edge, edge)
    noise = rng(bench.seed, "advise", "camera", *key)
    captured = np.empty((len(z_um), edge, edge, 3), np.uint8)
    clean = np.empty((edge, edge, 3), np.uint8)
    images = image_specimen(
        specimen,
        level,
        np.append(z_um, 0.0),
        lambda reach: _table(optics, float(np.ceil(max(reach, 1.0)))),
        frame.grid,
        spacing_um=LAYER_SPACING_UM,
        travel_per_depth=travel_per_depth(optics),
        absorption="adds" if optics.model == "paper" else "multiplies",
    )
    for plane, channel, image in images:
        light = image[frame.rows, frame.columns]
        if plane == len(z_um):
            clean[..., channel] = expose(light, lamp[..., channel], bench.microscope)
        else:
            captured[plane, ..., channel] = expose(light, lamp[..., channel], bench.microscope, noise)
    return captured, clean


@lru_cache(maxsize=2)
def _table(optics: OpticsSettings, reach_um: float) -> OtfTable:
    """Most specimens reach equally far, in whole micrometres."""
    return OtfTable(optics, reach_um)


def curves(table: pd.DataFrame, methods: tuple[str, ...]) -> pd.DataFrame:
    """Mean over offsets and specimens by δ, with 95 % intervals (Student's t) over specimens.

    Parameters
    ----------
    table : DataFrame
        `specimen`, `delta_um` and a column of decibels for each method; offsets of equal probability.
    methods : tuple of str
        Columns to average.

    Returns
    -------
    DataFrame
        `CURVE_COLUMNS`, methods in the order given, δ rising.
    """
    alone = _by_specimen(table, "wiener_one_shot")[0.0].to_numpy()
    rows = []
    for method in methods:
        for delta_um, values in _by_specimen(table, method).items():
            gain = values.to_numpy() - alone
            rows.append((delta_um, method, *_mean_interval(values.to_numpy()), *_mean_interval(gain)))
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def best(table: pd.DataFrame, method: str, *, seed: int) -> dict[str, Any]:
    """δ of a method's highest mean, between the distances measured by a parabola.

    Returns
    -------
    dict
        `delta_um`, `low_um`, `high_um` (95 %, bootstrap over specimens), and `at_end`: the highest mean is at the
        smallest or largest distance measured, and a better one may lie beyond.
    """
    values = _by_specimen(table, method).drop(columns=0.0, errors="ignore")
    delta_um, curve = values.columns.to_numpy(float), values.to_numpy()
    peaks = [_peak(delta_um, curve[some].mean(axis=0)) for some in _resamples(table, seed)]
    low, high = np.quantile(peaks, INTERVAL)
    highest = int(np.argmax(curve.mean(axis=0)))
    return {
        "delta_um": _peak(delta_um, curve.mean(axis=0)),
        "low_um": float(low),
        "high_um": float(high),
        "at_end": highest in (0, len(delta_um) - 1),
    }


def _mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and its 95 % limits by Student's t."""
    mean, error = float(values.mean()), float(sem(values))
    reach = float(student_t.ppf(INTERVAL[1], len(values) - 1)) * error
    return mean, mean - reach, mean + reach


def _by_specimen(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """(specimen, δ) means over offsets; distances without the method are left out."""
    return table.pivot_table(index="specimen", columns="delta_um", values=method, aggfunc="mean").dropna(axis=1)


def _resamples(table: pd.DataFrame, seed: int) -> np.ndarray:
    """(draw, specimen) places of specimens drawn with replacement: the same for all curves."""
    count = table["specimen"].nunique()
    return rng(seed, "advise", "bootstrap").integers(count, size=(DRAWS, count))


def _peak(delta_um: np.ndarray, curve: np.ndarray) -> float:
    """Vertex of the parabola through the highest value and its neighbours; an end stays itself."""
    place = int(np.argmax(curve))
    if place in (0, len(curve) - 1):
        return float(delta_um[place])
    square, slope, _ = np.polyfit(delta_um[place - 1 : place + 2] - delta_um[place], curve[place - 1 : place + 2], 2)
    return float(delta_um[place] - slope / (2 * square)) if square < 0 else float(delta_um[place])
