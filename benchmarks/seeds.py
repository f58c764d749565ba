"""Several trainings of the same networks on test data: how much the seed matters. Prints one JSON object.

    python benchmarks/seeds.py --results results --trained FOLDER [--seeds 1 2 3] [--networks tsva fusion]
        [--train '{"steps": 7500, "steps_of": {}}'] [--keep seeds]

`results` is the folder of a run of the embedded default up to its pairs and spectrum. FOLDER holds, or gets,
`<network>-<seed>/model.ckpt`: what is not there is trained with the settings of config/config.yaml, those of `--train`
in their place, and that seed. `verification_psnr_db` is by step. Gains are in dB, with 95 % intervals over slides.
`--keep NAME` writes docs/results/NAME.json, and the tables of docs/results/NAME.md between its marks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pages import between, gain, percent

from tsva.evaluation.scoring import named, run
from tsva.evaluation.statistics.estimates import error_rows
from tsva.evaluation.statistics.scores import comparison_rows
from tsva.restoration.baselines.one_by_one import Known, baseline
from tsva.restoration.baselines.plane import Signal
from tsva.restoration.checkpoint import load
from tsva.restoration.contract import Method
from tsva.restoration.datasets import read_patches, read_patches_table
from tsva.restoration.refocus import NetworkMethod
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.evaluation import ReportSettings
from tsva.settings.methods import METHODS
from tsva.settings.restoration import RefocusSettings
from tsva.stage_files import read_table

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config/config.yaml").read_text(encoding="utf-8"))
PAIRS, OPTICS, REPORT = PairsSettings(), OpticsSettings.model_validate(CONFIG["optics"]), ReportSettings()
DATASETS = ("dataset1", "dataset2")
KNOWN = "wiener_two_shot"
"""Is given the offset."""
VERSUS = (("fusion", "tsva"), ("fusion", KNOWN), ("tsva", "unet_residual"), ("fusion", "fusion_one_shot"))
"""Compared pair by pair where both are asked for; the latter two say what the second shot is worth."""
SCORED = {"continuous_noise_free": ("continuous", "clean"), "strict": ("strict", "captured")}
"""Protocol and target."""
KEYS = ("difference_db", "low_db", "high_db", "share_worse", "mean_loss_db")
KEPT = Path(__file__).parents[1] / "docs/results"
START, END = "<!-- tables -->\n", "<!-- end of tables -->\n"


def main() -> None:
    """Train what is missing, restore both test data sets, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--networks", nargs="+", default=["tsva", "fusion"])
    parser.add_argument("--train", type=json.loads, default={})
    parser.add_argument("--keep", help="Write docs/results/KEEP.json and the tables of docs/results/KEEP.md.")
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
    made = {**about, "verification_psnr_db": curves, **found}
    print(json.dumps(made, indent=1))
    if options.keep:
        (KEPT / f"{options.keep}.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        page = KEPT / f"{options.keep}.md"
        page.write_text(with_tables(page.read_text(encoding="utf-8"), made), encoding="utf-8")


def _curve(log: Path) -> dict[str, float]:
    rows = pd.read_csv(log)
    return dict(zip(rows["step"].astype(str), rows["verification_psnr_db"].round(2).tolist(), strict=True))


def _train(network: str, seed: int, options: argparse.Namespace) -> None:
    results, trained = options.results, options.trained
    settings = {**CONFIG["train"], **options.train}
    settings.pop("networks", None)
    trained.mkdir(parents=True, exist_ok=True)
    file = trained / "settings.json"
    # networks hold the optics: without this section they would be those of the settings' defaults
    file.write_text(json.dumps({"train": settings, "optics": CONFIG["optics"]}))
    arguments = ["--network", network, "--settings", str(file)]
    arguments += ["--seed", str(seed), "--table", str(results / "pairs/train.tsv"), "--results", str(results)]
    arguments += ["--threads", "2", "--out", str(trained / f"{network}-{seed}")]
    subprocess.run([Path(sys.executable).parent / "tsva", "train", *arguments], check=True)


def _dataset(dataset: str, options: argparse.Namespace) -> dict[str, Any]:
    table = read_patches_table(options.results / f"pairs/{dataset}.tsv")
    signal = Signal.of_table(read_table(options.results / "spectrum/signal.tsv"))
    methods = {"y1": baseline("y1", Known()), KNOWN: baseline(KNOWN, Known(signal=signal))}
    for network in options.networks:
        for seed in options.seeds:
            checkpoint = load(options.trained / f"{network}-{seed}/model.ckpt")
            methods[f"{network}-{seed}"] = NetworkMethod(checkpoint.restored_network(), RefocusSettings())
    scores = {name: _scores(table, options.results, method) for name, method in methods.items()}
    facts: dict[str, Any] = {"over_y1": {name: _gains(scores, dataset, name, "y1") for name in scores if name != "y1"}}
    for name, other in VERSUS:
        if {name, other} <= {*options.networks, KNOWN}:
            facts[f"{name}_over_{other}"] = {
                str(seed): _gains(scores, dataset, f"{name}-{seed}", other if other == KNOWN else f"{other}-{seed}")
                for seed in options.seeds
            }
    named_errors = {name: _calibration(scores[name], dataset, name) for name in methods if name not in ("y1", KNOWN)}
    return {**facts, "true_over_expected_error": named_errors}


def _scores(table: pd.DataFrame, results: Path, method: Method) -> pd.DataFrame:
    """Rows of scores.tsv: pairs at offsets between the planes, and those of the grid that the strict average needs."""
    found, strict = [], set(PAIRS.strict_offsets_um)
    for patch in read_patches(table, results, PAIRS, dict.fromkeys(table["slide"], OPTICS)):
        target_um = float(patch.row["target_offset_um"])
        at_planes = [pair for pair in patch.grid if round(pair.focal_offset_um - target_um, 6) in strict]
        for protocol, pairs in (("grid", at_planes), ("continuous", patch.continuous)):
            if pairs:
                found.append(named(run(method, pairs, patch.targets)[1], patch.number, patch.row, protocol))
    return pd.concat(found, ignore_index=True)


def _calibration(scores: pd.DataFrame, dataset: str, name: str) -> list[float]:
    """By groups of rising expected error."""
    rows = error_rows(scores, PAIRS, dataset=dataset, method=name)
    return (rows["rmse"] / rows["predicted_rmse"]).round(3).tolist()


def _gains(scores: dict[str, pd.DataFrame], dataset: str, name: str, baseline: str) -> dict[str, Any]:
    """Of the protocols in `SCORED`: mean difference, 95 % interval over slides, share made worse and mean loss there;
    and the mean difference by the focal offset, with its interval."""
    said: dict[str, Any] = {"dataset": dataset, "method": name, "baseline": baseline}
    rows = comparison_rows(scores[name], scores[baseline], **said, pairs=PAIRS, report=REPORT)
    rows = rows[rows["sample"].isna()]
    found: dict[str, Any] = {}
    for key, (protocol, target) in SCORED.items():
        of = rows[(rows["protocol"] == protocol) & (rows["target"] == target)]
        found[key] = _row(of[of["focal_offset_um"].isna()][list(KEYS)])
        bins = of[of["focal_offset_um"].notna()]
        values = json.loads(bins[list(KEYS[:3])].round(2).to_json(orient="values"))  # null, not NaN
        found[f"{key}_by_offset_um"] = dict(zip(bins["focal_offset_um"].map("{:+g}".format), values, strict=True))
    return found


def with_tables(page: str, made: dict[str, Any]) -> str:
    """A page with the tables of what was made between its marks."""
    tables = [_table_of_gains(made)]
    if len(made["seeds"]) == 1:
        tables.append(_table_by_offset(made))
    return between(page, START, END, "\n\n".join(tables) + "\n")


def _table_of_gains(made: dict[str, Any]) -> str:
    lines = ["| test slides | method | less | seed | continuous, noise-free | made worse | strict |", "|" + "---|" * 7]
    for dataset in DATASETS:
        over_y1 = [(*_parted(name), "y1", found) for name, found in made[dataset]["over_y1"].items()]
        versus = [
            (name, seed, other, found)
            for name, other in VERSUS
            for seed, found in made[dataset].get(f"{name}_over_{other}", {}).items()
        ]
        for name, seed, other, found in (*over_y1, *versus):
            scored = found["continuous_noise_free"]
            cells = [f"Dataset {dataset[-1]}", METHODS[name].title, METHODS[other].title, seed]
            cells += [gain(_interval(scored)), percent(scored["share_worse"]), gain(_interval(found["strict"]))]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _table_by_offset(made: dict[str, Any]) -> str:
    pairs = [(name, other) for name, other in VERSUS if other != KNOWN and f"{name}_over_{other}" in made[DATASETS[0]]]
    heads = [
        f"Dataset {dataset[-1]}: {METHODS[a].title} less {METHODS[b].title}" for dataset in DATASETS for a, b in pairs
    ]
    lines = ["| ΔD (µm) | " + " | ".join(heads) + " |", "|" + "---|" * (1 + len(heads))]
    seed = str(made["seeds"][0])
    columns = [
        made[dataset][f"{a}_over_{b}"][seed]["continuous_noise_free_by_offset_um"]
        for dataset in DATASETS
        for a, b in pairs
    ]
    offsets: set[str] = set().union(*columns)
    for offset in sorted(offsets, key=float):
        cells = [gain(column[offset]) if offset in column else "–" for column in columns]
        lines.append("| " + " | ".join([offset, *cells]) + " |")
    return "\n".join(lines)


def _interval(scored: dict[str, float | None]) -> list[float | None]:
    return [scored[key] for key in KEYS[:3]]


def _parted(name: str) -> tuple[str, str]:
    network, dash, seed = name.rpartition("-")
    return (network, seed) if dash else (name, "–")


def _row(rows: pd.DataFrame) -> dict[str, Any]:
    (row,) = json.loads(rows.round(3).to_json(orient="records"))
    return dict(row)


if __name__ == "__main__":
    main()
