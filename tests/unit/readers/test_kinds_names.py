"""Names of planes as vendors write them: all planes in order, or one clear line."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from microscope_files import PIXEL_UM, PLANES, STEP_UM, stack

from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.guess import guess_pattern
from tsva.readers.name_patterns import NamePattern, check_fields
from tsva.readers.registry import files_at, is_hidden, places_at
from tsva.settings.sheet import SlideRow

GREY = stack()[..., 0]
VENDORS = [
    "img_channel000_position000_time000000000_z{:03d}.tif",
    "img_000000000_Default_{:03d}.tif",
    "Snap-01_z{:02d}.tif",
    "Exp_z{:02d}c1.tif",
    "Slide1_s1z{:02d}_ORG.tif",
    "Project_Series001_z{:02d}_ch00.tif",
    "Series001_Z{:03d}.tif",
    "Series001_RAW_ch00_z{:02d}.tif",
    "Image_0001_Z{:03d}.tif",
    "s_C001Z{:03d}.tif",
    "sample001xy1z{:02d}.tif",
    "Capture 1_XY1_Z{:02d}_T0_C0.tif",
    "exp_w1BF_z{}.tif",
    "exp_s1_z{}_t1.tif",
    "exp_step{}.tif",
    "stack{:04d}.tif",
    "out_S0_Z{}_C0_T0.tif",
    "B03_f01_z{:02d}.tif",
    "z{:02d}/img.tif",
    "ZStep_{}/exp_A01_s1_w1ABCDEF12-3456-7890-ABCD-EF1234567890.tif",
    "Image (z={}, t=0, c=0).tif",
    "Image.vsi - 20x_BF_Z_01 (z={}).tif",
    "MATL_0001_Z{:03d}T001.tif",
    "image--L0000--S00--J20--X00--Y00--T0000--Z{:02d}--C00.ome.tif",
    "r02c03f01p{:02d}-ch1sk1fk1fl1.tif",
    "scan_TR_p00_z{:02d}_0_A01f00d4.tif",
    "image.ome.tiff_z{:03d}_c0_t0.tif",
    "scan {{a}} [1] z {:02d}.tif",
    "標本 Größe😀_z{:02d}.tif",
    "CON_z{}.tif",
]
FIELDS = [
    "Pos{f}/img_000000000_BF_{z:03d}.tif",
    "Slide1_s{f}z{z:02d}c1_ORG.tif",
    "exp_w1BF_s{f}_t1_z{z}.tif",
    "Project_TileScan_001--Stage{f:02d}--Z{z:02d}--C00.tif",
    "Images/r02c03f{f:02d}p{z:02d}-ch1sk1fk1fl1.tif",
    "AssayPlate_B02_T0001F{f:03d}L01A01Z{z:02d}C01.tif",
    "B - 02(fld {f} wv TL z {z}).tif",
    "data/BF--W00001--P{f:05d}--Z{z:05d}--T00000--BF.tif",
    "o_S{f}_Z{z}_C0_T0.tif",
]
NO_Z = ["t{}", "tp{}", "frame_{}", "f{}", "fld {}", "s{}", "xy{}", "Pos{}", "tile_m{}", "Series{}", "slide_{}", "roi{}"]
"""What numbers are called that count no planes."""
CHANNELS = [
    ("S_z{z:02d}_ch0{c}.tif", "0123"),
    ("S_z{z:02d}c{c}.tif", "123"),
    ("s_C{c}Z{z:03d}.tif", ("001", "002")),
    ("img_channel{c}_position000_time000000000_z{z:03d}.tif", ("000", "001")),
    ("img_000000000_{c}_{z:03d}.tif", ("Red", "Green", "Blue")),
    ("A_{c}_z{z}.tif", ("DAPI", "FITC", "Cy5")),
    ("exp_w{c}_z{z}.tif", ("1DAPI", "2FITC", "3Cy5")),
    ("Cap_XY1_Z{z:02d}_T0_C{c}.tif", "012"),
    ("B - 02(fld 1 wv {c} z {z}).tif", ("UV", "Green", "Red")),
    ("A01f00d{c}_z{z}.tif", "012"),
    ("A1_z{c}{z}um.tif", ("minus", "plus")),
]


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("first", [0, 1])
def test_planes_by_vendors_names(name: str, first: int) -> None:
    names = [name.format(number + first) for number in range(12)]
    pattern = guess_pattern(names)
    assert pattern is not None
    matched = [NamePattern(pattern, STEP_UM, "row").match(one) for one in names]
    assert [said.z_um for said in matched if said] == [STEP_UM * (number + first) for number in range(12)]
    assert len({said.field for said in matched if said}) == 1


@pytest.mark.parametrize("name", FIELDS)
def test_fields_by_vendors_names(name: str) -> None:
    names = {name.format(f=field, z=z): (field, z) for field in (1, 2) for z in range(12)}
    pattern = guess_pattern(list(names))
    assert pattern is not None
    for one, (field, z) in names.items():
        said = NamePattern(pattern, STEP_UM, "row").match(one)
        assert said is not None
        assert (int(said.field), said.z_um) == (field, STEP_UM * z)


@pytest.mark.parametrize("word", NO_Z)
@pytest.mark.parametrize("before", ["", "img_"])
def test_what_is_called_a_time_or_a_place_is_not_guessed_to_be_z(word: str, before: str) -> None:
    assert guess_pattern([f"{before}{word.format(f'{number:02d}')}.tif" for number in range(11)]) is None


@pytest.mark.parametrize("word", ["t", "T", "time", "tp"])
def test_points_of_time_are_no_fields(word: str) -> None:
    with pytest.raises(UserError, match="2 points of time of each plane"):
        guess_pattern([f"img_{word}{time:03d}_z{z:03d}.tif" for time in range(2) for z in range(9)])
    one_each = [f"img_{word}{z:03d}_z{z:03d}.tif" for z in range(9)]
    assert guess_pattern(one_each) == f"img_{word}{{any}}_z{{z_index}}.tif"


@pytest.mark.parametrize("copy", ["{} (1)", "{} - Copy", "{} - Copy (2)", "{} copy 2", "{} - Kopie", "Kopie von {}"])
@pytest.mark.parametrize("copies", [1, 9])
def test_copies_beside_their_originals_are_refused(copy: str, copies: int) -> None:
    """However many: copies of all planes would be as good a series."""
    names = [f"A_z{z:02d}" for z in range(9)]
    with pytest.raises(UserError, match=rf"a copy of A_z00\.tif \({copies} such"):
        guess_pattern([f"{name}.tif" for name in [*names, *(copy.format(name) for name in names[:copies])]])


@given(order=st.permutations(["NFC", "NFD"] * 5))
def test_accents_in_either_form(order: list[Literal["NFC", "NFD"]]) -> None:
    names = [unicodedata.normalize(form, f"Präparat_z{z:02d}.tif") for z, form in enumerate(order)]
    pattern = guess_pattern(names)
    assert pattern == "Präparat_z{z_index}.tif"
    for written in (pattern, unicodedata.normalize("NFD", pattern)):
        assert all(NamePattern(written, STEP_UM, "row").match(name) for name in names)


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ([f"A_z{i:02d}_{(5 - i) / 2:+.1f}um.tif" for i in range(11)], "A_z{any}_{z}um.tif"),
        ([f"A_z{i:02d}_exp{20 + i % 2}ms.tif" for i in range(11)], "A_z{z_index}_exp{any}ms.tif"),
        ([f"A_z{i:02d}.{ending}" for ending in ("png", "tif") for i in range(11)], "A_z{z_index}.tif"),
        ([f"slide_{i - 5:+d}.tif" for i in range(11)], "slide_{z_index}.tif"),
    ],
)
def test_positions_beside_numbers(names: list[str], pattern: str) -> None:
    assert guess_pattern(names) == pattern


@pytest.mark.parametrize(("name", "channels"), CHANNELS)
def test_channels_in_files_of_their_own_are_refused(name: str, channels: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="one image a plane"):
        guess_pattern([name.format(z=z, c=c) for z in range(9) for c in channels])


@given(
    words=st.sets(st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=6), min_size=2, max_size=4),
    planes=st.integers(4, 20),
)
def test_series_that_differ_in_a_word_are_not_left_out(words: set[str], planes: int) -> None:
    """Whether the word is a channel's or a field's name, nobody but the user knows."""
    names = [f"S_{word}_z{z:02d}.tif" for word in words for z in range(planes)]
    with pytest.raises(UserError, match="Give --pattern"):
        guess_pattern(names)
    for word in words:
        pattern = NamePattern(f"S_{word}_z{{z_index}}.tif", STEP_UM, "row")
        assert sum(pattern.match(name) is not None for name in names) == planes


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([f"A_z{z}_5um.tif" for z in range(6)] + ["A_z1_0um.tif"], "a position with '_' in it"),
        ([f"A_z{z}p5um.tif" for z in range(6)] + ["A_z1p0um.tif"], "a position with 'p' in it"),
        (
            [f"A_z{z:02d}.tif" for z in range(6)] + ["A_z3.tif"],
            r"A_z3\.tif: got a second name of the position that A_z03",
        ),
        ([f"A_z{z / 2000:.4f}mm.tif" for z in range(6)], "a position in mm"),
        ([f"A_z{z / 2:.1e}um.tif" for z in range(6)], "a position with a power of ten"),
        ([f"A_z1,{z:03d}.0um.tif" for z in range(6)], "a position with '.' in it"),
    ],
)
def test_names_that_mean_something_else(names: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        guess_pattern(names)


def test_positions_of_the_stage_with_numbers_in_folder_and_name(tmp_path: Path) -> None:
    for position, number in itertools.product(range(2), range(PLANES)):
        path = tmp_path / f"Pos{position}/img_channel000_position{position:03d}_z{number:03d}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.roll(GREY[number], 5 * position, axis=0))
    pattern = guess_pattern([path.relative_to(tmp_path).as_posix() for path in files_at(tmp_path)])
    assert pattern == "Pos{field}/img_channel000_position{any}_z{z_index}.tif"
    cells = {"slide": "S", "patient": "p", "sample": "T", "role": "train", "source": "planes", "path": "."}
    row = SlideRow.model_validate({**cells, "pixel_um": PIXEL_UM, "z_step_um": STEP_UM, "pattern": pattern})
    found = find_fields(row, tmp_path)
    assert [(field.name, len(field.z_um)) for field in found] == [("0", PLANES), ("1", PLANES)]
    assert np.array_equal(np.stack(list(found[1].planes()))[..., 0], np.roll(GREY, 5, axis=1))


def test_times_in_names_say_nothing() -> None:
    names = [f"scan_2024-01-02_{120000 + 7 * z}_z{z:02d}.tif" for z in range(8)]
    assert guess_pattern(names) == "scan_2024-01-02_{any}_z{z_index}.tif"


@pytest.mark.parametrize("copy", ["A_z03 (1).tif", "A_z03 - Copy.tif", "A_zm3.tif", "A_z minus 3.tif"])
def test_copies_and_signs_in_words_are_not_left_out(tmp_path: Path, copy: str) -> None:
    for name in [*(f"A_z{z:02d}.tif" for z in range(5)), copy]:
        tifffile.imwrite(tmp_path / name, GREY[0])
    cells = {"slide": "S", "patient": "p", "sample": "T", "role": "train", "source": "planes", "path": "."}
    row = SlideRow.model_validate({**cells, "pixel_um": 1, "z_step_um": 1, "pattern": "A_z{z_index}.tif"})
    with pytest.raises(UserError, match=r"5 planes whose names fit .* and 1 that look like planes"):
        find_fields(row, tmp_path)


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", "._A1.tif", ".DS_Store", "$RECYCLE.BIN"])
def test_what_operating_systems_put_there_is_hidden(name: str) -> None:
    assert is_hidden(name)


@pytest.mark.parametrize("names", [["r1c1", "r1c2"], ["A1f1", "A1f2"], ["xy1", "xy2"], ["m1", "m2"], ["10d", "11d"]])
def test_numbers_of_places_are_no_channels(names: list[str]) -> None:
    check_fields(names, "a")


def test_folders_may_be_patterns(tmp_path: Path) -> None:
    for name in ("a/1.tif", "b/2.tif", "@eaDir/3.tif", ".c/4.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in places_at(tmp_path / "*/*.tif")] == ["1.tif", "2.tif"]
    assert places_at(tmp_path / "none/*.tif") == []
