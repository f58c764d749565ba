"""Pictures of patches: examples chosen by a rule, error maps on one scale, and what is counted in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

from tsva.evaluation.counting.imagej import Particles, count, segment
from tsva.evaluation.inputs import DataSet, Inputs
from tsva.evaluation.names import NOTHING, drawn, lead_of, method_name
from tsva.evaluation.picture_files import Images, scale_bar
from tsva.settings.acquisition import PairsSettings
from tsva.settings.evaluation import ReportSettings

WHERE = (
    "dataset",
    "patch",
    "slide",
    "sample",
    "field",
    "row",
    "column",
    "focal_offset_um",
    "why",
    "bar_um",
    "bar_share",
)
PALE = 0.45
"""How much of the image is left under the outlines."""
LINE = np.array([0, 70, 160], np.uint8)
"""Dark blue: darker than any pale stain, and distinct from red and brown for every reader."""
ERROR_MAP = "cividis"
"""Even steps of lightness, and the same to a colour-blind reader."""
MAPPED_SHARE = 0.995
"""The scale's end: this share of all pixels shown lies below it."""
TYPICAL = 1.5
"""Size of the offset at which each sample's example is shown, in standard deviations of focal positions."""
MOST_SAMPLES = 12
RULE = (
    "The first example is the patch and offset at which {name} gained least over Y1 as captured (or lost most) in all "
    "strict columns; the others are, at offsets spread over the strict columns, the patches whose gain is the median."
)
RULE_NOTHING = (
    "The first example is the patch and offset at which Y1 as captured scored least in all strict columns; the others "
    "are, at offsets spread over the strict columns, the patches whose score is the median."
)


