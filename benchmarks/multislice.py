"""What networks gain on multi-slice images, and on the fast model's images of the same tissue. Prints one JSON object.

    snakemake --cores 2 --directory A --configfile config/multislice.yaml \
        --config slides=$PWD/config/multislice_slides.tsv -- \
        results/pairs/M1-1/patches.tsv results/pairs/M1-2/patches.tsv …
    sed 's/multislice$/nominal/' config/multislice_slides.tsv > fast.tsv
    snakemake --cores 2 --directory B … --config slides=$PWD/fast.tsv -- …
    python benchmarks/multislice.py --checkpoint results/train/fusion/model.ckpt --multislice A/results --fast B/results

Gains over Y1 at all continuous offsets, against the image without noise, with truth per patch; of slides that both
folders have.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from packaged_model import scores, summary

from tsva.restoration.checkpoint import load
from tsva.restoration.refocus import NetworkMethod
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.restoration import RefocusSettings

MOST_PAIRS = 13
"""Of a patch: all draws."""


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "multislice", "fast"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    held = load(asked.checkpoint)
    method = NetworkMethod(held.restored_network(), RefocusSettings())
    optics = OpticsSettings.model_validate(held.optics)
    both = [scores(method, results, held.delta_um, optics, MOST_PAIRS) for results in (asked.multislice, asked.fast)]
    slides = set(both[0]["slide"]) & set(both[1]["slide"])
    of_slides = [rows[rows["slide"].isin(slides)] for rows in both]
    found = {name: summary(rows) for name, rows in zip(("multislice", "fast"), of_slides, strict=True)}
    kept = of_slides[0]["gain_db"].mean() / of_slides[1]["gain_db"].mean()
    print(json.dumps({"network": held.network, **found, "share_of_gain_kept": round(float(kept), 2)}, indent=1))


if __name__ == "__main__":
    main()
