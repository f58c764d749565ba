"""What axes mean, how many bits are filled, and which files are really read: right, or one clear line."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from microscope_files import PIXEL_UM, PLANES, STEP_UM, stack, write_ome
from PIL import Image

from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.guess import guess_pattern
from tsva.readers.name_patterns import NamePattern, check_fields
from tsva.readers.registry import files_at
from tsva.readers.source import stored_images
from tsva.readers.stacks import as_stack, fields_of_stack
from tsva.settings.sheet import SlideRow

AGAIN = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = f'PhysicalSizeX="{PIXEL_UM}" PhysicalSizeY="{PIXEL_UM}" PhysicalSizeZ="{STEP_UM}"'
COLOUR, GREY = stack(3), stack()


def row(source: str, path: str, **cells: object) -> SlideRow:
    told = {"slide": "S", "patient": "p", "sample": "T", "role": "train", "pixel_um": PIXEL_UM}
    return SlideRow.model_validate({**told, "source": source, "path": path, **cells})


def all_planes(path: Path, bits: int | None = None) -> np.ndarray:
    (field,) = fields_of_stack(path, PIXEL_UM, STEP_UM, bits)
    return np.stack(list(field.planes()))


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("names", [("Red", "Green", "Blue"), ("R", "G", "B"), ("A_red", "A_green", "A_blue")])
def test_named_channels_are_sorted(tmp_path: Path, order: tuple[int, ...], names: tuple[str, ...]) -> None:
    pixels = np.moveaxis(COLOUR, -1, 0)[list(order)]
    path = write_ome(tmp_path / "a.ome.tif", pixels, SIZES, channels=tuple(names[i] for i in order))
    assert np.array_equal(all_planes(path), COLOUR)
    assert stored_images(path)[0].channels == ("red", "green", "blue")


@pytest.mark.parametrize("names", [("DAPI", "FITC", "Cy5"), ("Red", "Green", "Cy5"), ("Red", "Red", "Blue")])
def test_channels_that_are_no_colours_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = write_ome(tmp_path / "a.ome.tif", np.moveaxis(COLOUR, -1, 0), SIZES, channels=names)
    with pytest.raises(UserError, match=f"got channels {names[0]}, {names[1]}, {names[2]}; wanted grey, or red"):
        stored_images(path)


@pytest.mark.parametrize(
    "told",
    ['Fluor="DAPI"', 'EmissionWavelength="461"', 'ContrastMethod="Fluorescence"', 'Name="DAPI (blue)"', 'Name="TxRed"'],
)
def test_channels_with_dyes_are_no_colours(tmp_path: Path, told: str) -> None:
    """Even where false colours are named beside them."""
    header = tuple(f'<Channel ID="Channel:0:{i}" SamplesPerPixel="1" {told}/>' for i in range(3))
    path = write_ome(tmp_path / "a.ome.tif", np.moveaxis(COLOUR, -1, 0), SIZES, channels=header)
    with pytest.raises(UserError, match=r"got channels .*; wanted grey, or red"):
        stored_images(path)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_channels_without_names_are_sorted_by_their_colours(tmp_path: Path, order: tuple[int, ...]) -> None:
    numbers = ("-16776961", "16711935", "65535")
    header = tuple(f'<Channel ID="Channel:0:{i}" Name="Channel {i}" Color="{numbers[i]}"/>' for i in order)
    path = write_ome(tmp_path / "a.ome.tif", np.moveaxis(COLOUR, -1, 0)[list(order)], SIZES, channels=header)
    assert np.array_equal(all_planes(path), COLOUR)


@AGAIN
@given(planes=st.integers(5, 12), pictures=st.integers(2, 4), noise=st.floats(0.5, 1.5))
def test_several_pictures_of_each_plane_are_no_stack(planes: int, pictures: int, noise: float) -> None:
    rng = np.random.default_rng(planes)
    once = stack(planes=planes).astype(float)
    taken = np.repeat(once, pictures, axis=0) + rng.normal(0, noise, (planes * pictures, *once.shape[1:]))
    pages = np.clip(np.rint(taken), 0, 255).astype(np.uint8)
    names = [f"plane {i}" for i in range(len(pages))]
    with pytest.raises(UserError, match=f"{pictures} pictures of each plane|every .* is alike|same pixels twice"):
        list(as_stack(pages, names, "a.tif"))
    assert len(list(as_stack(pages[::pictures], names, "a.tif"))) == planes


@AGAIN
@given(channels=st.integers(2, 4), planes=st.integers(5, 12), by_channel=st.booleans())
def test_channels_between_planes_are_no_stack(channels: int, planes: int, by_channel: bool) -> None:
    pixels = stack(channels, planes)
    pages = (np.moveaxis(pixels, -1, 0) if by_channel else np.moveaxis(pixels, -1, 1)).reshape(-1, 48, 56, 1)
    names = [f"plane {i}" for i in range(len(pages))]
    with pytest.raises(UserError, match="channels or points of time are stored between planes"):
        list(as_stack(pages, names, "a.tif"))
    for channel in range(channels):
        alone = pixels[..., channel : channel + 1]
        assert np.array_equal(np.stack(list(as_stack(alone, names, "a.tif"))), alone)


@given(gains=st.lists(st.floats(0.9, 1.1), min_size=PLANES, max_size=PLANES))
def test_a_lamp_that_flickers_makes_no_period(gains: list[float]) -> None:
    """Brightness that differs by plane is told elsewhere."""
    planes = (GREY * np.array(gains)[:, None, None, None]).clip(0, 255).astype(np.uint8)
    assume(len({plane.tobytes() for plane in planes}) == PLANES)
    assert len(list(as_stack(planes, [str(i) for i in range(PLANES)], "a"))) == PLANES


def test_a_plane_stored_twice_is_refused() -> None:
    pages = [*GREY[:4], GREY[2], *GREY[4:]]
    with pytest.raises(UserError, match=r"same pixels twice \(p2 and p4\)"):
        list(as_stack(pages, [f"p{i}" for i in range(len(pages))], "a.tif"))


@pytest.mark.parametrize("camera", [9, 10, 12, 14, 16])
@pytest.mark.parametrize("told", [9, 10, 12, 14, 16])
def test_bits_are_checked_from_both_sides(tmp_path: Path, camera: int, told: int) -> None:
    pixels = (GREY[..., 0].astype(np.uint32) * ((1 << camera) - 1) // 255).astype(np.uint16)
    path = write_ome(tmp_path / "a.ome.tif", pixels, SIZES)
    if told < camera:
        with pytest.raises(UserError, match="a pixel of"):
            all_planes(path, told)
    elif told >= camera + 4:
        with pytest.raises(UserError, match=rf"{told} bits, of which pixels fill {camera} .* column bits"):
            all_planes(path, told)
    elif told == camera:
        assert np.abs(all_planes(path, told)[..., 0].astype(int) - GREY[..., 0]).max() <= 1


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_planes_of_16_bits(tmp_path: Path, ending: str) -> None:
    for number, plane in enumerate(GREY[..., 0]):
        pixels = plane.astype(np.uint16) * 16
        path = tmp_path / f"z{number}.{ending}"
        if ending == "tif":
            tifffile.imwrite(path, pixels)
        else:
            Image.fromarray(pixels).save(path)
    said = {"pattern": f"z{{z_index}}.{ending}", "z_step_um": STEP_UM}
    (field,) = find_fields(row("planes", ".", bits=12, **said), tmp_path)
    assert np.abs(np.stack(list(field.planes())).astype(int) - GREY).max() <= 1
    (field,) = find_fields(row("planes", ".", **said), tmp_path)
    with pytest.raises(UserError, match="column bits"):
        next(field.planes())
    (field,) = find_fields(row("planes", ".", bits=16, **said), tmp_path)
    with pytest.raises(UserError, match="16 bits, of which pixels fill 12"):
        list(field.planes())


def test_colours_by_codec(tmp_path: Path) -> None:
    """Aperio's JPEG 2000 of YCbCr, whatever the tag of the colour space says."""
    path = tmp_path / "a.tif"
    stored = [Image.fromarray(plane).convert("YCbCr") for plane in COLOUR]
    with tifffile.TiffWriter(path) as tif:
        for plane in stored:
            data = imagecodecs.jpeg2k_encode(np.asarray(plane), level=0, codecformat="j2k", mct=False)
            tif.write(
                iter([data]),
                shape=COLOUR.shape[1:],
                dtype=np.uint8,
                photometric="rgb",
                compression=33003,
                metadata=None,
            )
    wanted = np.stack([np.asarray(plane.convert("RGB")) for plane in stored])
    assert np.array_equal(all_planes(path), wanted)


