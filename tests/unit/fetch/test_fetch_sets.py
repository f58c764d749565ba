"""What there is of the paper's sets, and where it departs from the paper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsva.pipeline.fetch import PLANES, compare, deviations, find_sets, is_needed, sheet_rows
from tsva.readers.planes import LOCATION
from tsva.readers.planes import PLANE as READER_PLANE
from tsva.settings.sheet import parse_sheet

TRAIN = "incoherent_RGBchannels/train_incoherent_RGBChannels"
SAME = "incoherent_RGBchannels/testRawData_incoherent_sameProtocol"
DIFFERENT = "incoherent_RGBchannels/testRawData_incoherent_diffProtocol"
HEIGHTS = [500 * plane - 10_350 for plane in range(PLANES)]


def tiles(folder: str, slide: int, count: int, patches: int = 0, heights: list[int] = HEIGHTS) -> list[str]:
    names = [f"Seg{k}_" for k in range(1, patches + 1)] or [""]
    return [
        f"{folder}/s{slide}_l{location}/{name}defocus{nm}.jpg"
        for location in range(1, count + 1)
        for name in names
        for nm in heights
    ]


@pytest.fixture(scope="module")
def whole() -> list[str]:
    """As many slides, tiles and patches as in the paper: 22 + 6 + 7 slides, 162 + 17 + 32 tiles."""
    names = []
    for slide in range(1, 23):
        names += tiles(f"Data_channel/{TRAIN}", slide, 162 // 22 + (slide <= 162 % 22), 20)
    for slide in range(1, 7):
        names += tiles(f"Data_channel/{SAME}", slide + 30, 17 // 6 + (slide <= 17 % 6))
    for slide in range(1, 8):
        names += tiles(f"Data_channel/{DIFFERENT}", slide + 40, 32 // 7 + (slide <= 32 % 7))
    return names


def test_the_paper_s_counts(whole: list[str]) -> None:
    found = find_sets(whole)
    counts = compare(found, {tile.first: 20 for part in found[1:] for tile in part.tiles})
    assert counts["counted"].tolist() == [162, 3240, 17, 340, 6, 32, 640, 7, 35]
    assert counts["equal"].all()
    assert deviations(found, counts).empty


def test_the_sheet_is_one_that_the_workflow_takes(whole: list[str]) -> None:
    text = sheet_rows(find_sets(whole)).to_csv(sep="\t", index=False)
    rows = list(parse_sheet(text, "slides.tsv").values())
    assert [row.sample for row in rows if row.role != "train"] == [f"Sample{number}" for number in range(1, 14)]
    assert rows[0].path == f"Data_channel/{TRAIN}/s1_l*"
    assert (rows[22].slide, rows[22].role) == ("D1-s31", "dataset1")


def test_what_departs_is_listed(whole: list[str]) -> None:
    names = [name for name in whole if "/s31_" not in name and "s1_l1/Seg7_" not in name]
    names = [name for name in names if not name.endswith("s2_l1/Seg1_defocus150.jpg")]
    for name in [name for name in names if "s41_l1/" in name and name.endswith("defocus150.jpg")]:
        names.remove(name)
    names += tiles(f"Data_channel/{SAME}", 5, 1) + tiles("Data_domain_part1/copy/" + SAME, 31, 1)
    found = find_sets(names)
    counts = compare(found, {tile.first: 20 for part in found[1:] for tile in part.tiles})
    told = [" ".join(filter(None, row)) for row in deviations(found, counts).to_numpy().tolist()]
    assert told == [
        "train 3239 patches, not 3240",
        "dataset1 15 tiles, not 17",
        "dataset1 300 patches, not 340",
        "train s1_l1 19 patches, where most have 20",
        f"dataset1 also in Data_domain_part1/copy/{SAME}, which is not used",
        "dataset2 s41_l1 40 planes, not 41",
        "dataset2 s41_l1 planes that are not 500 nm apart throughout",
        "dataset1 slide numbers that training has too (s5): nobody says whether they are the same slides",
    ]


def test_folders_are_found_wherever_they_lie_and_however_they_are_written() -> None:
    names = [*tiles("a/b/INCOHERENT_rgbchannels/Train_Incoherent_RGBchannels", 3, 2, 2), "a/b/readme.txt"]
    train, same, different = find_sets(names)
    assert [tile.name for tile in train.tiles] == ["s3_l1", "s3_l2"]
    assert train.tiles[0].patches == {1, 2}
    assert not same.tiles and not different.tiles
    assert [tile.name for tile in find_sets(name.removeprefix("a/b/") for name in names)[0].tiles] == ["s3_l1", "s3_l2"]


def test_images_in_white_light_win_over_others_of_the_same_name() -> None:
    other = tiles("dualLED/train_incoherent_RGBChannels", 1, 5, 2)
    found = find_sets(other + tiles(TRAIN, 1, 1, 2))[0]
    assert len(found.tiles) == 1
    assert found.elsewhere == ("dualLED/train_incoherent_RGBChannels",)


def test_none_of_it() -> None:
    found = find_sets(["x/s1_l1/defocus0.jpg"])
    counts = compare(found, {})
    assert counts["counted"].sum() == 0
    assert sheet_rows(found).empty
    assert len(deviations(found, counts)) == len(counts)


@given(slide=st.integers(0, 99), location=st.integers(0, 99), patch=st.none() | st.integers(0, 30), nm=st.integers())
def test_what_is_kept_is_what_the_reader_takes(slide: int, location: int, patch: int | None, nm: int) -> None:
    file = f"Seg{patch}_defocus{nm}.JPG" if patch is not None else f"defocus{nm}.jpeg"
    assert is_needed(f"{SAME}/s{slide}_l{location}/{file}")
    assert LOCATION.fullmatch(f"s{slide}_l{location}")
    assert READER_PLANE.fullmatch(file)


@pytest.mark.parametrize(
    "name",
    [f"{SAME}/s1_l1/thumbs.db", f"{SAME}/s1/defocus0.jpg", "other/s1_l1/defocus0.jpg", f"{SAME}/s1_l1/x/defocus0.jpg"],
)
def test_what_is_left_in_the_archive(name: str) -> None:
    assert not is_needed(name)
