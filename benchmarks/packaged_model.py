"""The network that comes with the package: scored on sets that it was not trained on, and put in its place.

    snakemake --cores 2 --directory model --configfile config/model.yaml --config slides=config/model_slides.tsv \
        results/train/fusion/model.ckpt
    python benchmarks/packaged_model.py --checkpoint model/results/train/fusion/model.ckpt \
        --scored development=development/results \
        --trained-on "config/model.yaml: digital tissue and real textures, six microscopes, targets without noise"

Sharp images that the sheet names under `real/` are not part of the project: docs/networks.md says which they are. Each
set is a results folder that holds `pairs/<slide>/` with shots at continuous offsets. Scores are gains over Y1 against
the image without noise. Writes tsva/restoration/models/fusion.ckpt and its card, fusion.json.

The network for whole slides, fusion_slides.ckpt, is trained on the default's training slides, with two verifications:

    snakemake --cores 2 --directory slides --config train='{verifications: 2}' -- results/train/fusion/model.ckpt
    python benchmarks/packaged_model.py --checkpoint slides/results/train/fusion/model.ckpt --use slides \
        --scored development=development/results --trained-on "config/config.yaml: the default's training slides"

    python benchmarks/packaged_model.py --rescore --use slides --scored development=development/results

scores the file in place anew and writes its card.

    python benchmarks/packaged_model.py --colours-of RESULTS --use slides

adds to the file in place which colours it was trained on, and changes nothing else. RESULTS is the results folder of
its training, which is told by the digest of its patches.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tsva.acquisition.pair import Pair, y1_of
from tsva.evaluation.names import WORSE_DB
from tsva.evaluation.scoring import psnr_db
from tsva.restoration.checkpoint import Checkpoint, load, save
from tsva.restoration.packaged_model import FOLDER, NAMES
from tsva.restoration.refocus import NetworkMethod
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.restoration import RefocusSettings
from tsva.settings.train import TrainSettings
from tsva.stage_files import read_table
from tsva.training.patches import data_digest, read_patches, read_truth

MOST_PAIRS = 4
"""Of a patch."""


def scores(
    method: NetworkMethod, results: Path, delta_um: float, optics: OpticsSettings, most_pairs: int = MOST_PAIRS
) -> pd.DataFrame:
    """Gain over Y1, expected and true error of each pair, of at most so many pairs a patch."""
    rows = []
    for table in sorted(results.glob("pairs/*/patches.tsv")):
        patches = read_table(table)
        truth = read_truth(table.with_name("patches.npy"), patches) if len(patches) else None
        for index in range(len(patches)):
            if truth is None or not truth.has_clean[index] or not len(truth.shots):
                continue
            target = np.asarray(truth.clean[index])
            offsets = truth.focal_offset_um[index][:most_pairs]
            pairs = [
                Pair(np.asarray(low), np.asarray(high), delta_um, optics, float(n))
                for (low, high), n in zip(truth.shots[index], offsets, strict=False)
            ]
            restored = method(pairs)
            for pair, image, expected in zip(pairs, restored.images, restored.expected_rmse, strict=True):  # type: ignore[arg-type]
                y1 = np.rint(255 * y1_of(pair)).astype(np.uint8)
                ours, before = (float(psnr_db(one[None], target[None])[0]) for one in (image, y1))
                row = {"slide": table.parent.name, "offset_um": pair.focal_offset_um, "gain_db": ours - before}
                rows.append(row | {"expected": expected, "true": 10 ** (-ours / 20)})
    return pd.DataFrame(rows)


def summary(rows: pd.DataFrame) -> dict[str, object]:
    """What the card says of a set."""
    harmed = rows["gain_db"] < -WORSE_DB
    ratio = np.sqrt(np.square(rows["true"]).mean() / np.square(rows["expected"]).mean())
    return {
        "slides": int(rows["slide"].nunique()),
        "pairs": len(rows),
        "gain_over_y1_db": round(float(rows["gain_db"].mean()), 2),
        "made_worse": round(float(harmed.mean()), 3),
        "mean_loss_of_those_db": round(float(rows["gain_db"][harmed].mean()), 2) if harmed.any() else None,
        "true_over_expected_error": round(float(ratio), 2),
    }


def add_colours(place: Path, results: Path) -> None:
    """Tell a packaged checkpoint and its card the colours of the patches that it was trained on."""
    held, table = load(place), results / "pairs" / "train.tsv"
    rows = read_table(table)
    if (data := data_digest(rows, results)) != held.data:
        raise SystemExit(f"{table}: patches {data}, not those that {place.name} was trained on ({held.data})")
    settings = TrainSettings.model_validate(held.settings)
    offsets = rows["focal_offset_um"].abs().max()
    pairs = PairsSettings(delta_um=held.delta_um, offset_max_um=held.offset_max_um)
    assert offsets <= pairs.offset_max_um
    found = read_patches(rows, table, results, pairs, "training").colours(settings.stain_jitter)
    assert found is not None
    save(replace(held, colours=found.plain()), place, with_computed=bool(held.computed))
    card_file = place.with_suffix(".json")
    card = json.loads(card_file.read_text(encoding="utf-8"))
    card["sha256"], scores = hashlib.sha256(place.read_bytes()).hexdigest(), card.pop("scores")
    card |= {"colours": found.plain(), "scores": scores}
    card_file.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found.plain()))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--scored", action="append", default=[], metavar="NAME=RESULTS")
    parser.add_argument("--trained-on", help="A sentence for the card.")
    parser.add_argument("--rescore", action="store_true", help="Score the file in place, and change its card alone.")
    parser.add_argument("--colours-of", type=Path, metavar="RESULTS", help="Add the colours of these training patches.")
    parser.add_argument("--use", choices=list(NAMES), default="pairs")
    asked = parser.parse_args()
    place = FOLDER / f"{NAMES[asked.use]}.ckpt"
    torch.set_num_threads(1)
    if asked.colours_of:
        add_colours(place, asked.colours_of)
        return
    if not (asked.rescore or (asked.checkpoint and asked.trained_on)):
        parser.error("give --checkpoint and --trained-on, or --rescore, or --colours-of")
    held = load(place if asked.rescore else asked.checkpoint)
    optics = OpticsSettings.model_validate(held.optics)
    method = NetworkMethod(held.restored_network(), RefocusSettings())
    sets = dict(part.split("=", 1) for part in asked.scored)
    found = {name: summary(scores(method, Path(results), held.delta_um, optics)) for name, results in sets.items()}
    if asked.rescore:
        card = json.loads(place.with_suffix(".json").read_text(encoding="utf-8")) | {"scores": found}
    else:
        save(held, place, with_computed=False)
        card = _card(held, place, asked.trained_on, found)
    place.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({"bytes": place.stat().st_size, "scores": found}, indent=2))


def _card(held: Checkpoint, place: Path, trained_on: str, found: Mapping[str, object]) -> dict[str, object]:
    settings = TrainSettings.model_validate(held.settings)
    return {
        "network": held.network,
        "sha256": hashlib.sha256(place.read_bytes()).hexdigest(),
        "parameters": sum(weight.numel() for weight in held.restored_network().parameters()),
        "trained_on": trained_on,
        "steps": held.step,
        "settings": settings.used_by(held.network),
        "data": held.data,
        "channels": held.channels,
        "pixel_um": held.pixel_um,
        "delta_um": held.delta_um,
        "offset_max_um": held.offset_max_um,
        "optics": held.optics,
        "colours": held.colours,
        "scores": found,
    }


if __name__ == "__main__":
    main()
