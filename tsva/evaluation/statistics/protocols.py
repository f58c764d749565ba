"""The three ways of averaging over the offset: the paper's, the strict and the continuous one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tsva.acquisition.draws import bin_weights
from tsva.evaluation.statistics.intervals import Cells, bin_means, weighted
from tsva.settings.acquisition import PairsSettings
from tsva.settings.evaluation import ReportSettings

WHOLE_GRID = "paper"
"""The protocol that leaves out no offset of the grid."""
FOLDED = {WHOLE_GRID: "folded", "continuous": "folded_continuous"}
"""What a protocol is called with opposite offsets taken together."""


@dataclass(frozen=True)
class Protocol:
    """A choice of offsets and of their weights.

    Attributes
    ----------
    name : str
        paper: all offsets of the grid, weighted by the Gaussian; strict: those at which neither shot is the target
        plane; continuous: offsets between the planes, drawn from the Gaussian, each draw alike.
    rows : str
        The scores' `protocol` that it works on: grid, continuous.
    offsets_um : tuple of float
        Middles of the bins.
    """

    name: str
    rows: str
    offsets_um: tuple[float, ...]


def protocols(pairs: PairsSettings) -> tuple[Protocol, ...]:
    """All protocols, in the order of the tables."""
    return (
        Protocol(WHOLE_GRID, "grid", pairs.offsets_um),
        Protocol("strict", "grid", pairs.strict_offsets_um),
        Protocol("continuous", "continuous", pairs.offsets_um),
    )


def scopes(table: pd.DataFrame) -> Iterator[tuple[str | None, pd.DataFrame]]:
    """The whole table (None), then the part of each sample, Sample2 before Sample10."""
    yield None, table
    names = pd.Series(table["sample"].unique(), dtype=object)
    for name in names.iloc[names.map(_natural).argsort(kind="stable")]:
        yield name, table[table["sample"] == name]


def _natural(name: str) -> str:
    return "".join(part.zfill(12) if part.isdigit() else part for part in _runs(name))


def _runs(name: str) -> list[str]:
    runs: list[str] = []
    for letter in name:
        if runs and runs[-1][-1].isdigit() == letter.isdigit():
            runs[-1] += letter
        else:
            runs.append(letter)
    return runs


def summaries(
    table: pd.DataFrame,
    value: str,
    others: Sequence[str],
    pairs: PairsSettings,
    report: ReportSettings,
    only: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Means of one value by protocol and offset, with their spread and their interval over slides.

    Parameters
    ----------
    table : DataFrame
        `protocol` (grid, continuous), `patch`, `slide`, `focal_offset_um`, and the columns named; NaN is no value.
    value : str
        Column that is averaged.
    others : sequence of str
        Columns of which means alone are wanted; only rows that have the value count.
    pairs : PairsSettings
        Grid and Gaussian.
    report : ReportSettings
        Confidence of the intervals.
    only : sequence of str, optional
        Names of the protocols that are wanted; all of them otherwise.

    Returns
    -------
    DataFrame
        A row an offset that occurs, then the protocol's average (`focal_offset_um` NaN): `protocol`, `focal_offset_um`,
        `patches`, `slides`, `valued` (rows with a value), `rows`, `mean`, `sd`, `low`, `high`, and `others`.
    """
    wanted = [protocol for protocol in protocols(pairs) if only is None or protocol.name in only]
    arrays = _arrays(table, wanted, [value, *others])
    return _table([_of_protocol(arrays, protocol, value, others, pairs, report) for protocol in wanted])


def with_folded(
    table: pd.DataFrame, value: str, others: Sequence[str], pairs: PairsSettings, report: ReportSettings
) -> pd.DataFrame:
    """Rows of `summaries`, and after them those of opposite offsets taken together, as the paper's Table I has them.

    Parameters
    ----------
    table, value, others, pairs, report
        As of `summaries`.

    Returns
    -------
    DataFrame
        The further rows have the `protocol` folded (of the grid) or folded_continuous (of offsets between the planes)
        and the size of the offset as `focal_offset_um`; they have no average.
    """
    every = protocols(pairs)
    arrays = _arrays(table, every, [value, *others])
    parts = [_of_protocol(arrays, protocol, value, others, pairs, report) for protocol in every]
    sizes = {kind: replace(rows, focal_offset_um=np.abs(rows.focal_offset_um)) for kind, rows in arrays.items()}
    for protocol in every:
        if protocol.name in FOLDED:
            found = _of_protocol(sizes, protocol, value, others, pairs, report)
            of_sizes = ~np.isnan(found["focal_offset_um"]) if found else np.zeros(0, bool)
            found = {name: column[of_sizes] for name, column in found.items()}
            parts.append(found and {**found, "protocol": np.full(of_sizes.sum(), FOLDED[protocol.name], object)})
    return _table(parts)


def as_folded(found: pd.DataFrame, name: str = "folded") -> pd.DataFrame:
    """Rows of one protocol over sizes of the offset, without their average, under another name."""
    return found if found.empty else found[found["focal_offset_um"].notna()].assign(protocol=name)


def _arrays(table: pd.DataFrame, wanted: Sequence[Protocol], columns: Sequence[str]) -> dict[str, _Arrays]:
    return {kind: _Arrays.of(table, kind, columns) for kind in {protocol.rows for protocol in wanted}}


