"""Whether runs have made the same results: digests of their tables, arrays, pictures and weights. Prints JSON.

    python benchmarks/same_results.py BEFORE AFTER

BEFORE and AFTER are working folders of runs with the same settings, of two versions of the code. Files that differ, or
that one of the runs lacks, are named on standard error, and the status is 1. Measured times do not count: columns
`seconds`, the files below `results/benchmarks`, and the figures of run times. Weights are compared and not the
checkpoints that hold them, as these name the version.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import torch

SEPARATORS = {".tsv": "\t", ".csv": ","}
BYTES = (".npy", ".npz", ".tif", ".png", ".jpeg", ".webp")
CHECKPOINT = "model.ckpt"
MEASURED_COLUMN = "seconds"
SHOWN = 20
"""Names of files that are printed."""


def main() -> None:
    """Digest, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    runs = parser.parse_args().runs
    found = {run: digests(run / "results") for run in runs}
    for run, files in found.items():
        if not files:
            parser.error(f"{run}: got no results; wanted the working folder of a run that has ended")
    print(json.dumps({str(run): summary(files) for run, files in found.items()}, indent=1))
    first = found[runs[0]]
    other = sorted({name for files in found.values() for name in differing(first, files)})
    for name in other[:SHOWN]:
        print(f"{name}: differs", file=sys.stderr)
    if len(other) > SHOWN:
        print(f"and {len(other) - SHOWN} other files", file=sys.stderr)
    sys.exit(1 if other else 0)


def digests(results: Path) -> dict[str, str]:
    """Digest of what each file holds that two runs must have alike, by its path below the results."""
    return {path.relative_to(results).as_posix(): digest for path, digest in _digests(results)}


def _digests(results: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(results.rglob("*")):
        if path.relative_to(results).parts[0] == "benchmarks" or path.stem == "run-times" or not path.is_file():
            continue
        if path.suffix in SEPARATORS:
            yield path, hashlib.sha256(table(path).encode()).hexdigest()
        elif path.suffix in BYTES:
            yield path, hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name == CHECKPOINT:
            yield path, weights(path)


def table(path: Path) -> str:
    """The cells of a table as they are written, without those that are measured."""
    read = pd.read_csv(path, sep=SEPARATORS[path.suffix], dtype=str, keep_default_na=False)
    return str(read.drop(columns=MEASURED_COLUMN, errors="ignore").to_csv())


def weights(checkpoint: Path) -> str:
    """Digest of a network's weights."""
    digest = hashlib.sha256()
    held = torch.load(checkpoint, weights_only=True, map_location="cpu")["weights"]
    for name in sorted(held):
        digest.update(name.encode() + held[name].numpy().tobytes())
    return digest.hexdigest()


def summary(files: Mapping[str, str]) -> dict[str, object]:
    """How many files of a run were compared, a digest of its tables, and one of everything."""
    tables = {name: digest for name, digest in files.items() if Path(name).suffix in SEPARATORS}
    return {"files": len(files), "tables": _together(tables), "everything": _together(files)}


def _together(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()[:16]


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """Names of the files that two runs do not have alike."""
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


if __name__ == "__main__":
    main()
