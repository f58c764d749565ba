"""Examples: chosen by the rule that the page states, each picture of its own array, errors on one scale."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tsva.evaluation.inputs import DataSet, Method
from tsva.evaluation.patch_pictures import choose_examples, example_pictures, rule
from tsva.evaluation.picture_files import Images
from tsva.settings.acquisition import PairsSettings
from tsva.settings.evaluation import ReportSettings

PAIRS = PairsSettings(patch_px=32)
PATCHES = 5
OFFSETS = len(PAIRS.offsets_um)


def scores(psnr_db: np.ndarray) -> pd.DataFrame:
    """A table of scores from PSNR by (patch, offset), rows in no order."""
    patch, place = np.indices(psnr_db.shape)
    facts = {
        "patch": patch.ravel(),
        "focal_offset_um": np.take(PAIRS.offsets_um, place.ravel()),
        "psnr_db": psnr_db.ravel(),
    }
    table = pd.DataFrame(facts | {"protocol": "grid", "target": "captured"})
    return table.sample(frac=1, random_state=1)


def dataset(gain_db: np.ndarray) -> DataSet:
    """Y1 at 30 dB (nothing at ±0.5 µm, where it is the target) and TSVA with the gains given."""
    y1 = np.full((PATCHES, OFFSETS), 30.0)
    y1[:, [5, 7]] = np.nan
    rng = np.random.default_rng(0)
    stacks = rng.integers(0, 256, (PATCHES, 15, 32, 32, 3), np.uint8)
    images = {name: rng.integers(0, 256, (PATCHES, OFFSETS, 32, 32, 3), np.uint8) for name in ("y1", "tsva")}
    facts = {"slide": "s", "sample": "Sample1", "field": "f", "row": 0, "column": range(PATCHES), "array": "a"}
    patches = pd.DataFrame(facts | {"index": range(PATCHES)[::-1], "pixel_um": 0.345})
    methods = {"y1": Method(scores(y1), images["y1"]), "tsva": Method(scores(30.0 + gain_db), images["tsva"])}
    return DataSet("dataset1", patches, methods, {"a": stacks})


def chosen_of(given: DataSet, number: int, worst: int = 0) -> list[dict[str, Any]]:
    """Examples without those of each sample."""
    found = choose_examples(given, ReportSettings(examples=number, worst=worst), PAIRS)
    return [row for row in found if row["why"] != "sample"]


def test_the_worst_and_the_medians_are_shown() -> None:
    gain = np.tile(np.arange(OFFSETS) / 10, (PATCHES, 1)) + np.array([3.0, 1.0, 4.0, 2.0, 5.0])[:, None]
    gain[4, 6] = -2.0  # ΔD = 0
    gain[0, 5] = -9.0  # ΔD = −0.5: a shot is the target there, so that it is out of the running
    found = chosen_of(dataset(gain), 4)
    worst, *medians = [(row["why"], row["patch"], row["focal_offset_um"], round(row["gain_db"], 6)) for row in found]
    assert worst == ("worst", 4, 0.0, -2.0)
    # three of the sizes 0, 1, 1.5, 2, 2.5, 3: the third, the fourth (half to even) and the last; signs alternate
    assert medians == [("median", 0, 1.5, 3.9), ("median", 0, -2.0, 3.2), ("median", 0, 3.0, 4.2)]


def test_further_patches_of_least_gain_and_each_samples_median_follow() -> None:
    gain = np.tile(np.array([3.0, 1.0, 4.0, 2.0, 5.0])[:, None], (1, OFFSETS))
    gain[2, 12] = 0.5
    gain[0, 7] = -9.0  # ΔD = +0.5: out of the running
    found = choose_examples(dataset(gain), ReportSettings(examples=1, worst=2), PAIRS)
    assert [(row["why"], row["patch"]) for row in found] == [("worst", 2), ("worst", 1), ("worst", 3), ("sample", 0)]
    assert found[0]["focal_offset_um"] == 3.0
    assert found[-1]["focal_offset_um"] == -1.5  # one and a half standard deviations of 1 µm
    assert len({(row["patch"], row["focal_offset_um"]) for row in found}) == len(found)


def test_without_a_method_y1s_scores_choose() -> None:
    given = dataset(np.zeros((PATCHES, OFFSETS)))
    y1 = np.full((PATCHES, OFFSETS), 30.0)
    y1[3, 12] = 20.0
    alone = DataSet("dataset1", given.patches, {"y1": Method(scores(y1))}, given.stacks)
    (found,) = chosen_of(alone, 1)
    assert (found["patch"], found["focal_offset_um"], found["gain_db"]) == (3, 3.0, None)
    assert "Y1 as captured scored least" in rule(alone)


@pytest.mark.parametrize("number", [0, 1, 3, 40])
def test_no_more_examples_than_wanted(number: int) -> None:
    found = chosen_of(dataset(np.ones((PATCHES, OFFSETS))), number)
    assert len(found) == min(number, 7)  # the worst, and one for each size of a strict offset


def pixels(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    return np.asarray(image.convert("RGB") if image.mode == "P" else image)


def webp(image: np.ndarray) -> bytes:
    images = Images()
    return images.files[images.webp("same", image)]


def test_each_picture_is_of_its_own_array() -> None:
    given = dataset(np.ones((PATCHES, OFFSETS)))
    chosen = chosen_of(given, 2)
    images = Images()
    shown = example_pictures(given, chosen, PAIRS, images)
    top = shown["scale_grey_levels"]
    scale, errors = pixels(images.files[shown["colours"]])[0], []
    for example, row in zip(chosen, shown["rows"], strict=True):
        target = given.stacks["a"][PATCHES - 1 - example["patch"], 7]  # the table's index runs backwards
        assert images.files[row["target"]] == webp(target)
        for method in row["methods"]:
            image = given.methods[method["method"]].restored[
                example["patch"], PAIRS.offsets_um.index(example["focal_offset_um"])
            ]
            assert images.files[method["image"]] == webp(image)
            error = np.abs(image.astype(float) - target).mean(axis=2)
            errors.append(error.ravel())
            same = Images()
            indices = np.clip(error / top * 255, 0, 255).round().astype(np.uint8)
            assert images.files[method["error"]] == same.files[same.mapped("same", indices, scale)]
    assert np.mean(np.concatenate(errors) <= top) >= 0.995


def test_the_scale_bar_has_its_length() -> None:
    (found,) = chosen_of(dataset(np.ones((PATCHES, OFFSETS))), 1)
    assert found["bar_um"] == 2.0  # of 32 · 0.345 = 11.04 µm: 5 would be more than two fifths
    assert found["bar_share"] * 32 * 0.345 == pytest.approx(2.0)


def test_grey_images_are_pictures_too() -> None:
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    images = Images()
    assert np.array_equal(pixels(images.files[images.png("grey", grey)]), grey[..., 0])
    colours = np.arange(768, dtype=np.uint8).reshape(256, 3)
    assert np.array_equal(pixels(images.files[images.palette("grey", grey[..., 0], colours)]), colours[grey[..., 0]])
    assert len(images.files) == 2
