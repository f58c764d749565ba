"""What ImageJ's steps see, as in the paper's Fig. 7: a restored patch above, the same patch in focus below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tsva.evaluation.counting.imagej import count, segment
from tsva.evaluation.counting.particles import Particles
from tsva.report.inputs import DataSet, Inputs
from tsva.report.names import NOTHING, lead_of
from tsva.report.pictures import png_uri

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
"""Dark blue: darker than any pale stain, and told from red and brown by every reader."""


def choose(dataset: DataSet, examples: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The example whose segmentation is shown: the first that has anything to count in focus, medians before the worst.

    Parameters
    ----------
    dataset : DataSet
        With counts.
    examples : sequence of dict
        As :func:`tsva.report.examples.choose` returns.

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


def pictures(dataset: DataSet, example: dict[str, Any] | None, inputs: Inputs) -> dict[str, Any]:
    """Input, segmentation and outlines of the particles counted, restored and in focus.

    Parameters
    ----------
    dataset : DataSet
        With stacks and restored patches.
    example : dict or None
        As :func:`choose` returns.
    inputs : Inputs
        How to count, and the order of the restored patches' offsets.

    Returns
    -------
    dict
        `rows`: `image`, `mask`, `outlines` (data URIs), restored first; `counts`: `count_restored`, `count_truth`.
    """
    if example is None:
        return {"rows": [], "counts": {}}
    row = dataset.patches.iloc[example["patch"]]
    stack = dataset.stacks[str(row["array"])][int(row["index"])]
    restored = dataset.methods[example["method"]].restored
    assert restored is not None
    place = inputs.pairs.offsets_um.index(example["focal_offset_um"])
    images = [np.asarray(restored[example["patch"], place]), np.asarray(stack[len(stack) // 2])]
    found = [count(image, inputs.count, float(row["pixel_um"])) for image in images]
    return {
        "rows": [
            {
                "image": png_uri(image),
                "mask": png_uri(_mask(segment(image, inputs.count))),
                "outlines": png_uri(_outlined(image, particles)),
            }
            for image, particles in zip(images, found, strict=True)
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
