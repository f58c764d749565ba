"""Paired differences found among the summary's comparisons, and what each allows to be said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Row = Mapping[str, Any]
Outcome = Literal["ahead", "behind", "level", "no interval", "not compared"]


def outcome(row: Row | None) -> Outcome:
    """What a paired difference says: an interval on one side of zero, across it, or no interval at all."""
    if row is None or row["difference_db"] is None:
        return "not compared"
    if row["low_db"] is None or row["high_db"] is None:
        return "no interval"
    if row["low_db"] > 0:
        return "ahead"
    return "behind" if row["high_db"] < 0 else "level"


def average(rows: Iterable[Row], method: str, baseline: str, protocol: str = "strict") -> Row | None:
    """The comparison of two methods over all offsets of a protocol."""
    found = (row for row in _between(rows, method, baseline, protocol) if row["focal_offset_um"] is None)
    return next(found, None)


def columns(rows: Iterable[Row], method: str, baseline: str, protocol: str = "strict") -> list[Row]:
    """The comparisons of two methods offset by offset, in the order of the offsets."""
    found = [row for row in _between(rows, method, baseline, protocol) if row["focal_offset_um"] is not None]
    return sorted(found, key=lambda row: float(row["focal_offset_um"]))


def _between(rows: Iterable[Row], method: str, baseline: str, protocol: str) -> list[Row]:
    wanted = (method, baseline, protocol)
    return [row for row in rows if (row["method"], row["baseline"], row["protocol"]) == wanted]
