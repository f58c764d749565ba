"""Fig. 7's pictures: disks whose number and outlines are known."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tsva.report import segmentation
from tsva.report.inputs import DataSet, Inputs, Method
from tsva.settings.count import CountSettings
from tsva.settings.optics import OpticsSettings
from tsva.settings.pairs import PairsSettings
from tsva.settings.report import ReportSettings

EDGE = 64
PAIRS = PairsSettings(patch_px=EDGE)
INPUTS = Inputs([], [], [], PAIRS, OpticsSettings(), CountSettings(), ReportSettings(), {}, {}, 1)
EXAMPLE = dict.fromkeys(segmentation.WHERE, "x") | {"patch": 0, "focal_offset_um": 2.0, "why": "median"}


def squares(places: list[tuple[int, int]], channels: int) -> np.ndarray:
    """Dark squares of 12×12 pixels with their corners here, on light ground, (Y, X, C)."""
    image = np.full((EDGE, EDGE, channels), 230, np.uint8)
    for y, x in places:
        image[y : y + 12, x : x + 12] = 60
    return image


def dataset(channels: int = 3) -> DataSet:
    """One patch with three squares in focus, of which the restored image at +2 µm has lost one."""
    three = [(5, 5), (5, 40), (40, 20)]
    restored = np.full((1, len(PAIRS.offsets_um), EDGE, EDGE, channels), 230, np.uint8)
    restored[0, PAIRS.offsets_um.index(2.0)] = squares(three[:2], channels)
    stack = np.full((1, 15, EDGE, EDGE, channels), 230, np.uint8)
    stack[0, 7] = squares(three, channels)
    counts = pd.DataFrame({"patch": [0, 1], "count_truth": [3, 0]})
    methods = {"y1": Method(pd.DataFrame()), "tsva": Method(pd.DataFrame(), restored, counts)}
    patches = pd.DataFrame({"array": "a", "index": [0], "pixel_um": 0.345})
    return DataSet("dataset1", patches, methods, {"a": stack})


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_what_is_counted(channels: int) -> None:
    given = dataset(channels)
    shown = segmentation.pictures(given, segmentation.choose(given, [EXAMPLE]), INPUTS)
    assert shown["counts"] == {"count_restored": 2, "count_truth": 3}
    for row, number in zip(shown["rows"], (2, 3), strict=True):
        image = np.atleast_3d(pixels(row["image"]))
        assert np.array_equal(pixels(row["mask"]) == 0, image[..., 0] == 60)
        lines = (pixels(row["outlines"]) == segmentation.LINE).all(axis=2)
        assert lines.sum() == number * (4 * 12 - 4)  # the rim of a square
        assert np.array_equal(np.unique(pixels(row["mask"])), [0, 255])
    assert np.array_equal(np.atleast_3d(pixels(shown["rows"][1]["image"])), given.stacks["a"][0, 7])


def test_the_first_median_with_something_to_count_is_shown() -> None:
    examples = [
        EXAMPLE | {"why": "worst", "row": 0},
        EXAMPLE | {"patch": 1, "row": 1},
        EXAMPLE | {"row": 2},
        EXAMPLE | {"row": 3},
    ]
    found = segmentation.choose(dataset(), examples)
    assert found is not None and (found["row"], found["method"]) == (2, "tsva")
    found = segmentation.choose(dataset(), examples[:2])
    assert found is not None and found["why"] == "worst"
    found = segmentation.choose(dataset(), examples[1:2])
    assert found is not None and found["row"] == 1


def test_without_counts_or_examples_nothing_is_shown() -> None:
    assert segmentation.choose(dataset(), []) is None
    alone = DataSet("dataset1", pd.DataFrame(), {"y1": Method(pd.DataFrame())})
    assert segmentation.choose(alone, [EXAMPLE]) is None
    assert segmentation.pictures(alone, None, INPUTS) == {"rows": [], "counts": {}}


def test_the_page_prints_the_summary(report: Callable[..., Any]) -> None:
    made = report()
    assert [row["dataset"] for row in made.summary["segmentations_shown"]] == ["dataset1", "dataset2"]
    for row in made.summary["segmentations_shown"]:
        section = made.page.split(f'id="{row["dataset"]}-segmentation"')[1].split("</section>")[0]
        for key in ("count_restored", "count_truth"):
            assert f"outlines: {row[key]} counted" in section
        example = [row["patch"], row["focal_offset_um"]]
        assert example in [[found["patch"], found["focal_offset_um"]] for found in made.summary["examples"]]
