"""The paper's printed numbers, to stand beside ours."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import Any

METHODS = {
    "U-net": "unet",
    "TSVA": "tsva",
    "Burst U-net": "burst",
    "Dark Channel": "dark_channel",
    "Graph Deblur": "graph",
}


def table1() -> list[dict[str, Any]]:
    """Table I: PSNR by size of the offset and sample of Dataset 1.

    Returns
    -------
    list of dict
        `abs_focal_offset_um`, `method` under our name, `sample` (None for the average), `psnr_db`, `psnr_sd_db` (None:
        not
        printed).
    """
    return [
        {
            "abs_focal_offset_um": _number(row["delta_d_um"]),
            "method": METHODS[row["method"]],
            "sample": None if row["sample"] == "Average" else row["sample"],
            "psnr_db": _number(row["psnr_db_mean"]),
            "psnr_sd_db": _number(row["psnr_db_sd"]),
        }
        for row in _rows("table1_psnr.csv")
    ]


def table3() -> list[dict[str, Any]]:
    """Table III: PSNR by offset.

    Returns
    -------
    list of dict
        `dataset` and `method` under our names, `focal_offset_um` (None for the average), `psnr_db`, `psnr_sd_db`.
    """
    return [
        {
            "dataset": row["dataset"].lower(),
            "method": METHODS[row["method"]],
            "focal_offset_um": _number(row["delta_d_um"]),
            "psnr_db": _number(row["psnr_db_mean"]),
            "psnr_sd_db": _number(row["psnr_db_sd"]),
        }
        for row in _rows("table3_psnr_by_offset.csv")
    ]


def table2() -> list[dict[str, Any]]:
    """Table II: cells counted on TSVA's images and on the in-focus images of Dataset 1.

    Returns
    -------
    list of dict
        `abs_focal_offset_um` (None for all), `sample` (None for all), `count_restored`, `count_truth` (None: not
        printed).
    """
    return [
        {
            "abs_focal_offset_um": _number(row["delta_d_um"]),
            "sample": None if row["sample"] == "Average" else row["sample"],
            "count_restored": _number(row["count_recovered"]),
            "count_truth": _number(row["count_ground_truth"]),
        }
        for row in _rows("table2_cell_counts.csv")
    ]


def _rows(name: str) -> list[dict[str, str]]:
    with (files("tsva.evaluation") / "data" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float | None:
    return None if text in ("", "Average") else float(text)
