"""The best distance of the two shots, and how sure of it one may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tsva.acquisition.seeds import rng

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


def curves(table: pd.DataFrame, methods: tuple[str, ...], *, seed: int) -> pd.DataFrame:
    """Mean over offsets and specimens by δ, with 95 % intervals over specimens.

    Parameters
    ----------
    table : DataFrame
        `specimen`, `delta_um` and a column of decibels for each method; offsets of equal probability.
    methods : tuple of str
        Columns to average.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        `CURVE_COLUMNS`, methods in the order given, δ rising.
    """
    chosen = _resamples(table, seed)
    alone = _by_specimen(table, "wiener_one_shot")[0.0].to_numpy()
    rows = []
    for method in methods:
        for delta_um, values in _by_specimen(table, method).items():
            low, high = np.quantile(values.to_numpy()[chosen].mean(axis=1), INTERVAL)
            gain = values.to_numpy() - alone
            gain_low, gain_high = np.quantile(gain[chosen].mean(axis=1), INTERVAL)
            rows.append((delta_um, method, values.mean(), low, high, gain.mean(), gain_low, gain_high))
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
