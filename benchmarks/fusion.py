"""Fusion beside TSVA: arithmetic, time, another lamp, offsets beyond the trained ones. Prints one JSON object.

    python benchmarks/fusion.py --results results

needs the folder of a finished run that trained both (the embedded default does).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from tsva.acquisition.pair import Pair
from tsva.acquisition.stack import eight_bits
from tsva.evaluation.scoring import psnr_db
from tsva.readers.stack_file import read_stack
from tsva.restoration.checkpoint import load
from tsva.restoration.datasets import read_patches, read_patches_table
from tsva.restoration.refocus import NetworkMethod
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.restoration import RefocusSettings
from tsva.settings.train import TrainSettings
from tsva.stage_files import read_table
from tsva.training.fit import multiply_accumulates

PAIRS, OPTICS = PairsSettings(), OpticsSettings()
GAINS = (0.8, 0.9, 1.1, 1.2)
FAR_UM = (3.0, 4.0, 5.0, 6.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    results = parser.parse_args().results
    checkpoints = {name: load(results / "train" / name / "model.ckpt") for name in ("tsva", "fusion")}
    networks = {name: checkpoint.restored_network() for name, checkpoint in checkpoints.items()}
    macs = {
        name: multiply_accumulates(checkpoint.network, TrainSettings.model_validate(checkpoint.settings), 3)
        for name, checkpoint in checkpoints.items()
    }
    seconds = _seconds(networks)
    fusion = NetworkMethod(networks["fusion"], RefocusSettings())
    print(
        json.dumps(
            {
                "multiply_accumulates_224": macs,
                "arithmetic_ratio": macs["fusion"] / macs["tsva"],
                "seconds_a_patch": seconds,
                "time_ratio": seconds["fusion"] / seconds["tsva"],
                "threads": torch.get_num_threads(),
                "cost_of_another_lamp_db": _lamps(results, fusion),
                "beyond_the_trained_range": _beyond(results, fusion),
            },
            indent=1,
        )
    )


def _seconds(networks: Mapping[str, torch.nn.Module]) -> dict[str, float]:
    """Of a 224×224 patch in a batch of eight: the least of nine turns, one network after the other."""
    shots = torch.rand(2, 8, 3, 224, 224)
    found: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for _ in range(10):
            for name, network in networks.items():
                began = time.perf_counter()
                network(*shots)
                found[name].append((time.perf_counter() - began) / 8)
    return {name: min(turns[1:]) for name, turns in found.items()}


def _lamps(results: Path, fusion) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """PSNR lost, of full scale, where shots and target are brighter by a gain and nothing is clipped that wasn't."""
    rows = read_patches_table(results / "pairs/dataset1.tsv").iloc[::6]
    lost: dict[float, list[float]] = {gain: [] for gain in GAINS}
    for patch in read_patches(rows, results, PAIRS, dict.fromkeys(rows["slide"], OPTICS)):
        for pair in (one for one in patch.grid if one.focal_offset_um in (-2.0, 0.0, 1.0)):
            # darker by 1 / 1.2 first, so that the brightest lamp clips nothing
            base = None
            for gain in (1.0, *GAINS):
                low, high = (np.rint(shot / 1.2 * gain).astype(np.uint8) for shot in (pair.low, pair.high))
                target = np.rint(patch.targets["captured"] / 1.2 * gain).astype(np.uint8)
                image = fusion([Pair(low, high, pair.delta_um, pair.optics)]).images
                # errors in units of the lamp
                score = float(psnr_db(eight_bits(image / 255 / gain), eight_bits(target[None] / 255 / gain))[0])
                if base is None:
                    base = score
                else:
                    lost[gain].append(base - score)
    return {f"{gain:g}": round(float(np.mean(values)), 3) for gain, values in lost.items()}


def _beyond(results: Path, fusion) -> list[dict[str, float]]:  # type: ignore[no-untyped-def]
    """What Fusion says of shots farther off than it was trained for, in the middle of each test field."""
    found = []
    for far_um in FAR_UM:
        said: list[tuple[float, float, float]] = []
        for folder in sorted((results / "ingest").glob("D1-*")):
            row = read_table(folder / "fields.tsv").iloc[0]
            focus_z_um = float(read_table(results / "focus" / folder.name / "fields.tsv")["focus_z_um"].iloc[0])
            stack = read_stack(folder / row["file"])
            for focal_offset_um in (-far_um, far_um):
                wanted = focus_z_um + focal_offset_um + np.array([-PAIRS.delta_um, PAIRS.delta_um])
                planes = [int(np.argmin(np.abs(stack.z_um - z_um))) for z_um in wanted]
                if np.abs(stack.z_um[planes] - wanted).max() > 0.01:
                    continue
                low, high = (stack.planes[plane][112:336, 112:336] for plane in planes)
                facts = fusion([Pair(low, high, PAIRS.delta_um, OPTICS)]).facts
                keys = ("estimated_focal_offset_um", "estimated_focal_offset_sd_um", "predicted_rmse")
                said.append(tuple(float(facts[key][0]) for key in keys))  # type: ignore[arg-type]
        table = np.abs(np.array(said))
        found.append(
            {
                "focal_offset_um": far_um,
                "pairs": len(said),
                "median_size_um": round(float(np.median(table[:, 0])), 2),
                "share_beyond_3_um": round(float(np.mean(table[:, 0] > PAIRS.offset_max_um)), 3),
                "median_sd_um": round(float(np.median(table[:, 1])), 3),
                "median_predicted_rmse": round(float(np.median(table[:, 2])), 4),
            }
        )
    return found


if __name__ == "__main__":
    main()