def _of_protocol(
    arrays: dict[str, _Arrays],
    protocol: Protocol,
    value: str,
    others: Sequence[str],
    pairs: PairsSettings,
    report: ReportSettings,
) -> dict[str, np.ndarray]:
    """Columns of the protocol's rows; none where the table has none of it."""
    rows, bins = _within(arrays[protocol.rows], protocol, pairs)
    return _summary(rows, bins, protocol, value, others, pairs, report) if len(bins) else {}


def _table(parts: Sequence[dict[str, np.ndarray]]) -> pd.DataFrame:
    """One after the other; made once, as tables of a few rows take a millisecond each."""
    some = [part for part in parts if part]
    return pd.DataFrame({name: np.concatenate([part[name] for part in some]) for name in some[0]} if some else {})


@dataclass(frozen=True)
class _Arrays:
    """Rows of a table as arrays: a page has hundreds of summaries, each of which would pick them from the table anew.

    Attributes
    ----------
    slide, patch : (N,) int arrays
        Which of the different ones a row is of.
    focal_offset_um : (N,) float array
    values : dict of str to (N,) float array
        By column.
    """

    slide: np.ndarray
    patch: np.ndarray
    focal_offset_um: np.ndarray
    values: dict[str, np.ndarray]

    @classmethod
    def of(cls, table: pd.DataFrame, kind: str, columns: Sequence[str]) -> _Arrays:
        """Rows whose `protocol` is `kind`."""
        chosen = (table["protocol"] == kind).to_numpy(bool)
        return cls(
            pd.factorize(table["slide"].to_numpy(object)[chosen])[0],
            pd.factorize(table["patch"].to_numpy()[chosen])[0],
            table["focal_offset_um"].to_numpy(float)[chosen],
            {name: table[name].to_numpy(float, na_value=np.nan)[chosen] for name in columns},
        )

    def part(self, chosen: np.ndarray) -> _Arrays:
        """Some of the rows."""
        values = {name: column[chosen] for name, column in self.values.items()}
        return _Arrays(self.slide[chosen], self.patch[chosen], self.focal_offset_um[chosen], values)


def _within(rows: _Arrays, protocol: Protocol, pairs: PairsSettings) -> tuple[_Arrays, np.ndarray]:
    """The protocol's rows and their bins; draws beyond the last bin have -1 and count in the average alone."""
    steps = np.array([round(n / pairs.z_step_um) for n in protocol.offsets_um])
    order = np.argsort(steps)
    number = np.rint(rows.focal_offset_um / pairs.z_step_um).astype(int)
    place = np.minimum(np.searchsorted(steps, number, sorter=order), len(steps) - 1)
    bins = np.where(steps[order[place]] == number, order[place], -1)
    return (rows, bins) if protocol.rows == "continuous" else (rows.part(bins >= 0), bins[bins >= 0])


def _summary(
    rows: _Arrays,
    bins: np.ndarray,
    protocol: Protocol,
    value: str,
    others: Sequence[str],
    pairs: PairsSettings,
    report: ReportSettings,
) -> dict[str, np.ndarray]:
    offsets, slide, by_bin = np.array(protocol.offsets_um), rows.slide, bins
    weights, repeats = bin_weights(offsets, pairs.offset_sd_um, pairs.z_step_um), 1
    if protocol.rows == "continuous":
        # one more bin, which holds every draw once more and alone makes the average
        slide, by_bin, repeats = np.tile(slide, 2), np.concatenate([bins, np.full(len(bins), len(offsets))]), 2
        weights = np.append(np.zeros(len(offsets)), 1.0)
    inside, shape = by_bin >= 0, (int(slide.max()) + 1, len(weights))
    has_value = ~np.isnan(rows.values[value])

    cells = Cells.of(slide[inside], by_bin[inside], np.tile(rows.values[value], repeats)[inside], shape)
    count = len(offsets)
    low, high = cells.intervals(weights, report.confidence)
    valued = [np.tile(np.where(has_value, rows.values[name], np.nan), repeats)[inside] for name in others]
    means = bin_means(by_bin[inside], np.reshape(valued, (len(others), inside.sum())), shape[1])
    columns = {
        "mean": (cells.means(), cells.average(weights)),
        "sd": (cells.spreads(), cells.spread(weights)),
        **dict(zip(others, zip(means, weighted(means, weights), strict=True), strict=True)),
        "valued": (cells.counts.sum(axis=0).astype(int), int(has_value.sum())),
        "rows": (np.bincount(by_bin[inside], minlength=shape[1]), len(bins)),
        "patches": _distinct(rows.patch, bins, count),
        "slides": _distinct(rows.slide, bins, count),
    }
    out = {name: np.append(part[:count], last) for name, (part, last) in columns.items()}
    out |= {"low": np.append(low[:count], low[-1]), "high": np.append(high[:count], high[-1])}
    occurs = out["rows"] > 0
    of_bins = {"protocol": np.full(occurs.sum(), protocol.name, object)}
    of_bins["focal_offset_um"] = np.append(offsets, np.nan)[occurs]
    return of_bins | {name: part[occurs] for name, part in out.items()}


def _distinct(number: np.ndarray, by_bin: np.ndarray, bins: int) -> tuple[np.ndarray, int]:
    """How many different patches or slides each bin has, and all rows."""
    present = np.zeros((int(number.max()) + 1, bins + 1), dtype=bool)
    present[number, by_bin] = True  # -1, beyond the last bin, is a column of its own
    return present[:, :bins].sum(axis=0), int(present.any(axis=1).sum())
