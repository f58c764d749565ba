"""The page of first pictures: shots and in-focus image, then a picture a method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner
from PIL import Image
from settings_file import settings_option

from tsva.cli.first_look import command
from tsva.report.first_look import GAP_PX, difference, mosaic, shown_places
from tsva.settings.acquisition import PairsSettings
from tsva.stage_files import write_table

PAIRS = PairsSettings(patch_px=32)


def results(folder: Path) -> Path:
    """Three patches of one slide, the first one's planes of grey levels 10, 20 …; the test set has two of them, and a
    method's images of the first are of level 77."""
    planes = 2 * PAIRS.reach_planes + 1
    stacks = (
        np.zeros((3, planes, 32, 32, 3), np.uint8) + 10 * np.arange(1, planes + 1, dtype=np.uint8)[:, None, None, None]
    )
    stacks[1:] = 0
    (folder / "pairs/S").mkdir(parents=True)
    np.save(folder / "pairs/S/patches.npy", stacks)
    write_table(folder / "pairs/dataset1.tsv", pd.DataFrame({"slide": ["R", "S", "S"], "index": [0, 0, 2]}))
    restored = np.zeros((3, len(PAIRS.offsets_um), 32, 32, 3), np.uint8)
    restored[1] = 77
    (folder / "refocus/dataset1/tsva").mkdir(parents=True)
    np.save(folder / "refocus/dataset1/tsva/restored.npy", restored)
    return folder


def run(folder: Path, *more: str) -> None:
    words = ["--slide", "S", "--results", str(folder), "--out", str(folder / "look"), *more]
    done = CliRunner().invoke(command, [*settings_option(pairs=PAIRS.model_dump()), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_rows_show_both_shots_and_the_target(tmp_path: Path) -> None:
    folder = results(tmp_path)
    run(folder, "--methods", "tsva,fusion")
    picture = np.asarray(Image.open(folder / "look/shots.jpg"))
    middle = 10 * (PAIRS.reach_planes + 1)
    for row, offset_um in enumerate((-2.0, 1.0, 2.0)):
        parked = middle + 10 * round(offset_um / PAIRS.z_step_um)
        centres = picture[row * (32 + GAP_PX) + 16, 16 :: 32 + GAP_PX, 0].astype(int)
        assert np.abs(centres - [parked - 10, parked + 10, middle]).max() <= 2  # JPEG
    text = (folder / "look/index.html").read_text()
    assert 'src="tsva.jpg"' in text and 'src="fusion.jpg"' in text and 'http-equiv="refresh"' in text


def test_method_is_shown_with_its_difference(tmp_path: Path) -> None:
    folder = results(tmp_path)
    run(folder, "--method", "tsva", "--dataset", "dataset1")
    picture = np.asarray(Image.open(folder / "look/tsva.jpg")).astype(int)
    target = 10 * (PAIRS.reach_planes + 1)
    assert abs(picture[16, 16, 0] - 77) <= 2
    assert abs(picture[16, 32 + GAP_PX + 16, 0] - np.clip(128 + 5 * (77 - target), 0, 255)) <= 2


def test_offsets_fall_back_to_the_farthest() -> None:
    assert shown_places((-0.5, 0.0, 0.5)) == [2]
    assert shown_places((-2.0, 0.0, 2.0)) == [0, 2]


def test_grey_images_and_differences() -> None:
    grey = np.full((8, 8, 1), 3, np.uint8)
    assert np.asarray(mosaic([[grey, grey]])).shape == (8, 2 * 8 + GAP_PX, 3)
    assert (
        difference(np.full((1, 1, 3), 200, np.uint8), np.full((1, 1, 3), 195, np.uint8)).ravel().tolist() == [153] * 3
    )


def test_a_slide_without_patches_fails_no_run(tmp_path: Path) -> None:
    folder = results(tmp_path)
    np.save(folder / "pairs/S/patches.npy", np.zeros((0, 15, 32, 32, 3), np.uint8))
    run(folder)
    run(folder, "--method", "tsva", "--dataset", "dataset1")
    assert "no usable patches" in (folder / "look/index.html").read_text()
    assert (folder / "look/shots.jpg").is_file() and (folder / "look/tsva.jpg").is_file()
