"""Several trainings of the same networks on test data: how much the seed matters. Prints one JSON object.

    python benchmarks/seeds.py --results results --trained FOLDER [--seeds 1 2 3] [--networks tsva fusion]
        [--train '{"steps": 7500, "steps_of": {}}']

`results` is the folder of a run of the embedded default up to its pairs and spectrum. FOLDER holds, or gets,
`<network>-<seed>/model.ckpt`: what is not there is trained with the settings of config/config.yaml, those of `--train`
in their place, and that seed. `verification_psnr_db` is by step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tsva.evaluation.scoring import named, run
from tsva.evaluation.statistics.estimates import error_rows, offset_rows
from tsva.evaluation.statistics.scores import comparison_rows
from tsva.restoration.baselines.one_by_one import Known, baseline
from tsva.restoration.baselines.plane import Signal
from tsva.restoration.checkpoint import load
from tsva.restoration.contract import Method
from tsva.restoration.datasets import read_patches
from tsva.restoration.refocus import NetworkMethod
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.evaluation import ReportSettings
from tsva.settings.refocus import RefocusSettings
from tsva.stage_files import read_table

PAIRS, OPTICS, REPORT = PairsSettings(), OpticsSettings(), ReportSettings()
DATASETS = ("dataset1", "dataset2")
BOUND = "wiener_two_shot"
VERSUS = (("fusion", "tsva"), ("tsva", "unet_residual"), ("fusion", "fusion_one_shot"))
"""Compared pair by pair where both are asked for; the latter two say what the second shot is worth."""


def main() -> None:
    """Train what is missing, restore both test data sets, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--networks", nargs="+", default=["tsva", "fusion"])
    parser.add_argument("--train", type=json.loads, default={})
    options = parser.parse_args()
    for network in options.networks:
        for seed in options.seeds:
            if not (options.trained / f"{network}-{seed}/model.ckpt").exists():
                _train(network, seed, options)
    found = {dataset: _dataset(dataset, options) for dataset in DATASETS}
    names = [f"{network}-{seed}" for network in options.networks for seed in options.seeds]
    folders = {name: options.trained / name for name in names}
    seconds = {name: json.loads((folders[name] / "summary.json").read_text())["seconds"] for name in names}
    curves = {name: _curve(folders[name] / "log.csv") for name in names}
    about = {"seeds": options.seeds, "train": options.train, "training_seconds": seconds}
    print(json.dumps({**about, "verification_psnr_db": curves, **found}, indent=1))


def _curve(log: Path) -> dict[str, float]:
    rows = pd.read_csv(log)
    return dict(zip(rows["step"].astype(str), rows["verification_psnr_db"].round(2).tolist(), strict=True))


def _train(network: str, seed: int, options: argparse.Namespace) -> None:
    results, trained = options.results, options.trained
    settings = yaml.safe_load((Path(__file__).parents[1] / "config/config.yaml").read_text())["train"]
    settings = {**settings, **options.train}
    settings.pop("networks", None)
    trained.mkdir(parents=True, exist_ok=True)
    file = trained / "settings.json"
    file.write_text(json.dumps({"train": settings}))
    arguments = ["--network", network, "--settings", str(file)]
    arguments += ["--seed", str(seed), "--table", str(results / "pairs/train.tsv"), "--results", str(results)]
    arguments += ["--threads", "2", "--out", str(trained / f"{network}-{seed}")]
    subprocess.run([Path(sys.executable).parent / "tsva", "train", *arguments], check=True)


