"""Whole slides: the calibration of expected errors and gains, and the gain from which a cell is restored.

Real pictures of tissue are imaged at two planes over bent focal surfaces (`slide_simulation.py`) by the nominal
microscope and by the development laboratories of `config/development.yaml`. Every cell is restored. What
`tsva/slides/errors_expected.py` holds is fitted to what is then known of the cells' true errors, of all networks that
are given: the exponents of both errors, and the expected gain, which decides. Each slide is predicted by a fit to those
of other pictures, too. The region of `slide_quality.py` must not be in any of them.

    python benchmarks/slide_errors.py --picture OS-1.tif --picture high.png=0.25 --model fusion=model.ckpt
        --model tsva=model.ckpt --simulated FOLDER --json docs/results/slide_errors.json

Slides take the microscopes in turn: nominal, near_lab, far_lab; a third slide of each picture is of its other end, by
the nominal one. Prints the lines to put into the module.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import yaml
from scipy.optimize import minimize
from scipy.stats import spearmanr
from slide_quality import BANDS_UM, WORSE_DB, EveryCellRestored, cell_means, squared_errors
from slide_simulation import SimulatedSlide, bent, kept_slide, picture_of

from tsva.restoration.checkpoint import load
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.simulate import MicroscopeSettings
from tsva.slides.errors_expected import FARTHEST_LEVEL, FEATURES, GAIN, OF_ERRORS, gain_levels, share_of_restoration
from tsva.slides.slide_run import SlideOptions, refocus_planes
from tsva.slides.two_planes import ArrayPlanes

LABORATORIES = Path(__file__).parents[1] / "config" / "development.yaml"
MICROSCOPES = ("nominal", "near_lab", "far_lab")
FIRST_SEED, REGION_SEED = 41, 71
GAINS_DB = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
RIDGE = 0.1
"""Weight of the exponents' squares beside a cell's deviance; with 0.02 and 0.4 slides are predicted as well."""
EDGE_PX, OTHER_EDGE_PX = 768, 512
"""Pictures are cut to this edge; their third slides to that one."""
GAIN_RIDGE = 0.002
CLIPPED_DB = (-4.0, 6.0)
"""Gains beyond count as these: of a cell that gains much it matters little how much."""


@dataclass(frozen=True)
class Cells:
    """Tissue cells of one slide and network.

    Attributes
    ----------
    slide, network : str
    features : (N, len(FEATURES)) array
    levels : (N, len(GAIN)) array
        Of `gain_levels`.
    restoring, copying, sharper : (N,) arrays
        True mean squared errors; that of the sharper shot, which is seldom another one than the copied.
    difference : (N,) array
        Root mean square difference of restoration and copy.
    offset_um : (N,) array
        Estimated.
    """

    slide: str
    network: str
    features: np.ndarray
    levels: np.ndarray
    restoring: np.ndarray
    copying: np.ndarray
    sharper: np.ndarray
    difference: np.ndarray
    offset_um: np.ndarray


def measured(name: str, network: str, model: Path, slide: SimulatedSlide, optics: OpticsSettings) -> Cells:
    """Restore every cell of a slide and compare it with the truth."""
    planes = ArrayPlanes(slide.low, slide.high, optics.pixel_um, load(model).delta_um)
    with tempfile.TemporaryDirectory() as folder, EveryCellRestored():
        restored = refocus_planes(planes, model, Path(folder) / "slide.ome.tif", SlideOptions())
        written = tifffile.imread(restored.out)
    survey, cells = restored.survey, restored.cells
    chosen = ~survey.glass & survey.offset_known & ~survey.misregistered
    chosen[survey.height // 64 :], chosen[:, survey.width // 64 :] = False, False
    by_shot = [squared_errors(shot, slide.truth) for shot in (slide.high, slide.low)]
    copying = np.where(survey.high_is_nearer(), *by_shot)
    found = {
        key.removeprefix("feature_"): cells[key][chosen].astype(float) for key in cells if key.startswith("feature_")
    }
    features = np.stack([found[feature] for feature in FEATURES], axis=-1)
    true_um = cell_means(slide.focal_offset_um[..., None])
    away_um = (survey.focal_offset_um - true_um)[chosen]
    print(f"{name}, {network}: {chosen.sum()} cells, offsets off by {away_um.std():.2f} um", flush=True)
    return Cells(
        name,
        network,
        features,
        gain_levels(found),
        squared_errors(written, slide.truth)[chosen],
        copying[chosen],
        np.minimum(*by_shot)[chosen],
        np.exp(features[:, FEATURES.index("difference")]),
        survey.focal_offset_um[chosen],
    )


def fitted(features: np.ndarray, squared: np.ndarray, physics: str, *, estimated: bool) -> np.ndarray:
    """Exponents of the root mean square error.

    The likelihood is that of squared errors that scatter as a gamma variate does, so that the predicted mean square is
    right, whatever the cells' scatter. Exponents of errors add up to one: twice the light has twice the error. They are
    drawn towards the survey's own prediction, the feature `physics`.
    """
    base = features[:, FEATURES.index(physics)]
    used = [name for name in FEATURES if name not in ("one", physics) and (estimated or name != "own")]
    design = np.stack([features[:, FEATURES.index(name)] - base * (name in OF_ERRORS) for name in used], axis=1)
    middle, scale = design.mean(axis=0), np.maximum(design.std(axis=0), 1e-9)
    design = np.column_stack([np.ones(len(squared)), (design - middle) / scale])
    pulled = np.array([0.0, *[RIDGE] * len(used)])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        log = 2 * (base + design @ weights)
        ratio = squared * np.exp(-log)
        slope = 2 * design.T @ (1 - ratio) / len(squared) + 2 * pulled * weights
        return float((log + ratio).mean() + (pulled * weights**2).sum()), slope

    weights = minimize(loss, np.zeros(len(pulled)), jac=True, method="L-BFGS-B", options={"maxiter": 3000}).x
    of = dict(zip(used, weights[1:] / scale, strict=True))
    of["one"] = weights[0] - sum(of[name] * at for name, at in zip(used, middle, strict=True))
    of[physics] = 1 - sum(value for name, value in of.items() if name in OF_ERRORS)
    return np.array([of.get(name, 0.0) for name in FEATURES])


def exponents_of(cells: list[Cells], *, estimated: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Of restoring and of copying, of several slides; without the networks' own estimates if these are not there."""
    features, *errors = (
        np.concatenate([getattr(each, name) for each in cells]) for name in ("features", "restoring", "copying")
    )
    restoring, copying = (
        fitted(features, squared, physics, estimated=estimated)
        for squared, physics in zip(errors, ("linear", "copy"), strict=True)
    )
    return restoring, copying


