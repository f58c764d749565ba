"""How often intervals over slides hold the true mean: Student's t with the jackknife's error, and two bootstraps.

    python benchmarks/interval_coverage.py [--trials 1000]

Prints a table (docs/decisions/intervals-over-slides.md holds one). Slides have 4 to 20 patches; a patch's difference is
the slide's effect plus the patch's own, of equal standard deviation. Effects of slides are normal, or skewed
(log-normal with σ 1, centred). The true mean is 0 and the intervals are meant for 95 %.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import bootstrap

from tsva.evaluation.statistics.intervals import Cells

SLIDES = (2, 3, 5, 6, 7, 10, 20)
CONFIDENCE, DRAWS = 0.95, 999


def main() -> None:
    """Print coverage and median width by number of slides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    print("| effects | slides | Student's t, jackknife | percentile bootstrap | BCa bootstrap |\n|---|---|---|---|---|")
    for kind in ("normal", "skewed"):
        for slides in SLIDES:
            rng = np.random.default_rng([slides, kind == "skewed"])
            found = np.array([_limits(*_draw(rng, kind, slides), rng) for _ in range(trials)])
            held = ((found[..., 0] <= 0) & (found[..., 1] >= 0)).mean(axis=0)
            width = np.median(found[..., 1] - found[..., 0], axis=0)
            cells = [f"{100 * share:.1f} % ({size:.2f})" for share, size in zip(held, width, strict=True)]
            print(f"| {kind} | {slides} | {' | '.join(cells)} |", flush=True)


def _draw(rng: np.random.Generator, kind: str, slides: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches by slide, (slide,), and the sums of their values."""
    number = rng.integers(4, 21, slides)
    skewed = (np.exp(rng.normal(size=slides)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
    effect = skewed if kind == "skewed" else rng.normal(size=slides)
    return number.astype(float), number * effect + np.sqrt(number) * rng.normal(size=slides)


def _limits(number: np.ndarray, sums: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Limits of the pooled mean by each way, (3, 2); NaN, where a way finds none, holds nothing."""
    cells = Cells(number[:, None], sums[:, None], np.zeros((len(number), 1)))
    low, high = cells.intervals(np.ones(1), CONFIDENCE)
    ways = [(low[-1], high[-1])]
    for method in ("percentile", "BCa"):
        found = bootstrap(
            (sums, number),
            lambda part, whole, axis: part.sum(axis=axis) / whole.sum(axis=axis),
            paired=True,
            n_resamples=DRAWS,
            confidence_level=CONFIDENCE,
            method=method,
            rng=rng,
        ).confidence_interval
        ways.append((found.low, found.high))
    return np.array(ways)


if __name__ == "__main__":
    main()
