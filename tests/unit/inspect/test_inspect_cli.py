"""tsva inspect on files of each kind."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from click.testing import CliRunner, Result
from PIL import Image
from scipy.ndimage import gaussian_filter

from tsva.acquisition.stack import Stack
from tsva.cli.inspect import UNFIT, command
from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.stack_file import write_stack
from tsva.settings.sheet import parse_sheet

RNG = np.random.default_rng(4)
TISSUE = RNG.integers(40, 220, (256, 256)).astype(float)


def planes(z_um: np.ndarray, focus_um: float = 0.0) -> np.ndarray:
    """A texture that blurs with the distance from focus, under a camera's noise."""
    out = []
    for z in z_um:
        blurred = gaussian_filter(TISSUE, 0.6 + 0.8 * abs(z - focus_um))
        out.append(np.clip(blurred + RNG.normal(0, 1, blurred.shape), 0, 255).astype(np.uint8))
    return np.repeat(np.array(out)[..., None], 3, axis=3)


GRID = np.arange(-5, 5.1, 0.5)
GOOD = planes(GRID)


def run(*arguments: object, **environment: str) -> str:
    result: Result = CliRunner(env=environment).invoke(command, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, UNFIT)
    assert "fit for training: no" not in result.output or result.exit_code == UNFIT or "(amber)" in result.output
    return result.output


def row_of(text: str) -> dict[str, str]:
    header, row = text.splitlines()[-2:]
    return dict(zip(header.split("\t"), row.split("\t"), strict=True))


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    write_stack(tmp_path / "A1.ome.tif", Stack(GOOD, GRID, 0.345))
    return tmp_path / "A1.ome.tif"


def test_a_good_stack(stack: Path, tmp_path: Path) -> None:
    text = run(stack, "--sheet-folder", tmp_path)
    for part in (
        "OME-TIFF, 21 planes, not compressed",
        "256 × 256 pixels",
        "RGB, 8 bits",
        "pixel size  0.345 µm",
        "21 planes, z from -5 to 5 µm, 0.5 µm apart",
        "focus: ok, in focus at 0 µm; usable patches: 1",
        "fit for training: yes",
    ):
        assert part in text
    assert "█" in text and "▲" in text
    cells = row_of(text)
    assert (cells["role"], cells["source"], cells["path"], cells["pixel_um"]) == ("train", "stack", "A1.ome.tif", "")


def test_the_row_alone_is_a_sheet_that_the_workflow_takes(stack: Path, tmp_path: Path) -> None:
    text = run(stack, "--row", "--sheet-folder", tmp_path)
    (row,) = parse_sheet(text, "slides.tsv").values()
    assert [field.z_um for field in find_fields(row, tmp_path)] == [tuple(GRID)]


def small(folder: Path) -> Path:
    """z from -2 to 2, and offsets reach 3.5 to either side."""
    write_stack(folder / "s.ome.tif", Stack(GOOD[6:15], GRID[6:15], 0.345))
    return folder / "s.ome.tif"


def at_the_edge(folder: Path) -> Path:
    write_stack(folder / "s.ome.tif", Stack(planes(GRID, -5.5), GRID, 0.345))
    return folder / "s.ome.tif"


def blank(folder: Path) -> Path:
    glass = np.clip(RNG.normal(230, 1.5, (len(GRID), 256, 256, 3)), 0, 255).astype(np.uint8)
    write_stack(folder / "s.ome.tif", Stack(glass, GRID, 0.345))
    return folder / "s.ome.tif"


def irregular(folder: Path) -> Path:
    z_um = np.delete(GRID, [1, 4])
    z_um[3] += 0.2
    write_stack(folder / "s.ome.tif", Stack(planes(z_um), z_um, 0.345))
    return folder / "s.ome.tif"


def gap(folder: Path) -> Path:
    write_stack(folder / "s.ome.tif", Stack(np.delete(GOOD, 4, axis=0), np.delete(GRID, 4), 0.345))
    return folder / "s.ome.tif"


