"""Rows of the summary found by what they are about, and what a paired difference allows to be said."""

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


def headline_of(rows: Iterable[Row]) -> tuple[str, str]:
    """Protocol and target of the headline: offsets between the planes and the noise-free target, where these are known.

    With offsets between the planes no shot is the target, and none are left out; stacks of real slides have the
    strict protocol and the captured target alone.
    """
    found = {(row["protocol"], row["target"]) for row in rows if row["focal_offset_um"] is None}
    wanted = (("continuous", "clean"), ("continuous", "captured"))
    return next((pair for pair in wanted if pair in found), ("strict", "captured"))


def columns(rows: Iterable[Row], method: str, baseline: str, protocol: str = "strict") -> list[Row]:
    """The comparisons of two methods offset by offset, in the order of the offsets."""
    found = [row for row in _between(rows, method, baseline, protocol) if row["focal_offset_um"] is not None]
    return sorted(found, key=lambda row: float(row["focal_offset_um"]))


def _between(rows: Iterable[Row], method: str, baseline: str, protocol: str) -> list[Row]:
    wanted = (method, baseline, protocol)
    return [row for row in rows if (row["method"], row["baseline"], row["protocol"]) == wanted]


def standing(row: Row) -> str:
    """What nuclear counts are against Y1's: nothing to say, behind (or equal), unsure, ahead."""
    difference, high = row["error_difference"], row["error_difference_high"]
    if difference is None:
        return ""
    if difference >= 0:
        return "behind"
    return "ahead" if high is None or high < 0 else "unsure"
