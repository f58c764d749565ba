"""Gains over Y1 by what counts as the truth: each patch's own focus, or the field's sharpest plane.

    snakemake --cores 2 --directory A --configfile config/development.yaml \
        --config slides=$PWD/config/development_slides.tsv \
        simulate='{fields: {train: 1}, draws: {train: 8, dataset1: 8, dataset2: 8}}' -- \
        results/pairs/train.tsv results/pairs/dataset1.tsv results/pairs/dataset2.tsv
    snakemake --cores 2 --directory B --config pairs='{truth: field}' … as above
    python benchmarks/truths.py --checkpoint model.ckpt --patch A/results --field B/results

Development slides alone. The pairs of both folders are the same images; each is restored once and scored against both
noise-free targets. Prints one JSON object: by laboratory (beginning of the slides' names) pairs, gain over Y1, share
made worse by more than 0.1 dB, mean loss in these, gain by the size of the offset, and true over expected error.
`--most 1,0.9,0.55,0.45,0.4` restores with other shares of Fusion's image than those that the network holds, and
`--half 0.6,0.45,0.3,0.27,0.6` with other deviations of the offset that halve them (0: none does). `--misfit 3` is the
misfit of the spectra at which these limits are lifted by half (0: never). B may then be A.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tsva.acquisition.pair import Pair, y1_of
from tsva.evaluation.names import WORSE_DB
from tsva.evaluation.scoring import psnr_db
from tsva.restoration.checkpoint import load
from tsva.restoration.refocus import NetworkMethod
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.restoration import RefocusSettings
from tsva.stage_files import read_table
from tsva.training.patches import read_truth

MOST_PAIRS = 4
"""Of a patch, spread over its draws."""
SIZES_UM = (0, 0.25, 0.5, 0.75, 1, 1.5, 3.01)
PLACE = ["field", "row", "column"]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "patch", "field"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--most", help="Largest weights of Fusion's image in place of its own, five with commas.")
    parser.add_argument("--half", help="Deviations that halve them, as multiples of δ, likewise; 0: none does.")
    parser.add_argument("--misfit", type=float, help="Misfit at which these limits are lifted by half; 0: never.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    held = load(asked.checkpoint)
    optics = OpticsSettings.model_validate(held.optics)
    network = held.restored_network()
    buffers = dict(network.named_buffers())
    if asked.most:
        buffers["most"].copy_(_numbers(asked.most))
    if asked.half:
        half = _numbers(asked.half)
        buffers["doubt"].copy_(torch.where(half > 0, half, torch.inf).square().reciprocal())
    if asked.misfit is not None:
        buffers["misfit.limits"][0] = asked.misfit
    method = NetworkMethod(network, RefocusSettings())
    tables = [
        _scores(method, table, asked.field / table.relative_to(asked.patch), held.delta_um, optics)
        for table in sorted(asked.patch.glob("pairs/*/patches.tsv"))
    ]
    rows = pd.concat([table for table in tables if len(table)], ignore_index=True)
    found = {truth: {lab: _summary(of) for lab, of in part.groupby("lab")} for truth, part in rows.groupby("truth")}
    print(json.dumps({"network": held.network, "steps": held.step, **found}, indent=1))


def _numbers(listed: str) -> torch.Tensor:
    return torch.tensor([float(part) for part in listed.split(",")])


def _scores(method: NetworkMethod, own: Path, of_field: Path, delta_um: float, optics: OpticsSettings) -> pd.DataFrame:
    """A slide's pairs: `lab`, `truth`, `offset_um`, `gain_db`, and root mean square errors, `true` and `expected`."""
    tables = {"patch": read_table(own), "field": read_table(of_field)}
    if tables["patch"].empty or tables["field"].empty:
        return pd.DataFrame()
    both = tables["patch"].merge(tables["field"], on=PLACE, suffixes=("_patch", "_field"))
    truths = {
        name: read_truth(path.with_name("patches.npy"), tables[name])
        for name, path in (("patch", own), ("field", of_field))
    }
    rows = []
    for row in both[(both["has_clean_patch"] == 1) & (both["has_clean_field"] == 1)].to_dict("records"):
        known = {name: (truth, row[f"index_{name}"]) for name, truth in truths.items() if truth is not None}
        truth, index = known["patch"]
        draws = np.unique(np.linspace(0, len(truth.shots[index]) - 1, MOST_PAIRS).round().astype(int))
        pairs = [Pair(np.asarray(low), np.asarray(high), delta_um, optics) for low, high in truth.shots[index][draws]]
        restored = method(pairs)
        images, expected = restored.images, restored.expected_rmse
        y1 = np.stack([np.rint(255 * y1_of(pair)).astype(np.uint8) for pair in pairs])
        for name, (of, place) in known.items():
            target = np.broadcast_to(np.asarray(of.clean[place]), images.shape)
            after_db = psnr_db(images, target)
            gains, true = after_db - psnr_db(y1, target), 10 ** (-after_db / 20)
            offsets_um = of.focal_offset_um[place][draws]
            facts = {"lab": own.parent.name[:2], "truth": name}
            found = {"offset_um": offsets_um, "gain_db": gains, "true": true, "expected": expected}
            rows += [{**facts, **row} for row in pd.DataFrame(found).to_dict("records")]
    return pd.DataFrame(rows)


def _summary(rows: pd.DataFrame) -> dict[str, object]:
    gain, worse = rows["gain_db"], rows["gain_db"] < -WORSE_DB
    sizes = pd.cut(rows["offset_um"].abs(), list(SIZES_UM), include_lowest=True)
    by_size = gain.groupby(sizes, observed=True).mean()
    return {
        "pairs": len(rows),
        "gain_over_y1_db": round(float(gain.mean()), 2),
        "made_worse": round(float(worse.mean()), 3),
        "true_over_expected_error": _ratio(rows),
        "mean_loss_db": round(float(gain[worse].mean()), 2) if worse.any() else None,
        "gain_by_size_db": {
            f"{max(size.left, 0):g} to {size.right:g}": round(float(db), 2)
            for size, db in zip(pd.IntervalIndex(list(by_size.index)), by_size, strict=True)
        },
    }


def _ratio(rows: pd.DataFrame) -> float | None:
    """Of root mean squares over all pairs, where the network expects errors."""
    if rows["expected"].isna().any():
        return None
    return round(float(np.sqrt(np.square(rows["true"]).mean() / np.square(rows["expected"]).mean())), 2)


if __name__ == "__main__":
    main()
