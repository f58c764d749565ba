"""Time that each method without training takes for a patch. Prints one JSON object.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/baselines.py --results results

`results` is the folder of a run of the embedded default up to its pairs and spectrum. One test patch of Dataset 1 at
its strict offsets; processor milliseconds on one core, the least of some turns over all of them, with transfer
functions kept from a first turn. `ratio` is to `skimage.restoration.wiener` on the same patches (three colours of Y1,
one known kernel, no margins): the least that a restoration of one shot by a library takes. The two blind deblurrers see
one pair.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from skimage.restoration import wiener

from tsva.acquisition.pair import Pair, y1_of
from tsva.restoration.baselines.one_by_one import Known, baseline
from tsva.restoration.baselines.plane import Signal
from tsva.restoration.contract import Method, Restoration
from tsva.restoration.datasets import read_patches, read_patches_table
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.methods import BASELINES
from tsva.settings.restoration import BaselineSettings
from tsva.stage_files import read_table

PAIRS, OPTICS = PairsSettings(), OpticsSettings()
SLOW = ("dark_channel", "graph")
TURNS = 5
BALANCE = 0.01


def one(method: Method, pair: Pair) -> Restoration:
    """A pair alone."""
    return method([pair])


def main() -> None:
    """Time all of them, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    results = parser.parse_args().results
    table = read_patches_table(results / "pairs/dataset1.tsv")
    patch = next(iter(read_patches(table, results, PAIRS, dict.fromkeys(table["slide"], OPTICS))))
    pairs = [pair for pair in patch.grid if pair.focal_offset_um in PAIRS.strict_offsets_um]
    known = Known(BaselineSettings(), Signal.of_table(read_table(results / "spectrum/signal.tsv")))
    peer_ms = milliseconds(library_wiener, pairs, TURNS)
    found = {}
    for name in BASELINES:
        slow = name in SLOW
        method = baseline(name, known)
        ms = milliseconds(partial(one, method), pairs[:1] if slow else pairs, 1 if slow else TURNS)
        found[name] = {"ms": round(ms, 2), "patches_a_second": round(1000 / ms, 2), "ratio": round(ms / peer_ms, 2)}
    shape = list(pairs[0].low.shape)
    print(json.dumps({"shape": shape, "pairs": len(pairs), "library_wiener_ms": round(peer_ms, 2), **found}, indent=1))


def milliseconds(method: Callable[[Pair], object], pairs: list[Pair], turns: int) -> float:
    """Of the processor, for a pair; the least of some turns after one that fills what is kept."""
    if turns > 1:
        for pair in pairs:
            method(pair)
    least = float("inf")
    for _ in range(turns):
        start = time.process_time()
        for pair in pairs:
            method(pair)
        least = min(least, time.process_time() - start)
    return 1000 * least / len(pairs)


def library_wiener(pair: Pair) -> np.ndarray:
    """Y1 through scikit-image's filter, colour by colour."""
    shot = y1_of(pair).astype(np.float32) / 255
    kernel = np.full((9, 9), 1 / 81, np.float32)
    return np.stack([wiener(shot[..., c], kernel, BALANCE) for c in range(shot.shape[2])], axis=-1)


if __name__ == "__main__":
    main()
