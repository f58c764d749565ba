"""How often noise in the gain of planes moves the in-focus plane: plain against normalised Brenner gradient.

    python benchmarks/gain_noise.py [--gains 0.01 0.02 0.05 0.1] [--trials 20] [--sheet config/slides.tsv] [--seed 1]

Simulates a field of each slide of the embedded default and multiplies each plane by a factor of its own, drawn from a
Gaussian of mean 1 and the given standard deviation. All factors of a draw are divided by the largest, and planes are
rounded to whole grey levels: no pixel is clipped, as a camera that is exposed well clips none. Prints one JSON object:
for each measure of sharpness the fields and patches whose in-focus plane on the steady stack is another than the plain
measure's; by standard deviation the share of trials in which the in-focus plane of a field (of a patch) moved, the
share in which it moved by two planes or more, and the largest loss: by what share the plane moved to is less sharp on
the steady stack than the one moved from. A loss of a few tenths of a percent is a tie that rounding decides.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import yaml

from tsva.acquisition.brightness import gains
from tsva.acquisition.draws import rng
from tsva.acquisition.focus import measure
from tsva.acquisition.sharpness import grey
from tsva.acquisition.stack import Place, places
from tsva.settings.root import Settings, parse_settings
from tsva.settings.sheet import parse_sheet
from tsva.simulation.simulate import simulate_slide

MEASURES = ("brenner", "normalised_brenner")
Moves = dict[str, dict[float, list[np.ndarray]]]
"""By measure and gain, a trial a (2, 1 + patch) array: planes moved by, and the loss."""


def curves(planes: np.ndarray, grid: list[Place], patch_px: int, measure_name: str) -> np.ndarray:
    """Sharpness of each plane, (Z, 1 + patch): of the field, then of each patch."""
    factors = None
    if measure_name == "normalised_brenner":
        factors = gains(np.array([grey(plane).mean(dtype=np.float64) for plane in planes]))
    found = measure(planes, grid, patch_px, None, factors)
    return np.column_stack([found.field, found.patches])


def flickering(planes: np.ndarray, deviation: float, draws: np.random.Generator) -> np.ndarray:
    """Planes times a factor of their own, rounded."""
    factors = 1 + deviation * draws.standard_normal(len(planes))
    factors /= factors.max()
    return np.stack([np.rint(plane * factor).astype(np.uint8) for plane, factor in zip(planes, factors, strict=True)])


def main() -> None:
    """Simulate, try, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gains", type=float, nargs="+", default=[0.01, 0.02, 0.05, 0.1])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--sheet", type=Path, default=Path("config/slides.tsv"))
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    settings = parse_settings(yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8")), "settings")
    rows = parse_sheet(asked.sheet.read_text(encoding="utf-8"), str(asked.sheet)).values()
    moved: Moves = {name: {gain: [] for gain in asked.gains} for name in MEASURES}
    changed = {name: [] for name in MEASURES}
    fields = patches = 0
    for row in rows:
        one = row.model_copy(update={"fields": 1})
        for field in simulate_slide(one, settings.simulate, settings.protocol, settings.optics, seed=asked.seed):
            if field.stack is None:
                continue
            grid = list(places(field.stack.planes.shape[1], field.stack.planes.shape[2], settings.pairs.patch_px))
            fields, patches = fields + 1, patches + len(grid)
            _try(field.stack.planes, grid, row.slide, asked, settings, moved, changed)
    print(json.dumps({"benchmark": "gain_noise", "fields": fields, "patches": patches, **_shares(moved, changed)}))


def _try(
    planes: np.ndarray,
    grid: list[Place],
    slide: str,
    asked: argparse.Namespace,
    settings: Settings,
    moved: Moves,
    changed: dict[str, list[np.ndarray]],
) -> None:
    """All trials of one field."""
    px = settings.pairs.patch_px
    steady = {name: curves(planes, grid, px, name) for name in MEASURES}
    best = {name: curve.argmax(axis=0) for name, curve in steady.items()}
    for name in MEASURES:
        changed[name].append(best[name] != best["brenner"])
    for gain in asked.gains:
        draws = rng(asked.seed, "gain noise", slide, str(gain))
        for _ in range(asked.trials):
            noisy = flickering(planes, gain, draws)
            for name in MEASURES:
                now = curves(noisy, grid, px, name).argmax(axis=0)
                places_of = np.arange(len(now))
                loss = 1 - steady[name][now, places_of] / steady[name][best[name], places_of]
                moved[name][gain].append(np.stack([np.abs(now - best[name]), loss]))


def _shares(moved: Moves, changed: dict[str, list[np.ndarray]]) -> dict[str, object]:
    return {
        name: {
            "steady_fields_changed": int(sum(found[0] for found in changed[name])),
            "steady_patches_changed": int(sum(found[1:].sum() for found in changed[name])),
            "moved": {
                f"{gain:g}": {
                    "fields": _summary(np.concatenate([trial[:, :1] for trial in trials], axis=1)),
                    "patches": _summary(np.concatenate([trial[:, 1:] for trial in trials], axis=1)),
                }
                for gain, trials in moved[name].items()
            },
        }
        for name in MEASURES
    }


def _summary(moves: np.ndarray) -> dict[str, float]:
    by, loss = moves
    return {
        "share": round(float(np.mean(by > 0)), 4),
        "share_two_planes": round(float(np.mean(by > 1)), 4),
        "largest_loss": round(float(loss.max()), 4),
    }


if __name__ == "__main__":
    main()
