"""Gains by method and offset, from a run: ``python benchmarks/results_table.py results/report/summary.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

BINS_UM = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0)
AVERAGES = (
    ("continuous, noise-free", "continuous", "clean"),
    ("continuous", "continuous", "captured"),
    ("strict", "strict", "captured"),
)
"""Heads, protocols and targets."""


def main() -> None:
    """Print gains over "Y1 as captured" with intervals, the share of pairs made worse, and the gain by size of ΔD."""
    summary = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = [row for row in summary["comparisons"] if row["baseline"] == "y1" and row["sample"] is None]
    heads = ["gain over Y1 as captured (dB)", *(head for head, _, _ in AVERAGES), "made worse", "slides", "patches"]
    heads += [f"{size_um:g} µm" for size_um in BINS_UM]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for dataset in sorted({row["dataset"] for row in rows}):
        names = {row["method"]: row["name"] for row in summary["methods"] if row["dataset"] == dataset}
        for method, name in names.items():
            chosen = [row for row in rows if row["dataset"] == dataset and row["method"] == method]
            if chosen:
                print(f"| {dataset.capitalize()[:-1]} {dataset[-1]}, {name} | {' | '.join(_cells(chosen))} |")


def _cells(rows: list[dict[str, Any]]) -> list[str]:
    """Averages by protocol and target, share made worse in the first, and strict gains by size of the offset."""
    found = {(row["protocol"], row["target"], row["focal_offset_um"]): row for row in rows}
    averages = [found.get((protocol, target, None)) for _, protocol, target in AVERAGES]
    first = next(row for row in averages if row is not None)
    cells = [_gain(row) for row in averages]
    cells += [f"{100 * first['share_worse']:.0f} %", str(first["slides"]), str(first["patches"])]
    by_size = [found.get(("folded", "captured", size_um)) for size_um in BINS_UM]
    return cells + ["–" if row is None else f"{row['difference_db']:+.2f}" for row in by_size]


def _gain(row: dict[str, Any] | None) -> str:
    if row is None or row["difference_db"] is None:
        return "–"
    low_db, high_db = row["low_db"], row["high_db"]
    interval = "one slide" if low_db is None else f"{low_db:+.2f} to {high_db:+.2f}"
    return f"{row['difference_db']:+.2f} ({interval})"


if __name__ == "__main__":
    main()
