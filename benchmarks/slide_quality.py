"""Whole slides: is any cell made worse, how much of the possible gain is reached, and are the errors as expected?

A real H&E picture is imaged at two planes over a tilted and bent focal surface by this package's optics
(`slide_simulation.py`), restored by the command's own code, and scored on the file read back, cell by cell.

    python benchmarks/slide_quality.py PICTURE.svs --model fusion=model.ckpt --model tsva=model.ckpt
        --region 2200 4248 780 2316 --json docs/results/slide_quality.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy.ndimage import binary_dilation, map_coordinates
from scipy.stats import spearmanr
from slide_simulation import SimulatedSlide, bent, kept_slide, picture_of

from tsva.acquisition.draws import rng
from tsva.restoration.checkpoint import load
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.simulate import MicroscopeSettings
from tsva.slides.grid import CELL_PX
from tsva.slides.plane_alignment import high_is_moved
from tsva.slides.slide_run import RestoredSlide, SlideOptions, refocus_planes
from tsva.slides.stored_tiles import TILE_PX
from tsva.slides.trust import Verdict
from tsva.slides.two_planes import ArrayPlanes

BANDS_UM = ((0, 0.25), (0.25, 0.75), (0.75, 1.25), (1.25, 1.75), (1.75, 2.25), (2.25, 3))
WORSE_DB = 0.5
BRIGHTER = 1.03
"""Of the high plane, where it is misplaced."""
NOT_OF_PLACE = ("tissue_cells", "verdicts", "offset_error_um", "delta_scale", "colour_distance")
"""Scores that hold wherever the planes were moved to."""


def scores(slide: SimulatedSlide, restored: RestoredSlide) -> dict[str, Any]:
    """What the written file is worth against the truth."""
    written = tifffile.imread(restored.out)[: slide.truth.shape[0], : slide.truth.shape[1]]
    survey, verdict = restored.survey, restored.cells["verdict"]
    tissue = ~survey.glass
    copy = np.where(
        survey.high_is_nearer(), squared_errors(slide.high, slide.truth), squared_errors(slide.low, slide.truth)
    )
    sharper = np.minimum(squared_errors(slide.low, slide.truth), squared_errors(slide.high, slide.truth))
    got = squared_errors(written, slide.truth)
    gain_db = 10 * np.log10(sharper / got)[tissue]
    offset_um = cell_means(slide.focal_offset_um[..., None])
    error_um = (survey.focal_offset_um - offset_um)[survey.offset_known]
    believed = verdict == Verdict.RESTORED
    found = {
        "tissue_cells": int(tissue.sum()),
        "verdicts": {kind.name.lower(): float((verdict[tissue] == kind).mean()) for kind in Verdict},
        "worse_share": float((gain_db < -WORSE_DB).mean()),
        "worse_share_of_restored": float((10 * np.log10(sharper / got)[believed] < -WORSE_DB).mean()),
        "gain_of_slide_db": float(10 * np.log10(sharper[tissue].mean() / got[tissue].mean())),
        "gain_mean_of_cells_db": float(gain_db.mean()),
        "offset_error_um": {"mean": float(error_um.mean()), "sd": float(error_um.std())},
        "delta_scale": survey.delta_scale,
        "colour_distance": restored.colour_distance,
        "border_steps": border_steps(written, slide, restored),
    }
    predicted, true = restored.cells["expected_rmse"], np.sqrt(got)
    ratios = {}
    for least, most in BANDS_UM:
        size = np.abs(survey.focal_offset_um)
        chosen = believed & (size >= least) & (size < most)
        if chosen.sum() >= 10:
            ratios[f"{least:g} to {most:g} um"] = float(
                np.sqrt((true[chosen] ** 2).mean() / (predicted[chosen] ** 2).mean())
            )
    found["true_over_predicted"] = ratios
    if believed.sum() > 10:
        found["rank_correlation_restored"] = float(spearmanr(predicted[believed], true[believed]).statistic)
    combined = np.where(believed, predicted, restored.cells["copy_rmse"])[tissue]
    found["rank_correlation"] = float(spearmanr(combined, true[tissue]).statistic)
    found["copy_true_over_predicted"] = float(np.median(np.sqrt(copy[tissue]) / restored.cells["copy_rmse"][tissue]))
    return found


AROUND_PX = range(8, 25)
"""How far from a border its surroundings lie."""


def border_steps(written: np.ndarray, slide: SimulatedSlide, restored: RestoredSlide) -> dict[str, float]:
    """Steps of the result's error across borders, over those 8 to 24 pixels beside them: 1 where nothing shows.

    Borders are those of the tiles that go through the network, of cells that change from copied to restored, and of
    cells where the copied shot changes.
    """
    error = written.astype(np.float32) - slide.truth
    verdict, nearer = restored.cells["verdict"] == Verdict.RESTORED, restored.survey.high_is_nearer()
    pairs: dict[str, list[np.ndarray]] = {"tiles": [], "restored_or_copied": [], "shot_copied": []}
    for image, cells, shot in ((error, verdict, nearer), (error.transpose(1, 0, 2), verdict.T, nearer.T)):
        steps = np.abs(np.diff(image, axis=1)).mean(axis=2)
        for border in range(1, image.shape[1] // CELL_PX):
            x = border * CELL_PX - 1
            around = np.mean([steps[:, x + side * far] for far in AROUND_PX for side in (-1, 1)], axis=0)
            both = np.stack([steps[:, x], around], axis=1)
            if border * CELL_PX % TILE_PX == 0:
                pairs["tiles"].append(both)
            for name, kinds in (("restored_or_copied", cells), ("shot_copied", shot)):
                flips = np.repeat(kinds[:, border] != kinds[:, border - 1], CELL_PX)[: len(both)]
                pairs[name].append(both[flips])
    means = {name: np.concatenate(found).mean(axis=0) for name, found in pairs.items() if found}
    return {name: float(at / around) for name, (at, around) in means.items() if around > 0}


def oracle(slide: SimulatedSlide, restored: RestoredSlide, everything: np.ndarray) -> dict[str, float]:
    """Gains of the best of copy and restoration by cell, and of restoring everything."""
    tissue = ~restored.survey.glass
    sharper = np.minimum(squared_errors(slide.low, slide.truth), squared_errors(slide.high, slide.truth))[tissue]
    all_of_it = squared_errors(everything, slide.truth)[tissue]
    best = np.minimum(sharper, all_of_it)
    return {
        "oracle_of_slide_db": float(10 * np.log10(sharper.mean() / best.mean())),
        "oracle_mean_of_cells_db": float(10 * np.log10(sharper / best).mean()),
        "all_restored_of_slide_db": float(10 * np.log10(sharper.mean() / all_of_it.mean())),
        "all_restored_worse_share": float((10 * np.log10(sharper / all_of_it) < -WORSE_DB).mean()),
    }


def squared_errors(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(R, K) mean squared errors of images in [0, 1]; the file's edges are cut to the truth's."""
    image = image[: truth.shape[0], : truth.shape[1]]
    return cell_means(((image.astype(np.float32) - truth) / 255) ** 2)


