"""OME-TIFF and DICOM that Bio-Formats wrote: see tests/golden/bioformats.py."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.source import FieldSource, stored_images
from tsva.readers.stacks import fields_of_stack
from tsva.readers.stored import Objective
from tsva.settings.sheet import SlideRow

GOLDEN = Path(__file__).parents[2] / "golden"
sys.path.insert(0, str(GOLDEN))
from pattern import pattern, pattern_12_bits  # noqa: E402

STACK = pattern(5, 48, 64)
Z_UM = (-1, -0.5, 0, 0.5, 1)
RGB = ("red", "green", "blue")
SETS = ("bioformats-set", "bioformats-companion")
OBJECTIVE = Objective(0.75, 20)


def _is_the_stack(field: FieldSource) -> bool:
    """Whether pixels, regions and all that the source's header said are right."""
    assert (field.pixel_um, field.z_um, field.channels, field.objective) == (0.345, Z_UM, RGB, OBJECTIVE)
    assert np.array_equal(field.region(3, 5, 7, 20, 30), STACK[3, 5:25, 7:37])
    return np.array_equal(np.stack(list(field.planes())), STACK)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("plane", [0, 3])
def test_any_file_of_a_set_leads_to_the_others(tmp_path: Path, name: str, plane: int) -> None:
    shutil.unpack_archive(GOLDEN / f"{name}.zip", tmp_path)
    (image,) = stored_images(tmp_path / f"plane_z{plane}.ome.tif")
    assert (image.format, image.planes, image.depth) == ("OME-TIFF", 5, 8)
    (field,) = fields_of_stack(tmp_path / f"plane_z{plane}.ome.tif", None, None)
    assert _is_the_stack(field)


@pytest.mark.parametrize("name", SETS)
def test_a_folder_with_a_set_is_one_field(tmp_path: Path, name: str) -> None:
    shutil.unpack_archive(GOLDEN / f"{name}.zip", tmp_path / "set")
    row = SlideRow(slide="a", patient="a", sample="a", role="refocus", source="stack", path="set")
    (field,) = find_fields(row, tmp_path)
    assert _is_the_stack(field)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("missing", ["plane_z0.ome.tif", "plane_z4.ome.tif"])
def test_a_missing_file_of_a_set_is_named(tmp_path: Path, name: str, missing: str) -> None:
    shutil.unpack_archive(GOLDEN / f"{name}.zip", tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(UserError, match=f"in 5 files, of which {missing} is missing"):
        stored_images(tmp_path / "plane_z2.ome.tif")


def test_a_missing_companion_is_named(tmp_path: Path) -> None:
    shutil.unpack_archive(GOLDEN / "bioformats-companion.zip", tmp_path)
    (tmp_path / "stack.companion.ome").unlink()
    with pytest.raises(UserError, match=r"OME header is in stack\.companion\.ome, which is missing"):
        stored_images(tmp_path / "plane_z2.ome.tif")


@pytest.mark.parametrize("text", [b"<OME>", b"\xff\xfe", b"II*\0"])
def test_a_damaged_companion_is_reported(tmp_path: Path, text: bytes) -> None:
    shutil.unpack_archive(GOLDEN / "bioformats-companion.zip", tmp_path)
    (tmp_path / "stack.companion.ome").write_bytes(text)
    with pytest.raises(UserError, match=r"plane_z2\.ome\.tif: got a file that can't be read to its end"):
        stored_images(tmp_path / "plane_z2.ome.tif")


def test_files_may_be_renamed(tmp_path: Path) -> None:
    """Bio-Formats writes a file's name into its own header; a set's first file is known by its number there."""
    shutil.copy(GOLDEN / "bioformats-pyramid.ome.tif", tmp_path / "other.tif")
    (field,) = fields_of_stack(tmp_path / "other.tif", None, None)
    assert _is_the_stack(field)
    shutil.unpack_archive(GOLDEN / "bioformats-set.zip", tmp_path)
    (tmp_path / "plane_z0.ome.tif").rename(tmp_path / "a.ome.tif")
    (field,) = fields_of_stack(tmp_path / "a.ome.tif", None, None)
    assert _is_the_stack(field)


def test_pyramid_in_sub_ifds() -> None:
    """Channels are planes of their own, each in tiles."""
    path = GOLDEN / "bioformats-pyramid.ome.tif"
    with tifffile.TiffFile(path) as tif:
        assert [level.shape for level in tif.series[0].levels] == [(5, 3, 48, 64), (5, 3, 24, 32)]
    (field,) = fields_of_stack(path, None, None)
    assert _is_the_stack(field)


def test_twelve_bits_with_the_larger_byte_first() -> None:
    path = GOLDEN / "bioformats-12-bits.ome.tif"
    assert path.read_bytes().startswith(b"MM")
    (image,) = stored_images(path)
    assert (image.planes, image.channels, image.depth, image.bits) == (5, ("transmitted",), 16, 12)
    assert (image.pixel_um, image.z_um, image.objective) == (0.345, Z_UM, OBJECTIVE)
    stored = pattern_12_bits(5, 48, 64)
    with image.open() as reader:
        for z, plane in enumerate(stored):
            read = reader.read(z, 0, 0, 48, 64)
            assert read.dtype == np.uint16
            assert np.array_equal(read[..., 0], plane)
        assert np.array_equal(reader.read(4, 9, 17, 30, 40)[..., 0], stored[4, 9:39, 17:57])


def test_dicom_whose_positions_contradict_its_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bio-Formats numbers the planes where their positions belong, and calls what has no pyramid an overview."""
    shutil.unpack_archive(GOLDEN / "bioformats-dicom.zip", tmp_path)
    path = tmp_path / "stack.dcm"
    (image,) = stored_images(path)
    assert (image.format, image.planes, image.channels, image.bits) == ("DICOM", 5, RGB, 8)
    assert (image.pixel_um, image.z_um) == (0.345, None)
    assert (
        "1 µm apart by their ZOffsetInSlideCoordinateSystem, and 0.5 µm by the SpacingBetweenSlices: neither is"
        in caplog.text
    )
    with pytest.raises(UserError, match="column z_step_um"):
        fields_of_stack(path, None, None)
    (field,) = fields_of_stack(path, None, 0.5)
    assert np.array_equal(np.stack(list(field.planes())), STACK)
    assert np.array_equal(field.region(3, 5, 7, 20, 30), STACK[3, 5:25, 7:37])
