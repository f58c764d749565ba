"""What figures share: how they become known to the templates, and how methods look in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec

import numpy as np

from tsva.evaluation.names import NOTHING, Row, method_name
from tsva.report.svg import MARKERS, MUTED, SERIES, Plot

Summary = Mapping[str, Any]
WIDE, NARROW = (9.6, 3.7), (5.4, 3.8)
FIGURES: dict[str, Callable[..., Plot | None]] = {}
"""Every figure by its name."""
Arguments = ParamSpec("Arguments")


def figure(make: Callable[Arguments, Plot | None]) -> Callable[Arguments, Plot | None]:
    """Make a figure known to the templates."""
    FIGURES[make.__name__] = make
    return make


def look_of(method: str, methods: Iterable[str]) -> dict[str, Any]:
    """Colour, marker and dashes of a method: the same in every figure of a data set."""
    if method == NOTHING:
        return {"color": MUTED, "marker": "x", "linestyle": "--"}
    place = [name for name in methods if name != NOTHING].index(method)
    dashes = ("-", "--", ":")[place // len(SERIES) % 3]
    return {"color": SERIES[place % len(SERIES)], "marker": MARKERS[place % len(MARKERS)], "linestyle": dashes}


def values(rows: Iterable[Row], key: str) -> np.ndarray:
    """One column of rows; NaN where a row has no number."""
    return np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=float)


def picked(rows: Iterable[Row], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Rows with these columns alone, for a figure's CSV."""
    return [{key: row[key] for key in keys} for row in rows]


def method_names(methods: Iterable[str]) -> str:
    """Methods in words."""
    return ", ".join(method_name(method) for method in methods)
