"""Focal offsets that methods found, against the true focal surface of digital slides. Prints one JSON object.

    python benchmarks/offsets.py --results results

`results` is the folder of a run of the embedded default. Strict offsets, by data set and method: share of pairs whose
size is within 0.25 µm, mean and standard deviation of the error in size, and share of wrong signs among pairs farther
off than that. `surface`: against the mean height of the true surface over the patch; `plane`: against the plane
of the target, which is itself right to half a plane.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from tsva.evaluation.statistics.estimates import NEAR_UM
from tsva.settings.acquisition import PairsSettings
from tsva.stage_files import read_table

PAIRS = PairsSettings()


def main() -> None:
    """All methods of a run that find offsets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    results = parser.parse_args().results
    found = {dataset: _dataset(results, dataset) for dataset in ("dataset1", "dataset2")}
    print(json.dumps(found, indent=1))


def _dataset(results: Path, dataset: str) -> dict[str, dict]:
    patches = read_table(results / f"pairs/{dataset}.tsv")
    fields = {slide: read_table(results / f"simulate/{slide}/fields.tsv") for slide in set(patches["slide"])}
    surface_um = [_surface_um(results, fields[row["slide"]], row) for row in patches.to_dict("records")]
    beside_um = patches["target_z_um"].to_numpy(float) - surface_um
    found = {}
    for table in sorted(results.glob(f"refocus/{dataset}/*/scores.tsv")):
        rows = read_table(table)
        strict = np.isclose(rows["focal_offset_um"].to_numpy()[:, None], np.array(PAIRS.strict_offsets_um)).any(axis=1)
        rows = rows[strict & (rows["protocol"] == "grid") & (rows["target"] == "captured")]
        rows = rows[rows["estimated_focal_offset_um"].notna()]
        if len(rows):
            plane_um = rows["focal_offset_um"].to_numpy(float)
            true_um = plane_um + beside_um[rows["patch"].to_numpy(int)]
            found[table.parent.name] = {
                "patches": int(rows["patch"].nunique()),
                "surface": _errors(rows, true_um),
                "plane": _errors(rows, plane_um),
            }
    return found


def _surface_um(results: Path, fields: pd.DataFrame, row: dict) -> float:
    """Mean height of the true focal surface over a patch."""
    file = fields.set_index("field").loc[row["field"], "surface_file"]
    surface = np.load(results / "simulate" / row["slide"] / file, mmap_mode="r")
    size = PAIRS.patch_px
    return float(surface[row["y_px"] : row["y_px"] + size, row["x_px"] : row["x_px"] + size].mean())


def _errors(rows: pd.DataFrame, true_um: np.ndarray) -> dict[str, float]:
    found_um = rows["estimated_focal_offset_um"].to_numpy(float)
    error_um = np.abs(found_um) - np.abs(true_um)
    far = np.abs(true_um) > NEAR_UM
    figures = {
        "within": np.mean(np.abs(error_um) <= NEAR_UM),
        "mean_um": error_um.mean(),
        "sd_um": error_um.std(),
        "sign_wrong": np.mean(np.sign(found_um[far]) != np.sign(true_um[far])),
    }
    return {name: round(float(figure), 3) for name, figure in figures.items()}


if __name__ == "__main__":
    main()
