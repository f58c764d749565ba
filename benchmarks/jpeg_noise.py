"""What storing costs a copied cell of a whole slide, whose only error is its camera's noise. Prints JSON.

    python benchmarks/jpeg_noise.py SLIDE... [--electrons 8000] > docs/results/jpeg_noise.json

The tiles of each slide with the most tissue, smoothed, stand for noise-free images; a camera that fills so many
electrons at white takes them. Of each way of storing a tile: decibels that it adds to the noise, and its kilobytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from tsva.readers.slide import open_regions
from tsva.slides.stored_tiles import TILE_PX, TileCodec

TILES = 3
SMOOTHING_PX = 0.7
WAYS = {"lossless": TileCodec(3), **{f"quality {q}": TileCodec(3, quality=q) for q in (90, 95, 98, 99, 100)}}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("slides", type=Path, nargs="+")
    parser.add_argument("--electrons", type=int, default=8000)
    chosen = parser.parse_args()
    random = np.random.default_rng(0)
    result: dict = {"electrons_at_white": chosen.electrons}
    for slide in chosen.slides:
        found = [measured(tile, chosen.electrons, random) for tile in tiles_of(slide)]
        result[slide.name] = {
            "tiles": len(found),
            "noise_sd_levels": [round(tile["noise_sd_levels"], 2) for tile in found],
            **{way: {key: mean_of(tile[way][key] for tile in found) for key in found[0][way]} for way in WAYS},
        }
    print(json.dumps(result, indent=2))


def mean_of(values: Iterable[float]) -> float:
    """To two digits."""
    return round(float(np.mean(list(values))), 2)


def tiles_of(path: Path) -> list[np.ndarray]:
    """The tiles of the finest level with the largest variance."""
    with open_regions(path) as slide:
        finest = slide.levels[0]
        rows, columns = (range(0, edge - TILE_PX, TILE_PX) for edge in (finest.height, finest.width))
        tiles = [slide.read(0, y, x, TILE_PX, TILE_PX).astype(float) for y in rows for x in columns]
    return sorted(tiles, key=lambda tile: -tile.var())[:TILES]


def measured(tile: np.ndarray, electrons: int, random: np.random.Generator) -> dict:
    """Noise of the tile as captured; by way of storing, what is added in dB, and the size."""
    clean = gaussian_filter(tile, (SMOOTHING_PX, SMOOTHING_PX, 0))
    noise = random.normal(size=tile.shape) * 255 * np.sqrt(np.maximum(clean, 1) / 255 / electrons)
    captured = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
    error = np.square(captured - clean).mean()
    result: dict = {"noise_sd_levels": float(np.sqrt(error))}
    for way, codec in WAYS.items():
        stored = codec.encode(captured)
        added = 10 * np.log10(np.square(codec.decode(stored) - clean).mean() / error)
        result[way] = {"added_db": float(added), "kilobytes": len(stored) / 1000}
    return result


if __name__ == "__main__":
    main()
