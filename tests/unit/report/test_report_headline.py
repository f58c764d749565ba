"""The headline once more, from the tables of single patches: by csv and NumPy, without the package's statistics."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

WORSE_DB = 0.1


def gains(results: Path, dataset: str, method: str, protocol: str, target: str) -> list[tuple[str, float, float]]:
    """(slide, offset in µm, gain in dB) of every pair that has a PSNR with and without the method."""

    def read(name: str) -> dict[tuple[str, ...], tuple[str, str]]:
        path = results / "refocus" / dataset / name / "scores.tsv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        wanted = [row for row in rows if (row["protocol"], row["target"]) == (protocol, target)]
        return {(row["patch"], row["draw"], row["focal_offset_um"]): (row["slide"], row["psnr_db"]) for row in wanted}

    ours, nothing = read(method), read("y1")
    return [
        (slide, float(key[2]), float(psnr) - float(nothing[key][1]))
        for key, (slide, psnr) in ours.items()
        if psnr and nothing[key][1]
    ]


def interval(slides: list[str], values: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Weighted mean, and its 95 % limits over slides by the jackknife and Student's t."""

    def mean(kept: np.ndarray) -> float:
        return float(np.average(values[kept], weights=weights[kept]))

    names = np.array(slides)
    left_out = np.array([mean(names != name) for name in sorted(set(slides))])
    number = len(left_out)
    error = np.sqrt((number - 1) / number * ((left_out - left_out.mean()) ** 2).sum())
    reach = stats.t.ppf(0.975, number - 1) * error
    middle = mean(np.ones(len(values), bool))
    return middle, middle - reach, middle + reach


@pytest.mark.parametrize("dataset", ["dataset1", "dataset2"])
def test_the_answer_follows_from_single_patches(report: Callable[..., Any], dataset: str) -> None:
    made = report()
    (answer,) = (row for row in made.summary["answer"] if row["dataset"] == dataset)
    assert (answer["protocol"], answer["target"]) == ("continuous", "clean")
    for row in answer["rows"]:
        found = gains(made.results, dataset, row["method"], "continuous", "clean")
        slides, values = [slide for slide, _, _ in found], np.array([gain for _, _, gain in found])
        wanted = interval(slides, values, np.ones(len(values)))
        assert [row["difference_db"], row["low_db"], row["high_db"]] == pytest.approx(wanted, abs=2e-6)
        worse = values < -WORSE_DB
        assert row["share_worse"] == pytest.approx(worse.mean(), abs=1e-6)
        assert row["pairs"] == len(values) and row["slides"] == len(set(slides))
        if worse.any():
            assert row["mean_loss_db"] == pytest.approx(-values[worse].mean(), abs=1e-6)
    first = answer["rows"][0]
    number = f"{abs(first['difference_db']):.2f} dB"
    assert number in answer["sentence"] and answer["sentence"] in made.page


def test_real_stacks_answer_by_the_strict_average(report: Callable[..., Any]) -> None:
    """Weights of the offsets are the Gaussian's shares of the bins, those of the handed-over columns left out."""
    made = report(datasets=("dataset1",), remaining={"tsva": 0.5}, simulated=False)
    (answer,) = made.summary["answer"]
    assert (answer["protocol"], answer["target"]) == ("strict", "captured")
    found = [row for row in gains(made.results, "dataset1", "tsva", "grid", "captured") if abs(row[1]) != 0.5]
    offsets = np.array([offset for _, offset, _ in found])
    grid, step = np.unique(offsets), 0.5
    shares = stats.norm.cdf(grid + step / 2) - stats.norm.cdf(grid - step / 2)
    weight_of = dict(zip(grid, shares, strict=True))
    values = np.array([gain for _, _, gain in found])
    weights = np.array([weight_of[offset] for offset in offsets])
    wanted = interval([slide for slide, _, _ in found], values, weights)
    row = answer["rows"][0]
    assert [row["difference_db"], row["low_db"], row["high_db"]] == pytest.approx(wanted, abs=1e-5)
