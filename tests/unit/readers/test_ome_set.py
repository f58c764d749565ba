"""Images in several files, by whichever of them: Bio-Formats' sets (tests/golden/bioformats.py)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tsva.cli.inspect import command
from tsva.errors import UserError
from tsva.readers import ome
from tsva.readers.fields import find_fields
from tsva.readers.source import stored_images
from tsva.readers.tiff_stacks import files_of_set
from tsva.settings.sheet import SlideRow, parse_sheet

GOLDEN = Path(__file__).parents[2] / "golden"
PLANES = {f"plane_z{z}.ome.tif" for z in range(5)}
COMPANION = "stack.companion.ome"
SETS = {"bioformats-set": PLANES, "bioformats-companion": {*PLANES, COMPANION}}


@pytest.fixture(params=SETS)
def unpacked(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, set[str]]:
    """Folder with a set, and the names in it."""
    shutil.unpack_archive(GOLDEN / f"{request.param}.zip", tmp_path / "set")
    return tmp_path / "set", SETS[request.param]


def row(path: str) -> SlideRow:
    return SlideRow(slide="a", patient="a", sample="a", role="refocus", source="stack", path=path)


def test_each_file_knows_all_of_them(unpacked: tuple[Path, set[str]]) -> None:
    folder, names = unpacked
    assert {path.name for path in folder.iterdir()} == names
    assert all(files_of_set(path) == names for path in folder.iterdir())


def test_files_that_hold_all_of_their_image_are_no_set() -> None:
    assert files_of_set(GOLDEN / "bioformats-pyramid.ome.tif") == set()
    assert files_of_set(GOLDEN / "bioformats-set.zip") == set()


def test_a_header_of_its_own_leads_to_its_images(tmp_path: Path) -> None:
    shutil.unpack_archive(GOLDEN / "bioformats-companion.zip", tmp_path)
    (image,), (of_plane,) = stored_images(tmp_path / COMPANION), stored_images(tmp_path / "plane_z0.ome.tif")
    assert (image.planes, image.z_um, image.objective) == (of_plane.planes, of_plane.z_um, of_plane.objective)
    with image.open() as one, of_plane.open() as other:
        assert (one.read(3, 5, 7, 20, 30) == other.read(3, 5, 7, 20, 30)).all()


@pytest.mark.parametrize("path", ["set", "set/plane_z*", "set/*"])
def test_a_row_that_names_all_files_is_one_field(unpacked: tuple[Path, set[str]], path: str) -> None:
    folder, names = unpacked
    if path == "set/plane_z*" and COMPANION in names:
        with pytest.raises(UserError, match=rf"without {re.escape(COMPANION)}, of one z-stack in 6 files"):
            find_fields(row(path), folder.parent)
    else:
        assert len(find_fields(row(path), folder.parent)) == 1


def test_a_row_that_names_some_of_the_files_is_refused(unpacked: tuple[Path, set[str]]) -> None:
    folder, names = unpacked
    for name in names:
        with pytest.raises(UserError, match="only files that the sheet names are watched for changes"):
            find_fields(row(f"set/{name}"), folder.parent)


def test_inspect_writes_a_row_that_names_all_files(unpacked: tuple[Path, set[str]]) -> None:
    folder, names = unpacked
    for name in sorted(names):
        options = [str(folder / name), "--row", "--sheet-folder", str(folder.parent)]
        found = CliRunner().invoke(command, options, catch_exceptions=False)
        (made,) = parse_sheet(found.output, "sheet").values()
        assert made.path == ("set" if COMPANION in names else "set/plane_z*")
        assert len(find_fields(made, folder.parent)) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((b"plane_z0.ome.tif", b"other.ome.tif"), r"image 'other\.ome\.tif' is no TIFF file next to it"),
        ((b"plane_z0.ome.tif", b"stack.companion.ome"), r"image 'stack\.companion\.ome' is no TIFF file"),
        ((b'FileName="plane_z0', b'FileName="../plane_z0'), r"a file of another folder, '\.\./plane_z0"),
        ((b"FileName", b"Name"), "names no image"),
        ((b"</OME>", b""), "OME header is damaged"),
    ],
)
def test_a_header_of_its_own_that_is_wrong_is_reported(tmp_path: Path, change: tuple[bytes, bytes], says: str) -> None:
    shutil.unpack_archive(GOLDEN / "bioformats-companion.zip", tmp_path)
    companion = tmp_path / COMPANION
    text = companion.read_bytes()
    assert change[0] in text
    companion.write_bytes(text.replace(*change))
    with pytest.raises(UserError, match=says):
        stored_images(companion)


@pytest.mark.parametrize("start", ["", "\ufeff<?xml version='1.0'?>\n<!-- a remark -->\n"])
def test_how_a_header_of_its_own_may_begin(tmp_path: Path, start: str) -> None:
    shutil.unpack_archive(GOLDEN / "bioformats-companion.zip", tmp_path)
    companion = tmp_path / COMPANION
    text = companion.read_text()
    companion.write_text(start + text[text.index("<OME") :], encoding="utf-8")
    assert stored_images(companion)[0].planes == 5


def test_other_xml_is_no_header(tmp_path: Path) -> None:
    (tmp_path / "page.xml").write_text("<SOME>thing</SOME>")
    with pytest.raises(UserError, match="a file of no kind known here"):
        stored_images(tmp_path / "page.xml")


def test_a_header_larger_than_any_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.unpack_archive(GOLDEN / "bioformats-companion.zip", tmp_path)
    monkeypatch.setattr(ome, "MOST_TEXT", 1000)
    with pytest.raises(UserError, match=r"stack\.companion\.ome has 2541 bytes, an OME header at most 1000"):
        stored_images(tmp_path / COMPANION)


def test_images_with_a_header_of_their_own_are_not_read_through_another(tmp_path: Path) -> None:
    shutil.unpack_archive(GOLDEN / "bioformats-companion.zip", tmp_path)
    text = (tmp_path / COMPANION).read_bytes()
    shutil.unpack_archive(GOLDEN / "bioformats-set.zip", tmp_path)
    (tmp_path / COMPANION).write_bytes(text)
    with pytest.raises(UserError, match=r"images that have one of their own \(plane_z0\.ome\.tif\)"):
        stored_images(tmp_path / COMPANION)
