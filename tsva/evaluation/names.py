"""What methods, data sets and offsets are called in words, and how rows of the summary are found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from tsva.settings.methods import MATCHED, METHODS, NETWORK_NAMES, NOTHING

LEAD = "tsva"
"""The method that the verdict is about, where it was applied."""
OURS = "fusion"
"""Our own network, which every method is set against too."""
DRAWN = (NOTHING, "wiener_two_shot", "unet", "unet_residual", "burst", "tsva", "fusion")
"""Methods that figures and example pictures show; the tables show all."""
CONTROLS = ("noise_free", "denoiser", "learned_linear", "learned_linear_blind")
"""What a network has to beat; the verdict names those that don't."""
NOT_LEADING = (NOTHING, MATCHED, "noise_free", "denoiser")
"""Measures and controls that refocus nothing: never the leading method, nor the best of the others."""
WORSE_DB = 0.1
"""A pair counts as made worse where a method loses more than this against Y1."""
DATASETS = {"dataset1": "Dataset 1", "dataset2": "Dataset 2"}
ROLES = {"train": "Training", **DATASETS, "refocus": "To be refocused"}
SOURCES = {
    "simulated": "digital tissue, imaged by the optical model",
    "image": "sharp images of real slides, defocus by the optical model",
    "planes": "real z-stacks",
    "stack": "real z-stacks",
    "jiang2018": "real z-stacks of Jiang et al. 2018",
}


def method_name(method: str) -> str:
    """Name of a method for headings and sentences; one that is not known keeps its own."""
    return METHODS[method].title if method in METHODS else method


def drawn(methods: Iterable[str]) -> list[str]:
    """Those methods that figures show: the networks, doing nothing, and Wiener restoration; else others."""
    methods = list(methods)
    return [method for method in methods if method in DRAWN or method not in METHODS]


def dataset_name(dataset: str) -> str:
    """Name of a data set for headings and sentences."""
    return DATASETS.get(dataset, dataset)


def lead_of(methods: Iterable[str]) -> str | None:
    """The method that the verdict is about: TSVA, else the first network, else the first that does something."""
    applied = [method for method in methods if method not in NOT_LEADING]
    networks = [method for method in applied if method in NETWORK_NAMES]
    return LEAD if LEAD in applied else next(iter([*networks, *applied]), None)


def offset(focal_offset_um: float) -> str:
    """An offset as the tables head their columns: −0.5, 0, +0.5."""
    return signed(focal_offset_um, 6).rstrip("0").rstrip(".") if focal_offset_um else "0"


def offsets(deltas_um: Iterable[float]) -> str:
    """Several offsets in words, opposite ones together: 0, ±1 and +2 µm."""
    left = sorted(set(deltas_um), key=lambda delta: (abs(delta), -delta))
    words: list[str] = []
    for delta in left:
        if delta > 0 and -delta in left:
            words.append("±" + offset(delta).removeprefix("+"))
        elif not (delta < 0 and -delta in left):
            words.append(offset(delta))
    return f"{listed(words)} µm"


def sizes(deltas_um: Iterable[float]) -> str:
    """Sizes of offsets in words: 0, 1 and 1.5 µm."""
    return f"{listed(offset(delta).removeprefix('+') for delta in sorted(set(deltas_um)))} µm"


def listed(words: Iterable[str]) -> str:
    """Words with commas, and an "and" before the last."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def plain(value: float, digits: int) -> str:
    """A number with a real minus sign; what rounds to zero has none."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def percent(share: float) -> str:
    """A share in percent: none and all are exact, others at least 1 and at most 99."""
    if share in (0, 1):
        return f"{100 * share:.0f}\u202f%"
    return f"{min(max(round(100 * share), 1), 99)}\u202f%"


def signed(value: float, digits: int) -> str:
    """A difference: with its sign, plus too."""
    text = plain(value, digits)
    return text if text.startswith("−") or float(text) == 0 else f"+{text}"


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