def choose_examples(dataset: DataSet, report: ReportSettings, pairs: PairsSettings) -> list[dict[str, Any]]:
    """Example patches of a data set: the worst, medians over the strict columns, further worst ones, and each sample's.

    Parameters
    ----------
    dataset : DataSet
        Scores of the methods, and the patches' table.
    report : ReportSettings
        `examples`: how many examples the first two kinds have; `worst`: how many further patches of least gain.
    pairs : PairsSettings
        Which offsets there are.

    Returns
    -------
    list of dict
        `patch` (row of the data set's table), its names, `focal_offset_um`, `why` (worst, median, or sample: the
        median of a sample at a moderate offset), `gain_db` (of the lead method over Y1; None without one) and `scores`
        (a row a method). No pair occurs twice.
    """
    number = report.examples
    lead = lead_of(dataset.methods)
    grids = {method: _grid(result.scores, len(dataset.patches), pairs) for method, result in dataset.methods.items()}
    if number == 0 or NOTHING not in grids:
        return []
    merit = grids[NOTHING] if lead is None else grids[lead] - grids[NOTHING]
    strict = [pairs.offsets_um.index(delta) for delta in pairs.strict_offsets_um]
    strict = [place for place in strict if np.isfinite(merit[:, place]).any()]
    if not strict:
        return []
    worst, column = divmod(int(np.nanargmin(merit[:, strict])), len(strict))
    chosen = [("worst", worst, strict[column])]
    for delta in _spread([pairs.offsets_um[place] for place in strict], number - 1):
        place = pairs.offsets_um.index(delta)
        ranked = np.argsort(merit[:, place], kind="stable")[: np.isfinite(merit[:, place]).sum()]
        chosen.append(("median", int(ranked[(len(ranked) - 1) // 2]), place))
    chosen += _worst(merit, strict, report.worst, {patch for _, patch, _ in chosen[:1]})
    chosen += _of_samples(dataset, merit, strict, pairs)
    pair = {(patch, place): why for why, patch, place in reversed(chosen)}
    chosen = [(why, *found) for found, why in reversed(pair.items())]
    return [_example(dataset, grids, why, patch, pairs.offsets_um[place], place) for why, patch, place in chosen]


def _worst(merit: np.ndarray, strict: Sequence[int], number: int, known: set[int]) -> list[tuple[str, int, int]]:
    """Patches of least gain, each at the strict offset at which it gains least."""
    columns = merit[:, list(strict)]
    least = np.where(
        np.isfinite(columns).any(axis=1), np.nanmin(np.where(np.isnan(columns), np.inf, columns), axis=1), np.inf
    )
    order = [int(patch) for patch in np.argsort(least, kind="stable") if np.isfinite(least[patch])]
    patches = [patch for patch in order if patch not in known][:number]
    return [("worst", patch, strict[int(np.nanargmin(columns[patch]))]) for patch in patches]


def _of_samples(
    dataset: DataSet, merit: np.ndarray, strict: Sequence[int], pairs: PairsSettings
) -> list[tuple[str, int, int]]:
    """The median of each sample, at the strict offset whose size is nearest to `TYPICAL` standard deviations."""
    wanted = TYPICAL * pairs.offset_sd_um
    place = min(strict, key=lambda column: (abs(abs(pairs.offsets_um[column]) - wanted), pairs.offsets_um[column]))
    found = []
    for sample in list(dict.fromkeys(dataset.patches["sample"]))[:MOST_SAMPLES]:
        patches = np.flatnonzero((dataset.patches["sample"] == sample).to_numpy())
        known = patches[np.isfinite(merit[patches, place])]
        if len(known):
            ranked = known[np.argsort(merit[known, place], kind="stable")]
            found.append(("sample", int(ranked[(len(ranked) - 1) // 2]), place))
    return found


def rule(dataset: DataSet) -> str:
    """How the examples were chosen, in words."""
    lead = lead_of(dataset.methods)
    return RULE_NOTHING if lead is None else RULE.format(name=method_name(lead))


def _grid(scores: pd.DataFrame, patches: int, pairs: PairsSettings) -> np.ndarray:
    """PSNR against the captured target, (patch, offset); NaN where there is none."""
    rows = scores[(scores["protocol"] == "grid") & (scores["target"] == "captured")]
    grid = np.full((patches, len(pairs.offsets_um)), np.nan)
    place = np.rint((rows["focal_offset_um"].to_numpy(float) - pairs.offsets_um[0]) / pairs.z_step_um).astype(int)
    grid[rows["patch"].to_numpy(int), place] = rows["psnr_db"].to_numpy(float)
    return grid


def _spread(deltas: Sequence[float], number: int) -> list[float]:
    """Offsets from all sizes there are, the largest among them, of alternating sign; fewer if there are fewer."""
    sizes = sorted({abs(delta) for delta in deltas})
    places = np.unique(np.linspace(0, len(sizes) - 1, number + 1)[1:].round().astype(int))
    picked = [sizes[place] for place in places] if number > 0 else []
    signed = [size if index % 2 == 0 else -size for index, size in enumerate(picked)]
    return [delta if delta in deltas else -delta for delta in signed]


def _example(
    dataset: DataSet, grids: dict[str, np.ndarray], why: str, patch: int, delta: float, place: int
) -> dict[str, Any]:
    row, lead = dataset.patches.iloc[patch], lead_of(dataset.methods)
    return {
        "dataset": dataset.name,
        "patch": patch,
        **{key: str(row[key]) for key in ("slide", "sample", "field")},
        **{key: int(row[key]) for key in ("row", "column")},
        "focal_offset_um": delta,
        "why": why,
        **scale_bar(dataset.stacks[str(row["array"])].shape[3] * float(row["pixel_um"])),
        "gain_db": None if lead is None else float(grids[lead][patch, place] - grids[NOTHING][patch, place]),
        "scores": [
            {"method": method, "psnr_db": float(grids[method][patch, place])}
            for method in drawn(grids)
            if _restored(dataset, method, patch, delta)
        ],
    }


def _restored(dataset: DataSet, method: str, patch: int, delta: float) -> bool:
    """Whether a method has this pair: slow methods restore a sample."""
    rows = dataset.methods[method].scores
    rows = rows[(rows["protocol"] == "grid") & (rows["patch"] == patch)]
    return bool(np.isclose(rows["focal_offset_um"].to_numpy(float), delta).any())


def example_pictures(
    dataset: DataSet, examples: Sequence[dict[str, Any]], pairs: PairsSettings, images: Images
) -> dict[str, Any]:
    """Pictures of the examples: the target, what each method made of it, and its errors.

    Parameters
    ----------
    dataset : DataSet
        With stacks and restored patches.
    examples : sequence of dict
        As :func:`choose_examples` returns.
    pairs : PairsSettings
        The order of the restored patches' offsets.
    images : Images
        Takes the pictures up.

    Returns
    -------
    dict
        `rule` (how they were chosen), `scale_grey_levels` (where the error maps' scale ends), `colours` (file of
        the scale from 0 to there) and `rows`, one an example: `target` (file) and `methods` (`method`, `image`,
        `error`: files).
    """
    shown = [_shown(dataset, example, pairs) for example in examples]
    errors = [_error(image, target) for target, restored in shown for image in restored.values()]
    name = f"{dataset.name}_example"
    top = (
        max(1.0, float(np.ceil(np.quantile(np.concatenate([e.ravel() for e in errors]), MAPPED_SHARE))))
        if errors
        else 1
    )
    colours = (matplotlib.colormaps[ERROR_MAP](np.arange(256), bytes=True))[:, :3]
    return {
        "rule": rule(dataset),
        "scale_grey_levels": top,
        "colours": images.palette(f"{name}_scale", np.arange(256, dtype=np.uint8)[None], colours),
        "rows": [
            {
                "target": images.webp(f"{name}_target", target),
                "methods": [
                    {
                        "method": method,
                        "image": images.webp(f"{name}_{method}", image),
                        "error": images.mapped(f"{name}_{method}_error", _scaled(image, target, top), colours),
                    }
                    for method, image in restored.items()
                ],
            }
            for target, restored in shown
        ],
    }


def _shown(dataset: DataSet, example: dict[str, Any], pairs: PairsSettings) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The target and the methods' images of one example, each (Y, X, C) uint8."""
    row = dataset.patches.iloc[example["patch"]]
    stack = dataset.stacks[str(row["array"])][int(row["index"])]
    place = pairs.offsets_um.index(example["focal_offset_um"])
    shown = [row["method"] for row in example["scores"]]
    images = {
        method: np.asarray(result.restored[example["patch"], place])
        for method, result in dataset.methods.items()
        if result.restored is not None and method in shown
    }
    return np.asarray(stack[len(stack) // 2]), images


def _error(image: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean absolute difference over the channels, (Y, X), in grey levels."""
    return np.asarray(np.abs(image.astype(np.float32) - target).mean(axis=2))


def _scaled(image: np.ndarray, target: np.ndarray, top: float) -> np.ndarray:
    return np.asarray(np.clip(_error(image, target) / top * 255, 0, 255).round(), np.uint8)


def choose_segmentation(dataset: DataSet, examples: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The example whose segmentation is shown: the first that has anything to count in focus, medians before the worst.

    Parameters
    ----------
    dataset : DataSet
        With counts.
    examples : sequence of dict
        As :func:`choose_examples` returns.

    Returns
    -------
    dict or None
        The example's place, and `method` (the one that the verdict is about, or Y1); None without examples or counts.
    """
    method = lead_of(dataset.methods) or NOTHING
    result = dataset.methods.get(method)
    if result is None or result.counts is None or result.restored is None or not examples:
        return None
    truth = result.counts.groupby("patch")["count_truth"].first()
    # sorting is stable: medians keep their order
    example = min(examples, key=lambda row: (truth[row["patch"]] == 0, row["why"] != "median"))
    return {**{key: example[key] for key in WHERE}, "method": method}


def segmentation_pictures(
    dataset: DataSet, example: dict[str, Any] | None, inputs: Inputs, images: Images
) -> dict[str, Any]:
    """Input, segmentation and outlines of the particles counted, restored and in focus.

    Parameters
    ----------
    dataset : DataSet
        With stacks and restored patches.
    example : dict or None
        As :func:`choose_segmentation` returns.
    inputs : Inputs
        How to count, and the order of the restored patches' offsets.
    images : Images
        Takes the pictures up.

    Returns
    -------
    dict
        `rows`: `image`, `mask`, `outlines` (files), restored first; `counts`: `count_restored`, `count_truth`.
    """
    if example is None:
        return {"rows": [], "counts": {}}
    row = dataset.patches.iloc[example["patch"]]
    stack = dataset.stacks[str(row["array"])][int(row["index"])]
    restored = dataset.methods[example["method"]].restored
    assert restored is not None
    place = inputs.pairs.offsets_um.index(example["focal_offset_um"])
    shown = [np.asarray(restored[example["patch"], place]), np.asarray(stack[len(stack) // 2])]
    found = [count(image, inputs.count, float(row["pixel_um"])) for image in shown]
    return {
        "rows": [
            {
                "image": images.png(f"{dataset.name}_counted", image),
                "mask": images.png(f"{dataset.name}_counted_mask", _mask(segment(image, inputs.count))),
                "outlines": images.png(f"{dataset.name}_counted_outlines", _outlined(image, particles)),
            }
            for image, particles in zip(shown, found, strict=True)
        ],
        "counts": {"count_restored": found[0].count, "count_truth": found[1].count},
    }


def _mask(mask: np.ndarray) -> np.ndarray:
    """Black particles on white, as ImageJ shows them, (Y, X, 1) uint8."""
    return np.where(mask, 0, 255).astype(np.uint8)[..., None]


def _outlined(image: np.ndarray, particles: Particles) -> np.ndarray:
    """The image made pale, and the outlines of what was counted on it, (Y, X, 3) uint8."""
    pale = 255 - PALE * (255 - np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.float32))
    out = pale.round().astype(np.uint8)
    out[particles.outlines()] = LINE
    return out