SIGNS = {"-": ("-", "\u2212"), "+": ("+", "")}


@AGAIN
@given(data=st.data())
def test_names_of_planes_in_all_forms(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Signs, decimal commas, case and hidden files: all planes are found, in order, or a line says which don't fit."""
    folder = tmp_path_factory.mktemp("planes")
    comma, minus = data.draw(st.sampled_from(".,")), data.draw(st.sampled_from(SIGNS["-"]))
    for number, plane in enumerate(GREY[..., 0]):
        z = (number - 4) * STEP_UM
        sign = minus if z < 0 else data.draw(st.sampled_from(SIGNS["+"]))
        name = f"A1_z{sign}{abs(z):.1f}um".replace(".", comma)
        Image.fromarray(plane).save(folder / f"{data.draw(st.sampled_from([name, name.replace('z', 'Z')]))}.png")
    (folder / "._A1_z0.0um.png").write_bytes(b"\0\5\x16\7")
    pattern = guess_pattern([path.name for path in files_at(folder)])
    assert pattern is not None
    for text in (pattern, "A1_z{z}um.png"):
        (field,) = find_fields(row("planes", ".", pattern=text), folder)
        assert field.z_um == pytest.approx([(i - 4) * STEP_UM for i in range(PLANES)])
        assert np.array_equal(np.stack(list(field.planes())), GREY)


@pytest.mark.parametrize(
    "odd", ["A1_z4,5,0um.png", "A1_z 4.0um.png", "A1_z4.0um.PNG.png", "A1-z4.0um.png", "A1_z4.0um.tif"]
)
def test_what_looks_like_a_plane_and_does_not_fit_is_refused(tmp_path: Path, odd: str) -> None:
    for number in range(4):
        Image.fromarray(GREY[number, ..., 0]).save(tmp_path / f"A1_z{number}.0um.png")
    Image.fromarray(GREY[4, ..., 0]).save(tmp_path / odd)
    (tmp_path / "notes.txt").write_text("no plane")
    with pytest.raises(UserError, match=r"4 planes whose names fit .* and 1 that look like planes"):
        find_fields(row("planes", ".", pattern="A1_z{z}um.png"), tmp_path)


def test_what_is_left_alone_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(4):
        Image.fromarray(GREY[number, ..., 0]).save(tmp_path / f"z{number}.png")
        Image.fromarray(GREY[number, ..., 0]).save(tmp_path / f"z{number}.jpg")  # a preview of each plane
    Image.fromarray(GREY[0, ..., 0]).save(tmp_path / "overview.png")
    find_fields(row("planes", ".", pattern="z{z}.png"), tmp_path)
    assert "4 images taken, 1 left (overview.png)" in caplog.text


def test_fields_with_fewer_planes_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in [*(f"f1_z{i}" for i in range(5)), *(f"f2_z{i}" for i in range(3))]:
        Image.fromarray(GREY[int(name[-1]), ..., 0]).save(tmp_path / f"{name}.png")
    find_fields(row("planes", ".", pattern="{field}_z{z}.png"), tmp_path)
    assert "fields of 5 planes, but f2 has 3" in caplog.text


@given(word=st.sampled_from(["ch", "C", "w", "channel", "c="]), separator=st.sampled_from("_- ."), before=st.booleans())
def test_numbers_of_channels_are_no_fields(word: str, separator: str, before: bool) -> None:
    names = [
        (f"A1{separator}{word}{c}_z{z}.tif" if before else f"A1_z{z}{separator}{word}{c}.tif")
        for c in range(3)
        for z in range(4)
    ]
    with pytest.raises(UserError, match="channels in files of their own"):
        guess_pattern(names)
    with pytest.raises(UserError, match="differ in the number of a channel"):
        check_fields({f"A1{separator}{word}{c}" for c in range(3)}, "a")


@pytest.mark.parametrize("fields", [{"r1_c1", "r1_c2"}, {"C01", "C02"}, {"A1_s1", "A1_s2"}, {"row1 col1", "row1 col2"}])
def test_tiles_wells_and_sites_are_fields(fields: set[str]) -> None:
    check_fields(fields, "a")


def test_fields_that_differ_in_case_alone_are_refused() -> None:
    with pytest.raises(UserError, match="A1 and a1, which differ in upper and lower case alone"):
        check_fields({"A1", "a1"}, "a")


@pytest.mark.parametrize("root", ["", ' UUID="urn:uuid:00000000-0000-0000-0000-000000000008"'])
def test_a_renamed_file_is_read_from_itself(tmp_path: Path, root: str) -> None:
    """Another file has its former name now."""
    uuid = "urn:uuid:00000000-0000-0000-0000-00000000000%d"
    tiff_data = f'<TiffData IFD="0" PlaneCount="{PLANES}"><UUID FileName="A.ome.tif">{uuid}</UUID></TiffData>'
    other = 255 - GREY[..., 0]
    write_ome(tmp_path / "A.ome.tif", other, SIZES, tiff_data % 7)
    path = write_ome(tmp_path / "B.ome.tif", GREY[..., 0], SIZES + root, tiff_data % 8)
    assert np.array_equal(all_planes(path), GREY)
    assert np.array_equal(all_planes(tmp_path / "A.ome.tif")[..., 0], other)


@pytest.mark.parametrize("ending", ["ome.btf", "ome.tf8", "ome.tf2", "TIF", "lsm.tiff", "Tiff"])
def test_endings_of_stacks_in_a_folder(tmp_path: Path, ending: str) -> None:
    write_ome(tmp_path / f"F.{ending}", GREY[..., 0], SIZES)
    write_ome(tmp_path / "G.tif", GREY[..., 0], SIZES)
    (tmp_path / ".G.tif").write_bytes(b"hidden")
    assert [field.name for field in find_fields(row("stack", "."), tmp_path)] == ["F", "G"]
    write_ome(tmp_path / "H.tif.bak", GREY[..., 0], SIZES)
    with pytest.raises(UserError, match=r"2 z-stacks, and 1 files that look like some by their content \(H.tif.bak\)"):
        find_fields(row("stack", "."), tmp_path)


def test_links_are_followed_and_lead_round_in_no_circle(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "slide").mkdir()
    write_ome(tmp_path / "real/a.tif", GREY[..., 0], SIZES)
    (tmp_path / "slide/day1").symlink_to(tmp_path / "real")
    (tmp_path / "real/up").symlink_to(tmp_path / "slide")
    assert [path.relative_to(tmp_path).as_posix() for path in files_at(tmp_path / "slide")] == ["slide/day1/a.tif"]


def test_a_pattern_may_be_written_in_any_case() -> None:
    said = NamePattern("{field}_Z{z}UM.TIF", None, "sheet").match("a_z\u22120,5um.tif")
    assert said is not None
    assert (said.field, said.z_um) == ("a", -0.5)


def test_stacks_in_subfolders_keep_their_names_apart(tmp_path: Path) -> None:
    for number, place in enumerate(("Pos0", "Pos1")):
        (tmp_path / place).mkdir()
        write_ome(tmp_path / place / "img.ome.tif", np.roll(GREY[..., 0], number, axis=1), SIZES)
    write_ome(tmp_path / "alone.ome.tif", GREY[..., 0], SIZES)
    names = [field.name for field in find_fields(row("stack", "."), tmp_path)]
    assert sorted(names) == ["Pos0_img", "Pos1_img", "alone"]
    names = [field.name for field in find_fields(row("stack", "*/img.ome.tif"), tmp_path)]
    assert names == ["Pos0_img", "Pos1_img"]
