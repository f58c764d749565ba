"""Fig. 7's pictures: disks whose number and outlines are known."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tsva.evaluation.inputs import DataSet, Inputs, Method
from tsva.evaluation.patch_pictures import LINE, WHERE, choose_segmentation, segmentation_pictures
from tsva.evaluation.picture_files import Images
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.evaluation import CountSettings, ReportSettings

EDGE = 64
PAIRS = PairsSettings(patch_px=EDGE)
INPUTS = Inputs([], [], [], PAIRS, OpticsSettings(), CountSettings(), ReportSettings(), {}, {}, 1)
EXAMPLE = dict.fromkeys(WHERE, "x") | {"patch": 0, "focal_offset_um": 2.0, "why": "median"}


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


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_what_is_counted(channels: int) -> None:
    given = dataset(channels)
    images = Images()
    shown = segmentation_pictures(given, choose_segmentation(given, [EXAMPLE]), INPUTS, images)
    assert shown["counts"] == {"count_restored": 2, "count_truth": 3}
    for row, number in zip(shown["rows"], (2, 3), strict=True):
        image = np.atleast_3d(pixels(images.files[row["image"]]))
        assert np.array_equal(pixels(images.files[row["mask"]]) == 0, image[..., 0] == 60)
        lines = (pixels(images.files[row["outlines"]]) == LINE).all(axis=2)
        assert lines.sum() == number * (4 * 12 - 4)  # the rim of a square
        assert np.array_equal(np.unique(pixels(images.files[row["mask"]])), [0, 255])
    assert np.array_equal(np.atleast_3d(pixels(images.files[shown["rows"][1]["image"]])), given.stacks["a"][0, 7])


def test_the_first_median_with_something_to_count_is_shown() -> None:
    examples = [
        EXAMPLE | {"why": "worst", "row": 0},
        EXAMPLE | {"patch": 1, "row": 1},
        EXAMPLE | {"row": 2},
        EXAMPLE | {"row": 3},
    ]
    found = choose_segmentation(dataset(), examples)
    assert found is not None and (found["row"], found["method"]) == (2, "tsva")
    found = choose_segmentation(dataset(), examples[:2])
    assert found is not None and found["why"] == "worst"
    found = choose_segmentation(dataset(), examples[1:2])
    assert found is not None and found["row"] == 1


def test_without_counts_or_examples_nothing_is_shown() -> None:
    assert choose_segmentation(dataset(), []) is None
    alone = DataSet("dataset1", pd.DataFrame(), {"y1": Method(pd.DataFrame())})
    assert choose_segmentation(alone, [EXAMPLE]) is None
    assert segmentation_pictures(alone, None, INPUTS, Images()) == {"rows": [], "counts": {}}
