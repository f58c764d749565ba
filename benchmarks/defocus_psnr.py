"""How far a captured shot is from the in-focus image: the default's test slides, beside the paper's Table III.

    python benchmarks/defocus_psnr.py [--sheet config/slides.tsv] [--seed 1]

Simulates the test slides of the embedded default and prints one JSON object: the mean PSNR over 224×224 patches of the
sharper of the two shots ("Y1 as captured") against the field's sharpest plane (captured, so with noise of its own), and
against that plane without noise. Bins where a shot is the target itself hold the mean over the other patches (null
where there is none). No method runs here; the paper's rows are its networks' results, for scale.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

import numpy as np

from tsva.acquisition.sharpness import brenner
from tsva.acquisition.stack import places
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import parse_sheet
from tsva.settings.simulate import SimulateSettings
from tsva.simulation.simulate import SimulatedField, simulate_slide

PAIRS = PairsSettings()
OFFSETS_UM = np.arange(-PAIRS.offset_max_um, PAIRS.offset_max_um + 0.1, PAIRS.z_step_um)


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio of 8-bit images; None-like NaN where they are the same."""
    error = np.square(image.astype(float) - target).mean()
    return float("nan") if error == 0 else float(10 * np.log10(255**2 / error))


def sharpness(planes: np.ndarray) -> np.ndarray:
    """Brenner gradient of (Z, Y, X, 3) uint8 planes."""
    return brenner(planes.mean(axis=3) / 255)


def scores(field: SimulatedField) -> dict[str, dict[float, list[float]]]:
    """PSNR of every patch at every offset, against the captured and the clean target."""
    stack, found = field.stack, {"captured": defaultdict(list), "clean": defaultdict(list)}
    focus, steps = int(sharpness(stack.planes).argmax()), round(PAIRS.delta_um / PAIRS.z_step_um)
    clean_at = np.flatnonzero(np.isclose(field.clean.z_um, stack.z_um[focus]))
    for place in places(stack.planes.shape[1], stack.planes.shape[2], PAIRS.patch_px):
        cut = (slice(place.y_px, place.y_px + PAIRS.patch_px), slice(place.x_px, place.x_px + PAIRS.patch_px))
        patch = stack.planes[:, *cut]
        for focal_offset_um in OFFSETS_UM:
            middle = focus + round(focal_offset_um / PAIRS.z_step_um)
            if not steps <= middle < len(patch) - steps:
                continue
            shots = patch[[middle - steps, middle + steps]]
            sharper = shots[sharpness(shots).argmax()]
            found["captured"][float(focal_offset_um)].append(psnr(sharper, patch[focus]))
            found["clean"][float(focal_offset_um)].append(psnr(sharper, field.clean.planes[clean_at[0]][cut]))
    return found


def paper() -> dict[str, dict[str, dict[str, float]]]:
    """Table III: data set, network, offset."""
    table: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    text = (files("tsva.evaluation") / "data/table3_psnr_by_offset.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        if row["focal_offset_um"] != "Average":
            table[row["dataset"].lower()][row["method"]][f"{float(row['focal_offset_um']):+.1f}"] = float(
                row["psnr_db_mean"]
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", type=Path, default=Path("config/slides.tsv"))
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    result: dict[str, object] = {"benchmark": "defocus_psnr", "seed": asked.seed}
    rows = parse_sheet(asked.sheet.read_text(encoding="utf-8"), str(asked.sheet)).values()
    for role in ("dataset1", "dataset2"):
        merged = {"captured": defaultdict(list), "clean": defaultdict(list)}
        for row in rows:
            if row.role != role:
                continue
            for field in simulate_slide(row, SimulateSettings(), PAIRS, OpticsSettings(), seed=asked.seed):
                for target, by_offset in scores(field).items():
                    for focal_offset_um, values in by_offset.items():
                        merged[target][focal_offset_um] += values
        means = {
            f"y1_against_{target}": {
                f"{focal_offset_um:+.1f}": _mean(values) for focal_offset_um, values in sorted(by_offset.items())
            }
            for target, by_offset in merged.items()
        }
        result[role] = means | {f"paper_{name}": row for name, row in paper()[role].items()}
    print(json.dumps(result, indent=2))


def _mean(values: list[float]) -> float | None:
    finite = [value for value in values if np.isfinite(value)]
    return round(float(np.mean(finite)), 2) if finite else None


if __name__ == "__main__":
    main()
