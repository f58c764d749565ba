"""Gains by method and offset, from a run: ``python benchmarks/results_table.py results/report/summary.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

BINS_UM = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0)


def main() -> None:
    """Print the gain over "Y1 as captured" in the strict average, with its interval, and by the size of the offset."""
    summary = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = [
        row
        for row in summary["comparisons"]
        if row["baseline"] == "y1"
        and row["sample"] is None
        and row["protocol"] == "strict"
        and row["target"] == "captured"
    ]
    print("| gain over Y1 as captured (dB) | strict average (95 % interval) |", end="")
    print("".join(f" {size_um:g} µm |" for size_um in BINS_UM))
    print("|---" * (2 + len(BINS_UM)) + "|")
    for dataset in sorted({row["dataset"] for row in rows}):
        names = {row["method"]: row["name"] for row in summary["methods"] if row["dataset"] == dataset}
        for method, name in names.items():
            chosen = [row for row in rows if row["dataset"] == dataset and row["method"] == method]
            if chosen:
                print(f"| {dataset.capitalize()[:-1]} {dataset[-1]}, {name} | {_line(chosen)}")


def _line(rows: list[dict[str, Any]]) -> str:
    average = next(row for row in rows if row["focal_offset_um"] is None)
    low_db, high_db = average["low_db"], average["high_db"]
    interval = "one slide" if low_db is None else f"{low_db:+.2f} to {high_db:+.2f}"
    cells = [f"{average['difference_db']:+.2f} ({interval})"]
    for size_um in BINS_UM:
        found = [
            row["difference_db"]
            for row in rows
            if row["focal_offset_um"] is not None and abs(row["focal_offset_um"]) == size_um
        ]
        cells.append(f"{sum(found) / len(found):+.2f}")
    return " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