def gain_fit(cells: list[Cells]) -> tuple[float, np.ndarray]:
    """Least squares of the gain in decibels, slides weighted by the root of their cells: the constant, and (levels, 3)
    middle, deviation and weight."""
    levels = np.concatenate([each.levels for each in cells])
    gains = np.concatenate([np.clip(10 * np.log10(each.copying / each.restoring), *CLIPPED_DB) for each in cells])
    share = np.concatenate([np.full(len(each.copying), len(each.copying) ** -0.5) for each in cells])
    share /= share.sum()
    middle, scale = levels.mean(axis=0), levels.std(axis=0)
    away = np.clip((levels - middle) / scale, -FARTHEST_LEVEL, FARTHEST_LEVEL)
    design = np.column_stack([np.ones(len(gains)), away])
    ridge = GAIN_RIDGE * np.eye(design.shape[1])
    ridge[0, 0] = 0
    weights = np.linalg.solve((design * share[:, None]).T @ design + ridge, (design * share[:, None]).T @ gains)
    return float(weights[0]), np.stack([middle, scale, weights[1:]], axis=1)


def gain_of(of: Cells, fit: tuple[float, np.ndarray]) -> np.ndarray:
    """Expected gain of cells in decibels, by a fit."""
    middle, scale, weight = fit[1].T
    return np.asarray(fit[0] + np.clip((of.levels - middle) / scale, -FARTHEST_LEVEL, FARTHEST_LEVEL) @ weight)


