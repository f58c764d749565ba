"""Digests of the default's simulated slides: what defines them, and with --results their pixels.

    python benchmarks/frozen.py [--results results/simulate]

The definition is the sheet and the settings that the simulate stage is given: equal definitions give equal slides
as long as the code that draws them is the same. Pixels are those of all planes and shots, slide by slide; processors
that round sums differently may turn some 8-bit values by one, so that the pixels' digest is of one kind of processor.
docs/results/frozen.json holds the definition's digest and the date of the freeze; a test compares it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import click
import numpy as np
import tifffile
import yaml

from tsva.settings.root import parse_settings

PROJECT = Path(__file__).parents[1]


def definition(config: Path = PROJECT / "config/config.yaml") -> str:
    """SHA-256 of the sheet and of the settings that simulated slides depend on."""
    settings = parse_settings(yaml.safe_load(config.read_text(encoding="utf-8")), str(config))
    sheet = (config.parents[1] / str(settings.slides)).read_text(encoding="utf-8").splitlines()
    parts = {
        "seed": settings.seed,
        "optics": settings.optics.model_dump(mode="json"),
        "simulate": settings.simulate.model_dump(mode="json"),
        "acquisition": settings.acquisition.model_dump(mode="json"),
        "sheet": [line.split("\t") for line in sheet if line],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()


def pixels(results: Path) -> dict[str, str]:
    """SHA-256 of each slide's planes and shots at continuous offsets, by slide."""
    found = {}
    for slide in sorted(path.parent for path in results.glob("*/fields.tsv")):
        digest = hashlib.sha256()
        for path in sorted((slide / "stacks").glob("*.tif")):
            digest.update(np.ascontiguousarray(tifffile.imread(path)).tobytes())
        for path in sorted((slide / "truth").glob("*_continuous.npy")):
            digest.update(np.ascontiguousarray(np.load(path)).tobytes())
        found[slide.name] = digest.hexdigest()
    return found


@click.command()
@click.option("--results", type=click.Path(exists=True, path_type=Path), help="Folder of the simulate stage.")
def main(results: Path | None) -> None:
    """Print one JSON object."""
    found: dict[str, object] = {"definition_sha256": definition()}
    if results:
        found["pixels_sha256"] = pixels(results)
    click.echo(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