def cell_means(values: np.ndarray) -> np.ndarray:
    """(R, K) means over the pixels of cells and the last axis."""
    tall, wide = (np.arange(0, size, CELL_PX) for size in values.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(values.mean(axis=2, dtype=np.float64), tall, axis=0), wide, axis=1)
    counts = np.outer(np.diff([*tall, values.shape[0]]), np.diff([*wide, values.shape[1]]))
    return np.asarray(sums / counts)


class EveryCellRestored:
    """Takes the place of the judge's verdicts: every cell is restored, and what errors are expected by is given."""

    def __enter__(self) -> None:
        from tsva.slides.trust import Judge

        self._judge, self._kept = Judge, (Judge._verdicts, Judge.weights)

        def all_restored(judge: Any, cells: Any, *_: Any) -> np.ndarray:
            return np.full(judge.survey.glass[cells].shape, Verdict.RESTORED, np.uint8)

        def whole(_: Any, shares: np.ndarray, *_where: int) -> np.ndarray:
            return np.ones([CELL_PX * (count - 2) for count in shares.shape], np.float32)

        Judge._verdicts = all_restored  # type: ignore[method-assign]
        Judge.weights = whole  # type: ignore[method-assign]
        Judge.tells_features = True

    def __exit__(self, *_: object) -> None:
        self._judge._verdicts, self._judge.weights = self._kept  # type: ignore[method-assign]
        self._judge.tells_features = False


