"""Every number and picture that ImageJ 1.53t gave, equal to the pixel."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread

from tsva.evaluation.counting.imagej import contrast_table, fill_holes, grey, histogram, particles
from tsva.evaluation.counting.threshold import threshold
from tsva.evaluation.counting.watershed import watershed
from tsva.settings.evaluation import CountSettings

CONTRAST = {"none": "none", "minmax": "minmax", "ec035apply": "saturation", "ec035norm": "normalize"}
IMAGES = ("ihc_p0", "ihc_p1", "ihc_p2")


@pytest.fixture(scope="module")
def reference(shared: Path) -> Path:
    return shared / "reference" / "imagej"


def stretched(reference: Path, image: str, enhance: str) -> np.ndarray:
    grey_image = grey(imread(reference / f"{image}.png")[..., :3])
    return contrast_table(histogram(grey_image), CountSettings(contrast=CONTRAST[enhance]))[grey_image]


@pytest.mark.parametrize("enhance", CONTRAST)
@pytest.mark.parametrize("image", IMAGES)
def test_grey_and_contrast(reference, image, enhance):
    assert np.array_equal(stretched(reference, image, enhance), imread(reference / f"g_{image}_{enhance}.png"))


@pytest.mark.parametrize("image", IMAGES)
def test_thresholds_masks_counts_and_areas(reference, image):
    with (reference / "grid.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["image"] == image]
    compared = pictures = 0

    def steps(row):
        return tuple(row[key] for key in ("enhance", "method", "lo", "up", "fill", "watershed"))

    for (enhance, method, low, high, fill, parted), group in groupby(rows, key=steps):
        picture = stretched(reference, image, enhance)
        name, *dark = method.split()
        split = threshold(histogram(picture), name.lower())
        assert (split + 1, 255) if dark else (0, split) == (int(low), int(high))
        mask = (picture >= int(low)) & (picture <= int(high))
        mask = fill_holes(mask) if fill == "1" else mask
        mask = watershed(mask) if parted == "1" else mask
        path = reference / f"m_{image}_{enhance}_{method}_h{fill}w{parted}.png"
        if path.exists():
            assert np.array_equal(mask, imread(path) > 0), path.name
            pictures += 1
        for row in group:
            smallest, largest = (float(part) for part in row["size"].replace("Infinity", "inf").split("-"))
            found = particles(
                mask,
                min_area_px=smallest,
                max_area_px=largest,
                exclude_edges=row["exclude"] == "1",
                include_holes=row["include"] == "1",
            )
            assert (found.count, found.area_px.sum()) == (int(row["count"]), int(row["totalarea"])), row
            compared += 1
    assert (compared, pictures) == (768, 32)