def predicted(of: Cells, exponents: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Expected errors of restoring and copying."""
    restoring, copying = (np.exp(of.features @ each) for each in exponents)
    return restoring, np.minimum(copying, restoring + of.difference)


def report(of: Cells, restoring: np.ndarray, copying: np.ndarray, gain_db: np.ndarray) -> dict[str, Any]:
    """How good a slide's predictions are, and what each threshold would have done."""
    true = np.sqrt(of.restoring)
    found: dict[str, Any] = {
        "cells": len(true),
        "rank_correlation": float(spearmanr(restoring, true).statistic),
        "rank_correlation_of_copies": float(spearmanr(copying, np.sqrt(of.copying)).statistic),
        "rank_correlation_of_gains": float(spearmanr(gain_db, of.copying / of.restoring).statistic),
        "true_over_predicted": {},
        "thresholds": {},
    }
    for least, most in BANDS_UM:
        band = (np.abs(of.offset_um) >= least) & (np.abs(of.offset_um) < most)
        if band.sum() >= 10:
            ratio = np.sqrt(of.restoring[band].mean() / np.square(restoring[band]).mean())
            found["true_over_predicted"][f"{least:g} to {most:g} um"] = float(ratio)
    share = share_of_restoration(gain_db, copying, of.difference)
    for least_db in GAINS_DB:
        believed = gain_db >= least_db
        part = np.where(believed, share, 0)
        got = part * of.restoring + (1 - part) * of.copying - part * (1 - part) * of.difference**2
        best = np.minimum(of.restoring, of.sharper)
        got_db, best_db = (10 * np.log10(of.sharper / each) for each in (got, best))
        found["thresholds"][f"{least_db:g} dB"] = {
            "restored": float(believed.mean()),
            "worse_share": float((got_db < -WORSE_DB).mean()),
            "oracle_share_mean_of_cells": float(got_db.mean() / best_db.mean()),
            "oracle_share_of_slide": float(
                np.log10(of.sharper.mean() / got.mean()) / np.log10(of.sharper.mean() / best.mean())
            ),
        }
    return found


def overall(results: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Means over slides of what each threshold would have done, by network; `worst_share` is of the worst slide."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for network in sorted({name.partition(", ")[2] for name in results if ", " in name}):
        slides = [told for name, told in results.items() if name.endswith(f", {network}")]
        for least in slides[0]["thresholds"]:
            told = [slide["thresholds"][least] for slide in slides]
            means = {key: float(np.mean([each[key] for each in told])) for key in told[0]}
            means["worst_share"] = max(each["worse_share"] for each in told)
            found.setdefault(network, {})[least] = means
    return found


def slides_of(given: argparse.Namespace, optics: OpticsSettings, delta_um: float) -> list[tuple[str, SimulatedSlide]]:
    """The development slides, kept in a folder from run to run."""
    laboratories = yaml.safe_load(LABORATORIES.read_text(encoding="utf-8"))["simulate"]["microscopes"]
    found = []
    for number, (repeat, told) in enumerate(product(range(given.repeats), given.picture)):
        path, _, pixel_um = told.partition("=")
        # the third slide of a picture is of another part of it
        kind = MICROSCOPES[number % len(MICROSCOPES)] if repeat < 2 else "nominal"
        seed = FIRST_SEED + number
        name = f"{Path(path).name.split('.')[0]} {kind}" + f" {repeat + 1}" * (repeat > 0)
        own = laboratories.get(kind, {})
        microscope = MicroscopeSettings.model_validate(
            {**own, "optics": {**own["optics"], "pixel_um": optics.pixel_um}} if own else {}
        )
        picture = picture_of(Path(path), optics.pixel_um, float(pixel_um) if pixel_um else None)
        picture = picture[:EDGE_PX, :EDGE_PX] if repeat < 2 else picture[-OTHER_EDGE_PX:, -OTHER_EDGE_PX:]
        picture = np.ascontiguousarray(picture)
        found.append((name, kept_slide(given.simulated, picture, bent, optics, delta_um, microscope, seed)))
    for number, (path, *edges) in enumerate(given.region):
        top, bottom, left, right = map(int, edges)
        picture = np.ascontiguousarray(picture_of(Path(path), optics.pixel_um)[top:bottom, left:right])
        name, seed = f"{Path(path).name.split('.')[0]} nominal", REGION_SEED + number
        found.append((name, kept_slide(given.simulated, picture, bent, optics, delta_um, MicroscopeSettings(), seed)))
    return found


def main() -> None:
    """Simulate, restore, fit, and say how well slides are predicted by the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", action="append", required=True, help="PATH, or PATH=PIXEL_UM.")
    parser.add_argument(
        "--region",
        action="append",
        nargs=5,
        default=[],
        metavar=("PATH", "TOP", "BOTTOM", "LEFT", "RIGHT"),
        help="One slide more, of a part of a picture at the network's pixel size, by the nominal microscope.",
    )
    parser.add_argument("--model", action="append", required=True, help="NAME=model.ckpt")
    parser.add_argument("--simulated", type=Path, required=True, help="Keep simulated slides in this folder.")
    parser.add_argument("--repeats", type=int, default=3, choices=(1, 2, 3), help="Slides of each picture.")
    parser.add_argument("--only-simulate", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    models = {name: Path(path) for name, _, path in (one.partition("=") for one in given.model)}
    held = load(next(iter(models.values())))
    optics = OpticsSettings.model_validate(held.optics)
    slides = slides_of(given, optics, held.delta_um)
    if given.only_simulate:
        return
    cells = [
        measured(name, network, model, slide, optics) for name, slide in slides for network, model in models.items()
    ]
    results: dict[str, Any] = {}
    for name, _ in slides:
        tissue = name.split()[0]
        apart = [each for each in cells if each.slide.split()[0] != tissue]
        others, of_gain = exponents_of(apart), gain_fit(apart)
        for each in cells:
            if each.slide == name:
                results[f"{name}, {each.network}"] = report(each, *predicted(each, others), gain_of(each, of_gain))
    for title, estimated in (("with own error", True), ("without", False)):
        found = zip(("restoring", "copying"), exponents_of(cells, estimated=estimated), strict=True)
        results[f"exponents {title}"] = {
            name: dict(zip(FEATURES, values.round(3).tolist(), strict=True)) for name, values in found
        }
    constant, table = gain_fit(cells)
    rows = {name: row.round(4).tolist() for name, row in zip(GAIN, table, strict=True)}
    results["gain"] = {"constant_db": round(constant, 4), "middle_deviation_weight": rows}
    results["all slides"] = overall(results)
    print(json.dumps(results, indent=1))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
