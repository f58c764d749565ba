"""Contact sheet, focal surfaces and patches: one row a kind, the right planes, n as in the table, borders where due."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from tsva.evaluation.inputs import Slide
from tsva.evaluation.picture_files import Images
from tsva.evaluation.slide_pictures import (
    BORDER,
    EDGE,
    ROWS,
    choose_fields,
    choose_stacks,
    field_pictures,
    height_map,
    stack_pictures,
)
from tsva.settings.acquisition import PairsSettings

PAIRS = PairsSettings()
PLANES = 2 * PAIRS.reach_planes + 1


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), float)


def table(places: list[tuple[int, int]], edge: int, field: str = "f0") -> pd.DataFrame:
    """Patches at rows and columns of a grid, each with an n of its own."""
    rows, columns = np.array(places).T
    facts = {"index": range(len(places)), "field": field, "row": rows, "column": columns, "y_px": 5 + rows * edge}
    facts |= {"x_px": 3 + columns * edge, "focal_offset_um": np.arange(len(places)) * 0.5 - 1, "focus_z_um": 0.5}
    return pd.DataFrame(facts | {"pixel_um": 0.345})


def slide(name: str, stacks: np.ndarray, places: list[tuple[int, int]] | None = None, **facts: Any) -> Slide:
    places = places or [(0, index) for index in range(len(stacks))]
    return Slide(name, **{"patches": table(places, stacks.shape[2]), "stacks": stacks, **facts})


def plain_stacks(edge: int = 16, patches: int = 1) -> np.ndarray:
    """Planes of one grey each: 10 times their number."""
    greys = np.arange(PLANES, dtype=np.uint8) * 10
    return np.broadcast_to(greys[None, :, None, None, None], (patches, PLANES, edge, edge, 3)).copy()


def test_one_row_a_kind_in_the_order_of_the_sheet() -> None:
    looks = [
        ("T1", "fatty", "fatty", "a", "n"),
        ("T2", "fatty", "fatty", "a", "n"),
        ("D1", "Sample1", "fatty", "a", "n"),  # another name for the same look
        ("D2", "Sample7", "fatty", "b", "n"),
        ("D3", "Sample8", "fatty", "b", "other"),
        ("R1", "liver", None, None, None),
        ("R2", "kidney", None, None, None),
        ("R3", "liver", None, None, None),
    ]
    slides = [
        slide(name, plain_stacks(), sample=sample, tissue=tissue, stain=stain, microscope=microscope)
        for name, sample, tissue, stain, microscope in looks
    ]
    found = choose_stacks([Slide("unpaired", sample="new"), *slides], PAIRS)
    assert [row["slide"] for row in found] == ["T1", "D2", "D3", "R1", "R2"]
    assert [row["sample"] for row in found] == ["fatty", "Sample7", "Sample8", "liver", "kidney"]
    many = [slide(f"S{index}", plain_stacks(), sample=f"sample{index}") for index in range(ROWS + 5)]
    assert len(choose_stacks(many, PAIRS)) == ROWS


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({}, [-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3]),
        ({"offset_max_um": 1.0}, [-1, -0.5, 0, 0.5, 1]),
        ({"z_step_um": 1.0, "delta_um": 1.0}, [-3, -2, -1, 0, 1, 2, 3]),
    ],
)
def test_the_planes_shown_are_those_named(facts: dict[str, float], wanted: list[float]) -> None:
    pairs = PairsSettings(**facts)
    planes = 2 * pairs.reach_planes + 1
    stacks = plain_stacks()[:, :planes]
    (row,) = choose_stacks([slide("s", stacks)], pairs)
    assert row["defocus_um"] == wanted
    files = Images()
    (images,) = stack_pictures([slide("s", stacks)], [row], pairs, files)
    # a JPEG of one grey holds it to the rounding of its one coefficient a block
    greys = [decoded(files.files[image]).mean() for image in images]
    expected = [10 * (pairs.reach_planes + defocus / pairs.z_step_um) for defocus in wanted]
    assert greys == pytest.approx(expected, abs=1)


def test_the_crop_with_the_most_contrast_is_shown_in_its_own_pixels() -> None:
    rng = np.random.default_rng(1)
    stacks = np.full((3, PLANES, 200, 200, 3), 100, np.uint8)
    shapes = gaussian_filter(rng.normal(size=(100, 100)), 3) * 800 + 128
    stacks[1, PLANES // 2, 100:, :100] = shapes.clip(0, 255).astype(np.uint8)[..., None]
    stacks[2, 0] = rng.integers(0, 255, (200, 200, 3))  # contrast that isn't in focus
    given = slide("s", stacks)
    (row,) = choose_stacks([given], PAIRS)
    assert (row["patch"], row["y_px"], row["x_px"], row["edge_px"]) == (1, 200 - EDGE, 0, EDGE)
    assert row["bar_um"] == 10 and row["bar_share"] == pytest.approx(10 / (EDGE * 0.345))
    files = Images()
    shown = decoded(files.files[stack_pictures([given], [row], PAIRS, files)[0][4]])
    crop = stacks[1, PLANES // 2, 200 - EDGE :, :EDGE].astype(float)
    # half the coarsest step of the JPEG tables at this quality, 99/4 · 0.5, bounds what any one coefficient loses;
    # nearly all are far smaller, so that a shift by one pixel would show
    assert np.abs(shown - crop).mean() < np.abs(np.roll(crop, 1, axis=1) - crop).mean() / 3


def test_borders_lie_where_the_nearest_plane_changes() -> None:
    slope = np.tile(np.linspace(-1.0, 1.0, 201), (4, 1))  # 0.01 µm a pixel
    found = height_map(slope, -1.0, 1.0, 0.5)
    # between planes 0.5 µm apart: at −0.75, −0.25, 0.25 and 0.75; NumPy's halves go to the even plane
    border = np.flatnonzero((found == BORDER).all(axis=0))
    assert border == pytest.approx(100 + 100 * np.array([-0.75, -0.25, 0.25, 0.75]), abs=1)
    inside = found[0] != BORDER
    assert np.abs(found[0, inside] - (np.arange(201)[inside] / 200 * (BORDER - 1))).max() <= 0.5
    level = height_map(np.full((3, 3), 0.7), 0.7, 0.7, 0.5)
    assert (level == 0).all()


def test_a_mosaic_puts_patches_in_place_and_leaves_gaps_grey() -> None:
    places = [(0, 0), (0, 2), (1, 1)]
    stacks = plain_stacks(16, 3)
    stacks[:, PLANES // 2] = np.array([30, 90, 200], np.uint8)[:, None, None, None]
    surface = np.add.outer(np.zeros(60), np.arange(80.0))
    given = slide("s", stacks, places, surfaces={"f0": surface})
    (row,) = choose_fields([given])
    assert (row["surface_low_um"], row["surface_high_um"]) == (3, 3 + 3 * 16 - 1)  # the part that patches cover
    assert row["focus_z_um"] == 0.5
    files = Images()
    (found,) = field_pictures([given], [row], 0.5, files)["fields"]
    shown = decoded(files.files[found["mosaic"]]).reshape(2, 16, 3, 16, 3).mean(axis=(1, 3, 4))
    assert shown == pytest.approx(np.array([[30, 128, 90], [128, 200, 128]]), abs=1)
    assert [(p["y_px"], p["x_px"], p["focal_offset_um"]) for p in found["patches"]] == [
        (0, 0, -1),
        (0, 32, -0.5),
        (16, 16, 0),
    ]


def test_fields_are_spread_over_the_sheet() -> None:
    slides = [slide(f"S{index}", plain_stacks()) for index in range(25)]
    assert [row["slide"] for row in choose_fields(slides)] == ["S0", "S8", "S16", "S24"]
    assert [row["slide"] for row in choose_fields(slides[:2])] == ["S0", "S1"]
    assert choose_fields([Slide("unpaired")]) == []
    nothing = field_pictures([], [], 0.5, Images())
    assert nothing["fields"] == [] and nothing["low_um"] is None


def test_pictures_stay_small() -> None:
    """The default's thirteen kinds, and four fields as large as the paper's, with a camera's noise."""
    rng = np.random.default_rng(2)
    places = [(row, column) for row in range(4) for column in range(5)]

    def noisy(patches: int, planes: int) -> np.ndarray:
        tissue = gaussian_filter(rng.normal(size=(patches, 1, 224, 224, 3)), (0, 0, 3, 3, 0)) * 400 + 170
        found = tissue + rng.normal(0, 2, (patches, planes, 224, 224, 3))
        return np.asarray(found.clip(0, 255), np.uint8)

    stack, field = slide("s", noisy(1, PLANES)), slide("f", noisy(20, 1), places)
    files = Images()
    shown = stack_pictures([stack], choose_stacks([stack], PAIRS), PAIRS, files)[0]
    (mosaic,) = field_pictures([field], choose_fields([field]), 0.5, files)["fields"]
    sheet = sum(len(files.files[image]) for image in shown)
    # the page carries them in base 64, which takes four characters for three bytes
    assert (13 * sheet + 4 * len(files.files[mosaic["mosaic"]])) * 4 / 3 < 3e6