def run(
    slide: SimulatedSlide,
    model: Path,
    optics: OpticsSettings,
    delta_um: float,
    *,
    quality: int | None,
    bare: bool = False,
) -> RestoredSlide:
    """Restore a slide by the command's own code; `bare`: every cell, lossless."""
    planes = ArrayPlanes(slide.low, slide.high, optics.pixel_um, delta_um)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "slide.ome.tif"
        if bare:
            with EveryCellRestored():
                restored = refocus_planes(planes, model, kept, SlideOptions())
        else:
            restored = refocus_planes(planes, model, kept, SlideOptions(quality=quality))
        target = Path(tempfile.gettempdir()) / f"slide_quality_{'all' if bare else 'judged'}.ome.tif"
        kept.replace(target)
    return replace(restored, out=target)


def other_stain(picture: np.ndarray) -> np.ndarray:
    """The same tissue in another stain: optical densities of red and green change places, blue is halved."""
    density = -np.log(np.maximum(picture, 1) / 255.0)
    density = np.stack([density[..., 1], density[..., 0], 0.5 * density[..., 2]], axis=-1)
    return np.clip(np.rint(255 * np.exp(-density)), 0, 255).astype(np.uint8)


def displacement(shape: tuple[int, int], seed: int) -> np.ndarray:
    """(Y, X, 2) shift of the high plane: enlarged by 1.001, shifted by up to 3 px with one jump in mid-slide."""
    height, width = shape
    random = rng(seed, "misplaced")
    one, two = random.uniform(0.1, 3, 2) * random.choice([-1, 1], 2), random.uniform(0.1, 3, 2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    jump = (x > width * 0.53)[..., None]
    return np.asarray(np.where(jump, two, one) + 0.001 * np.stack([y - height / 2, x - width / 2], axis=-1))


def displaced(picture: np.ndarray, shift_px: np.ndarray) -> np.ndarray:
    """A picture whose content at p lies at p + shift."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    places = np.stack([y - shift_px[..., 0], x - shift_px[..., 1]])
    moved = [map_coordinates(picture[..., c].astype(np.float32), places, order=5, mode="mirror") for c in range(3)]
    return np.clip(np.rint(np.stack(moved, axis=-1)), 0, 255).astype(np.uint8)


def main() -> None:
    """Run the experiment and its trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--model", action="append", required=True, help="NAME=model.ckpt")
    parser.add_argument("--region", type=int, nargs=4, metavar=("TOP", "BOTTOM", "LEFT", "RIGHT"))
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--trials", nargs="*", default=["main", "delta", "stain", "misplaced"])
    parser.add_argument("--trial-region", type=int, nargs=4, help="Of the region, for trials other than main.")
    parser.add_argument(
        "--simulated", type=Path, help="Keep simulated slides in this folder, and take them from there."
    )
    parser.add_argument("--only-simulate", action="store_true", help="Fill that folder, and stop.")
    parser.add_argument("--quality", type=int, help="Write JPEG in place of Deflate.")
    parser.add_argument("--oracle", action="store_true", help="Restore every cell, too, for the best of both by cell.")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    results: dict[str, Any] = json.loads(given.json.read_text()) if given.json.exists() else {}
    results["what"] = f"{given.picture.name}, region {given.region}, seed {given.seed}; focal offset -2.5 to 2.5 um"
    models = dict(one.split("=", 1) for one in given.model)
    held = load(Path(next(iter(models.values()))))
    optics = OpticsSettings.model_validate(held.optics)
    picture = picture_of(given.picture, optics.pixel_um)
    if given.region:
        top, bottom, left, right = given.region
        picture = np.ascontiguousarray(picture[top:bottom, left:right])
    for trial in given.trials:
        part = picture
        if trial != "main" and given.trial_region:
            top, bottom, left, right = given.trial_region
            part = np.ascontiguousarray(picture[top:bottom, left:right])
        in_place: dict[str, np.ndarray] = {}
        for name, slide, moved in cases(trial, part, optics, held.delta_um, given):
            if given.only_simulate:
                continue
            for network, model in models.items():
                restored = run(slide, Path(model), optics, held.delta_um, quality=given.quality)
                found = scores(slide, restored)
                if name == "main" and given.oracle:
                    bare = run(slide, Path(model), optics, held.delta_um, quality=None, bare=True)
                    found |= oracle(slide, restored, tifffile.imread(bare.out))
                    found["oracle_share_of_slide"] = found["gain_of_slide_db"] / found["oracle_of_slide_db"]
                    found["oracle_share_mean_of_cells"] = (
                        found["gain_mean_of_cells_db"] / found["oracle_mean_of_cells_db"]
                    )
                if name == "in place":
                    in_place[network] = squared_errors(tifffile.imread(restored.out), slide.truth)
                if moved is not None:
                    # the truth lies where the low shot does, and the file perhaps where the high one does
                    found = {key: found[key] for key in NOT_OF_PLACE} | _of_shift(restored, moved.shift_px)
                    found |= _loss(restored, slide, moved, in_place[network])
                results.setdefault(name + (f" JPEG {given.quality}" if given.quality else ""), {})[network] = found
                print(name, network, json.dumps(found), flush=True)
                written = json.dumps(without_nan(results), indent=1, allow_nan=False)
                given.json.write_text(written + "\n", encoding="utf-8")


def without_nan(found: Any) -> Any:
    """Means of no cells as null: JSON knows no NaN."""
    if isinstance(found, dict):
        return {key: without_nan(value) for key, value in found.items()}
    return None if isinstance(found, float) and np.isnan(found) else found


def _of_shift(restored: RestoredSlide, shift: np.ndarray) -> dict[str, float]:
    survey = restored.survey
    wanted = np.stack([cell_means(shift[..., axis : axis + 1]) for axis in (0, 1)], axis=-1)
    known = ~survey.glass & ~survey.misregistered
    left = np.hypot(*np.moveaxis((survey.shift_px - wanted)[known], -1, 0))
    return {
        "shift_residual_px": {"median": float(np.median(left)), "q95": float(np.quantile(left, 0.95))},
        "misregistered_share": float(survey.misregistered[~survey.glass].mean()),
        "scale": survey.scale,
        "brightness": float(survey.brightness.mean()),
        "high_was_moved": float(high_is_moved(survey)),
    }


@dataclass(frozen=True)
class Moved:
    """What was done to the high plane, and how the truth looks from there."""

    shift_px: np.ndarray
    brightness: float
    truth: np.ndarray


def _loss(restored: RestoredSlide, slide: SimulatedSlide, moved: Moved, in_place: np.ndarray) -> dict[str, float]:
    """Decibels by which the written file is worse than that of planes in place, (R, K) squared errors.

    The file lies where the shot does that was not resampled, and is as bright.
    """
    survey, written = restored.survey, tifffile.imread(restored.out)
    truth, brightness = (slide.truth, 1.0) if high_is_moved(survey) else (moved.truth, moved.brightness)
    got = squared_errors(written, truth) / brightness**2
    tissue = ~survey.glass
    tissue[[0, -1]], tissue[:, [0, -1]] = False, False  # what was moved in from beyond the edges is made up
    registered = tissue & ~survey.misregistered
    # beside misregistered cells, which are copied, restorations fade out
    away = registered & ~binary_dilation(survey.misregistered, np.ones((3, 3), bool))
    return {
        "loss_of_slide_db": _over(got[registered].mean(), in_place[registered].mean()),
        "loss_away_from_jumps_db": _over(got[away].mean(), in_place[away].mean()),
        "loss_mean_of_cells_db": float(np.mean(10 * np.log10(got[registered] / in_place[registered]))),
        "loss_of_slide_with_misregistered_db": _over(got[tissue].mean(), in_place[tissue].mean()),
    }


def _over(one: float, other: float) -> float:
    return float(10 * np.log10(one / other))


def cases(trial: str, picture: np.ndarray, optics: OpticsSettings, delta_um: float, given: argparse.Namespace) -> Any:
    """Name, slide and what was done to its high plane (or None) of a trial."""

    def made(of: np.ndarray, apart_um: float, brightness: float = 1.0) -> SimulatedSlide:
        white = brightness * np.array(MicroscopeSettings().white_level)
        microscope = MicroscopeSettings(white_level=tuple(white))
        return kept_slide(given.simulated, of, bent, optics, apart_um, microscope, given.seed)

    if trial == "main":
        yield "main", made(picture, delta_um), None
    elif trial == "delta":
        for factor in (0.8, 1.2):
            yield f"delta {factor}", made(picture, factor * delta_um), None
    elif trial == "stain":
        yield "stain", made(other_stain(picture), delta_um), None
    elif trial == "misplaced":
        still = made(picture, delta_um)
        yield "in place", still, None
        shift_px = displacement(picture.shape[:2], given.seed)
        seen = made(displaced(picture, shift_px), delta_um, BRIGHTER)
        yield "misplaced", replace(still, high=seen.high), Moved(shift_px, BRIGHTER, seen.truth)


if __name__ == "__main__":
    main()