def _dataset(dataset: str, options: argparse.Namespace) -> dict[str, Any]:
    table = read_table(options.results / f"pairs/{dataset}.tsv")
    signal = Signal.of_table(read_table(options.results / "spectrum/signal.tsv"))
    plain = {"y1": baseline("y1", Known()), BOUND: _wiener(signal)}
    scores = {name: _scores(table, options.results, method) for name, method in plain.items()}
    for network in options.networks:
        for seed in options.seeds:
            checkpoint = load(options.trained / f"{network}-{seed}/model.ckpt")
            method = NetworkMethod(checkpoint.restored_network(), RefocusSettings())
            scores[f"{network}-{seed}"] = _scores(table, options.results, method)
    facts: dict[str, Any] = {
        "gain_over_y1_db": {name: _strict(scores, dataset, name, "y1") for name in scores if name != "y1"}
    }
    for network in options.networks:
        facts[f"median_gain_{network}_db"] = _median(facts["gain_over_y1_db"], network, options.seeds)
    for name, other in VERSUS:
        if {name, other} <= set(options.networks):
            both = [(f"{name}-{seed}", f"{other}-{seed}") for seed in options.seeds]
            versus = {one: _strict(scores, dataset, one, two) for one, two in both}
            facts |= {
                f"{name}_over_{other}_db": versus,
                f"median_{name}_over_{other}_db": _median(versus, name, options.seeds),
                f"{name}_over_{other}_by_offset_db": {one: _by_offset(scores, dataset, one, two) for one, two in both},
            }
    if "fusion" in options.networks:
        names = [f"fusion-{seed}" for seed in options.seeds]
        facts["fusion_over_told_wiener_by_offset_db"] = {
            name: _by_offset(scores, dataset, name, BOUND) for name in names
        }
        # told methods are told where the target's plane lies; in other patches that is not the patch's own focus
        own = set(table.index[table["own_focus_plane"] == table["target_plane"]])
        in_focus = {name: rows[rows["patch"].isin(own)] for name, rows in scores.items()}
        facts["patches_whose_own_focus_is_the_target"] = len(own)
        facts["fusion_over_told_wiener_in_these_db"] = {
            name: _by_offset(in_focus, dataset, name, BOUND) for name in names
        }
        facts["offsets"] = {
            name: _row(offset_rows(scores[name], table, PAIRS, dataset=dataset, method=name)) for name in names
        }
        facts["true_over_expected_error"] = {name: _calibration(scores[name], dataset, name) for name in names}
    return facts


def _wiener(signal: Signal) -> Method:
    """Told the offset."""
    return baseline(BOUND, Known(signal=signal))


def _scores(table: pd.DataFrame, results: Path, method: Method) -> pd.DataFrame:
    strict, found = set(PAIRS.strict_offsets_um), []
    for patch in read_patches(table, results, PAIRS, dict.fromkeys(table["slide"], OPTICS)):
        pairs = [pair for pair in patch.grid if pair.focal_offset_um in strict]
        found.append(
            named(run(method, pairs, {"captured": patch.targets["captured"]})[1], patch.number, patch.row, "grid")
        )
    return pd.concat(found, ignore_index=True)


def _calibration(scores: pd.DataFrame, dataset: str, name: str) -> list[float]:
    """By groups of rising expected error."""
    rows = error_rows(scores, PAIRS, dataset=dataset, method=name)
    return (rows["rmse"] / rows["predicted_rmse"]).round(3).tolist()


def _rows(scores: dict[str, pd.DataFrame], dataset: str, name: str, baseline: str) -> pd.DataFrame:
    named: dict[str, Any] = {"dataset": dataset, "method": name, "baseline": baseline}
    rows = comparison_rows(scores[name], scores[baseline], **named, pairs=PAIRS, report=REPORT)
    return rows[rows["sample"].isna()]


def _strict(scores: dict[str, pd.DataFrame], dataset: str, name: str, baseline: str) -> list[float]:
    """Mean difference of the strict average, and its 95 % interval over slides."""
    rows = _rows(scores, dataset, name, baseline)
    row = rows[(rows["protocol"] == "strict") & rows["focal_offset_um"].isna()].iloc[0]
    return [round(float(row[key]), 3) for key in ("difference_db", "low_db", "high_db")]


def _by_offset(scores: dict[str, pd.DataFrame], dataset: str, name: str, baseline: str) -> dict[str, list[float]]:
    """Mean difference at each offset, and its 95 % interval over slides."""
    rows = _rows(scores, dataset, name, baseline)
    rows = rows[(rows["protocol"] == "strict") & rows["focal_offset_um"].notna()]
    return {
        f"{row['focal_offset_um']:+g}": [round(float(row[key]), 2) for key in ("difference_db", "low_db", "high_db")]
        for row in rows.to_dict("records")
    }


def _median(found: dict[str, list[float]], network: str, seeds: list[int]) -> float:
    return round(float(np.median([found[f"{network}-{seed}"][0] for seed in seeds])), 3)


def _row(rows: pd.DataFrame) -> dict[str, Any]:
    (row,) = json.loads(rows.round(3).to_json(orient="records"))
    return dict(row)


if __name__ == "__main__":
    main()