def other_step(folder: Path) -> Path:
    write_stack(folder / "s.ome.tif", Stack(GOOD[::2], GRID[::2], 0.345))
    return folder / "s.ome.tif"


def no_pixel_size(folder: Path) -> Path:
    tifffile.imwrite(folder / "s.ome.tif", GOOD[..., 0], metadata={"axes": "ZYX", "PhysicalSizeZ": 0.5})
    return folder / "s.ome.tif"


def no_z(folder: Path) -> Path:
    tifffile.imwrite(folder / "s.tif", GOOD, photometric="rgb", resolution=(1e4 / 0.345, 1e4 / 0.345), resolutionunit=3)
    return folder / "s.tif"


def tiny(folder: Path) -> Path:
    write_stack(folder / "s.ome.tif", Stack(GOOD[:, :160, :160], GRID, 0.345))
    return folder / "s.ome.tif"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (small, "too few planes about the in-focus plane: 4 below and 4 above, offsets to ±3 µm need 7 on either side"),
        (at_the_edge, "edge: sharpest in the stack's first plane"),
        (blank, "blank: even its best patch has tissue on"),
        (irregular, "irregular z: planes are 0.3 to 1.2 µm apart"),
        (gap, "1 missing plane between z = -3.5 µm (plane 4) and -2.5 µm (plane 5)"),
        (other_step, "planes 1 µm apart; wanted planes 0.5 µm apart (acquisition.z_step_um)"),
        (no_pixel_size, "no pixel size in the file; put it in place of PIXEL_UM (judged here as if it were 0.345 µm)"),
        (no_z, "no z positions in the file; put it in place of Z_STEP_UM (judged here as if it were 0.5 µm)"),
        (tiny, "smaller than one patch of 224×224 pixels"),
    ],
)
def test_why_a_stack_is_not_fit(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    text = run(make(tmp_path))
    assert "fit for training: no" in text
    assert says in text
    assert row_of(text)["role"] == "refocus"


def test_a_row_that_lacks_a_number_is_not_taken(tmp_path: Path) -> None:
    text = run(no_pixel_size(tmp_path), "--row")
    with pytest.raises(UserError, match="column pixel_um: got 'PIXEL_UM'"):
        parse_sheet(text, "slides.tsv")
    assert "fit for training: yes" in run(no_pixel_size(tmp_path), "--pixel-um", 0.345)


def test_settings_decide_what_it_is_fit_for(tmp_path: Path) -> None:
    (tmp_path / "near.yaml").write_text(yaml.safe_dump({"acquisition": {"offset_max_um": 1.5}}))
    assert "fit for training: yes" in run(small(tmp_path), "--configfile", tmp_path / "near.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two fields of planes, the second of which is blank."""
    (tmp_path / "B 1").mkdir()
    glass = np.clip(RNG.normal(230, 1.5, (256, 256, 3)), 0, 255).astype(np.uint8)
    for z, plane in zip(GRID, GOOD, strict=True):
        Image.fromarray(plane).save(tmp_path / f"B 1/B1_f1_z{z:+.1f}um.png")
        Image.fromarray(np.roll(glass, int(2 * z) * 7, axis=0)).save(tmp_path / f"B 1/B1_f2_z{z:+.1f}um.png")
    return tmp_path / "B 1"


def test_a_folder_of_planes_without_a_pattern(folder: Path, tmp_path: Path) -> None:
    text = run(folder, "--pixel-um", 0.345, "--sheet-folder", tmp_path, "--png", tmp_path / "p.png")
    assert "42 images, one a plane" in text
    assert "fit for training: yes" in text
    assert "  - 2 is left out: blank: even its best patch" in text
    cells = row_of(text)
    assert (cells["slide"], cells["path"], cells["pattern"]) == ("B_1", "B 1", "B1_f{field}_z{z}um.png")
    assert len(find_fields(next(iter(parse_sheet("\n".join(text.splitlines()[-2:]), "s").values())), tmp_path)) == 2
    with Image.open(tmp_path / "p.png") as picture:
        picture.load()
        assert picture.width > 1000
        assert np.asarray(picture.convert("L")).std() > 20, "something is drawn"


def test_names_that_do_not_tell_z(tmp_path: Path) -> None:
    for name in ("r1_c1.png", "r1_c2.png", "r2_c1.png"):
        Image.fromarray(GOOD[0]).save(tmp_path / name)
    with pytest.raises(UserError, match=r"don't show which number is z.*Give --pattern"):
        run(tmp_path)


def test_a_sharp_image(tmp_path: Path) -> None:
    picture = np.repeat(TISSUE[..., None], 3, axis=2).astype(np.uint8)
    Image.fromarray(np.tile(picture, (2, 2, 1))).save(tmp_path / "c.png")
    text = run(tmp_path / "c.png", "--pixel-um", 0.345)
    assert "1: sharp, defocus would be simulated on it" in text
    assert "fit for training: yes" in text
    assert row_of(text)["pixel_um"] == "0.345"
    text = run(tmp_path / "c.png")
    assert "fit for training: no" in text and row_of(text)["pixel_um"] == "PIXEL_UM"
    text = run(tmp_path / "c.png", "--pixel-um", 0.2)
    assert "fit for training: no" in text and "wanted at least 773×773, one field of 448×448" in text


def test_what_an_ome_header_tells_of_the_objective(tmp_path: Path) -> None:
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Instrument ID="Instrument:0">'
        '<Objective ID="Objective:0" NominalMagnification="20.0" LensNA="0.75" Immersion="Air"/></Instrument>'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="256" SizeY="256" '
        'SizeC="1" SizeZ="21" SizeT="1" PhysicalSizeX="0.345" PhysicalSizeZ="0.5"><Channel ID="Channel:0:0" '
        'SamplesPerPixel="1"/><TiffData/></Pixels></Image></OME>'
    )
    with tifffile.TiffWriter(tmp_path / "s.ome.tif") as tif:
        tif.write(GOOD[..., 0], description=xml, metadata=None, contiguous=True)
    text = run(tmp_path / "s.ome.tif")
    assert "objective   20× NA 0.75 Air" in text
    assert "grey, 8 bits" in text


def test_an_ome_zarr_folder(tmp_path: Path) -> None:
    zipfile.ZipFile(Path(__file__).parents[2] / "golden/ome-zarr-0.5.zip").extractall(tmp_path)
    text = run(tmp_path / "stack.zarr", "--sheet-folder", tmp_path)
    for part in ("OME-Zarr 0.5, 5 planes", "64 × 48 pixels", "RGB, 8 bits", "z from 0 to 2 µm, 0.5 µm apart"):
        assert part in text
    cells = row_of(text)
    assert (cells["source"], cells["path"]) == ("stack", "stack.zarr")


def test_the_layout_of_jiang_2018(tmp_path: Path) -> None:
    for nm in range(-10_350, 10_151, 500):
        place = tmp_path / "train/s3_l1"
        place.mkdir(parents=True, exist_ok=True)
        plane = planes(np.array([nm / 1000]))[0]
        Image.fromarray(plane[:224, :224]).save(place / f"Seg1_defocus{nm}.jpg", quality=95)
    text = run(tmp_path / "train")
    assert "layout of Jiang et al. 2018" in text
    assert "42 planes, z from -10.35 to 10.15 µm, 0.5 µm apart" in text
    assert "fit for training: yes" in text


def test_terminals_that_know_ascii_alone(stack: Path) -> None:
    result = CliRunner(charset="ascii").invoke(command, [str(stack)], env={"COLUMNS": "100"})
    assert result.exception is None
    assert result.output.isascii()
    assert "###" in result.output and "0.345 um" in result.output


@pytest.mark.parametrize("columns", ["40", "200"])
def test_lines_of_the_curve_fit_the_terminal(stack: Path, columns: str) -> None:
    lines = run(stack, COLUMNS=columns).splitlines()
    drawn = [line for line in lines if " |" in line]
    assert len(drawn) == 8
    assert max(map(len, drawn)) <= int(columns)


@pytest.mark.parametrize(
    ("path", "arguments", "says"),
    [
        ("nothing", [], "got nothing there"),
        ("A1.ome.tif", ["--pattern", "{z}.tif"], "got a file, and the pattern"),
        ("empty", [], "a folder without TIFF, PNG or JPEG files"),
        ("other.txt", [], r"other\.txt: got"),
    ],
)
@pytest.mark.usefixtures("stack")
def test_bad_input(tmp_path: Path, path: str, arguments: list[str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.txt").write_text("no image")
    with pytest.raises(UserError, match=says):
        run(tmp_path / path, *arguments)


def test_depths_and_axes_that_are_not_taken_are_told_after_what_it_is(tmp_path: Path) -> None:
    deep = GOOD[..., 0].astype(np.uint16) * 200
    calibrated = {"axes": "ZYX", "PhysicalSizeX": 0.345, "PhysicalSizeZ": 0.5}
    tifffile.imwrite(tmp_path / "deep.ome.tif", deep, metadata=calibrated)
    text = run(tmp_path / "deep.ome.tif")
    assert "grey, 16 bits" in text
    assert "fit for training: no" in text and "deep: 16 bits per channel (uint16) up to " in text
    assert "column bits" in text
    Image.fromarray(deep[0]).save(tmp_path / "deep.png")
    with pytest.raises(UserError, match="got 16 bits per channel"):
        run(tmp_path / "deep.png")
    tifffile.imwrite(tmp_path / "time.ome.tif", GOOD[:4, ..., 0].reshape(2, 2, 256, 256), metadata={"axes": "TZYX"})
    with pytest.raises(UserError, match="axes TZYX of sizes 2×2×256×256"):
        run(tmp_path / "time.ome.tif")


def test_real_files(shared: Path, tmp_path: Path) -> None:
    text = run(shared / "data/zstack", "--png", tmp_path / "z.png")
    assert "in focus at 0 µm" in text
    assert "irregular z: planes are 0.085 to 23.4515 µm apart" in text
    text = run(shared / "data/he/CMU-1-Small-Region.svs")
    assert "whole slide (aperio)" in text and "objective   20×" in text and "pixel size  0.499 µm" in text
    text = run(shared / "data/he/OS-1-detail.ome.tif")
    assert "OME-TIFF, jpeg" in text and "pixel size  0.2271 µm" in text and "fit for training: yes" in text
    assert "no pixel size in the file" in run(shared / "data/he/low-nuclei.png")


def test_facts_as_json(stack: Path) -> None:
    found = json.loads(run(stack, "--json"))
    assert (found["light"], found["fit_for_training"], found["reasons"]) == ("green", True, [])
    (field,) = found["fields"]
    assert (field["z_um"], field["z_source"], field["z_absolute"]) == (GRID.tolist(), "PositionZ", True)
    assert (field["pixel_um"], field["pixel_source"], field["focus_z_um"]) == (0.345, "OME PhysicalSize", 0)


def test_a_stack_stored_from_the_top_is_reported(tmp_path: Path) -> None:
    falling = {"axes": "ZYX", "PhysicalSizeX": 0.345, "PhysicalSizeY": 0.345}
    falling |= {"Plane": {"PositionZ": GRID[::-1].tolist(), "PositionZUnit": ["µm"] * len(GRID)}}
    tifffile.imwrite(tmp_path / "A.ome.tif", GOOD[::-1, ..., 0], metadata=falling)
    text = run(tmp_path / "A.ome.tif")
    assert "fit for training: yes (amber)" in text
    assert "planes are stored from the highest to the lowest, and read the other way round" in text


def test_what_is_said_fits_what_is_there(tmp_path: Path) -> None:
    """Nothing is said of the planes of a file that is refused."""
    z_um = np.concatenate((GRID[:10], GRID[10:] + 0.7))
    write_stack(tmp_path / "s.ome.tif", Stack(GOOD, z_um, 6.9))
    text = run(tmp_path / "s.ome.tif")
    assert "fit for training: no (red)" in text
    assert "20 times the size of optics.pixel_um" in text
    assert "as role refocus needs them" not in text


def test_pixels_that_are_not_square_are_reported(tmp_path: Path) -> None:
    told = {"axes": "ZYX", "PhysicalSizeX": 0.345, "PhysicalSizeY": 0.69, "PhysicalSizeZ": 0.5}
    tifffile.imwrite(tmp_path / "s.ome.tif", GOOD[..., 0], metadata=told)
    assert "pixels of 0.345 by 0.69 µm (OME PhysicalSize), not square; put it in place of" in run(
        tmp_path / "s.ome.tif"
    )


def test_a_whole_sheet(stack: Path, tmp_path: Path) -> None:
    lines = [
        "Slide\tpatient\tsample\trole\tsource\tpath\t\t",
        "A\tp\tT\ttrain\tstack\tA1.ome.tif\t\t",
        "B\tq\tT\ttrain\tstack\tgone.tif\t\t",
    ]
    (tmp_path / "slides.tsv").write_text("\n".join(lines[:2]) + "\n")
    assert run(tmp_path / "slides.tsv") == "green A (1 fields)\n"
    (tmp_path / "slides.tsv").write_text("\r\n".join(lines) + "\r\n")
    text = run(tmp_path / "slides.tsv")
    assert "green A (1 fields)\nred   B (0 fields)\n" in text
    assert "gone.tif, where nothing is" in text
    result = CliRunner().invoke(command, [str(tmp_path / "slides.tsv"), "--json"])
    assert result.exit_code == UNFIT
    assert [slide["light"] for slide in json.loads(result.output)["slides"]] == ["green", "red"]
    assert stack.is_file()


@pytest.mark.parametrize(
    ("um", "lens", "says"),
    [(1.0, "", "2.9 times the size of optics.pixel_um"), (6.9, "20", "with an objective of 20×, the camera's own")],
)
def test_a_sharp_image_whose_size_is_not_believed(tmp_path: Path, um: float, lens: str, says: str) -> None:
    """As the run would judge it: on the sheet's word alone an image is enlarged by much."""
    objective = f'<Objective ID="Objective:0" NominalMagnification="{lens}"/>' if lens else ""
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Instrument ID="Instrument:0">'
        f'{objective}</Instrument><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8"'
        f' SizeX="512" SizeY="512" SizeC="1" SizeZ="1" SizeT="1" PhysicalSizeX="{um}" PhysicalSizeY="{um}"><Channel'
        ' ID="Channel:0:0" SamplesPerPixel="1"/><TiffData/></Pixels></Image></OME>'
    )
    picture = np.tile(TISSUE, (2, 2)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "s.ome.tif", picture, description=xml, metadata=None)
    text = run(tmp_path / "s.ome.tif")
    assert "fit for training: no (red)" in text and says in text


def test_a_sheet_that_names_an_image_twice(stack: Path, tmp_path: Path) -> None:
    """Each slide is still reported."""
    lines = ["slide\tpatient\tsample\trole\tsource\tpath", "A\tp\tT\ttrain\tstack\tA1.ome.tif"]
    lines.append("B\tq\tT\tdataset1\tstack\tA1.ome.tif")
    (tmp_path / "slides.tsv").write_text("\n".join(lines) + "\n", encoding="utf-16")
    text = run(tmp_path / "slides.tsv", "--fields", 1)
    assert "green A (1 fields)" in text and "green B (1 fields)" in text
    assert "red   the sheet" in text and "of slide B, and the same file" in text
    assert stack.is_file()
