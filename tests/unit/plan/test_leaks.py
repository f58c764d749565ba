"""An image stands in one row of the sheet alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tsva.errors import UserError
from tsva.pipeline.plan import Plan

HEADER = "slide\tpatient\tsample\trole\tsource\tpath\tpixel_um\tz_step_um\tpattern"


def plan(folder: Path, *rows: str) -> Plan:
    lines = [row.replace(" ", "\t") for row in rows]
    (folder / "slides.tsv").write_text("\n".join([HEADER, *lines, ""]))
    return Plan({"slides": str(folder / "slides.tsv")}, folder / "state")


def image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.random.default_rng(seed).bytes(6000))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a/s1.tif", "a/s2.tif", "b/s3.tif")):
        image(tmp_path / name, number)
    return tmp_path


TRAIN = "A P1 S train stack a/s1.tif   "
SHARED = [
    "B P2 S dataset1 stack a/s1.tif   ",  # the file itself
    "B P2 S train stack a/s1.tif   ",  # verification is by patient
    "B P1 S train stack a/s1.tif   ",  # its patches would count twice
    "B P2 S dataset1 stack a/s*.tif   ",  # a pattern that takes it
    "B P2 S dataset1 stack a   ",  # its folder
    "B P2 S dataset1 stack b/../a/s1.tif   ",
    "B P2 S dataset1 image a/s1.tif   ",
]


@pytest.mark.parametrize("row", SHARED)
def test_one_file_in_two_rows_is_refused(folder: Path, row: str) -> None:
    with pytest.raises(
        UserError, match=r"row 3, column path: got .*s1\.tif of slide B, and the same file, .* in row 2"
    ):
        plan(folder, TRAIN, row)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_are_the_file(folder: Path, link: object) -> None:
    link(folder / "a/s1.tif", folder / "b/other.tif")
    with pytest.raises(UserError, match=r"row 3.* got .*other\.tif of slide B, and (the same file|a file of the same)"):
        plan(folder, TRAIN, "B P2 S dataset1 stack b/other.tif   ")


def test_a_linked_folder_is_the_folder(folder: Path) -> None:
    (folder / "c").symlink_to(folder / "a")
    with pytest.raises(UserError, match=r"row 3.* the same file"):
        plan(folder, TRAIN, "B P2 S dataset1 stack c/s1.tif   ")


def test_a_copy_is_refused_whatever_its_name(folder: Path) -> None:
    (folder / "b/renamed.tif").write_bytes((folder / "a/s1.tif").read_bytes())
    with pytest.raises(UserError, match=r"got .*renamed\.tif of slide B, and a file of the same content, .*s1\.tif"):
        plan(folder, TRAIN, "B P2 S dataset1 stack b/*.tif   ")


def test_what_is_not_shared_or_need_not_differ_passes(folder: Path) -> None:
    for name in ("a/notes.txt", "b/notes.txt", "a/.DS_Store", "b/.DS_Store"):
        (folder / name).write_bytes(b"x" * 9000)
    image(folder / "a2/s4.tif", 9)
    made = plan(
        folder,
        "A P1 S train stack a   ",
        "B P2 S dataset1 stack b   ",
        "C P3 S train stack a2   ",
        "R P2 S refocus stack b   ",
    )
    assert list(made.slides) == ["A", "B", "C", "R"]


def test_one_sharp_image_may_be_taken_by_two_microscopes(folder: Path) -> None:
    row = "{} P1 S train image a/s1.tif   "
    assert len(plan(folder, row.format("A"), row.format("B")).slides) == 2
    with pytest.raises(UserError, match="the same file"):
        plan(folder, row.format("A"), "B P2 S dataset1 image a/s1.tif   ")


def test_rows_that_take_other_planes_of_a_folder_pass(folder: Path) -> None:
    for number, name in enumerate(("x_z0.tif", "x_z1.tif", "y_z0.tif", "y_z1.tif")):
        image(folder / "planes" / name, 20 + number)
    rows = "A P1 S train planes planes 0.3 0.5 x_z{z}.tif", "B P2 S dataset1 planes planes 0.3 0.5 y_z{z}.tif"
    assert len(plan(folder, *rows).slides) == 2
    with pytest.raises(UserError, match=r"x_z0\.tif of slide B, and the same file"):
        plan(folder, rows[0], "B P2 S dataset1 planes planes 0.3 0.5 {field}_z{z}.tif")
