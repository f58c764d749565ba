"""DICOM whole slides that other programs wrote: focal planes in full order, and a slide in several files."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tsva.errors import UserError
from tsva.readers.source import stored_images
from tsva.readers.stacks import fields_of_stack
from tsva.readers.stored import Objective

GOLDEN = Path(__file__).parents[2] / "golden"
sys.path.insert(0, str(GOLDEN))
from pattern import pattern  # noqa: E402

STACK = pattern(5, 48, 64)
# a tile of 64×64 pixels for every pixel of this one
COARSE = pattern(1, 12, 10)[0]


def test_focal_planes_of_wsidicomizer() -> None:
    (image,) = stored_images(GOLDEN / "planes.dcm")
    assert (image.format, image.planes, image.channels, image.bits) == ("DICOM", 5, ("red", "green", "blue"), 8)
    assert image.objective == Objective(0.75, 20)
    (field,) = fields_of_stack(GOLDEN / "planes.dcm", None, None)
    assert field.pixel_um == pytest.approx(0.345, rel=1e-9)
    assert field.z_um == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=1e-9)
    assert np.array_equal(np.stack(list(field.planes())), STACK)
    assert np.array_equal(field.region(3, 5, 7, 40, 50), STACK[3, 5:45, 7:57])


def test_planes_that_are_files_of_their_own(tmp_path: Path) -> None:
    """Each plane of the golden file alone, under names that sort the other way."""
    whole = pydicom.dcmread(GOLDEN / "planes.dcm")
    frames = list(pydicom.encaps.generate_frames(whole.PixelData, number_of_frames=20))
    for z in range(5):
        whole.PixelData = pydicom.encaps.encapsulate(frames[4 * z : 4 * z + 4])
        whole.NumberOfFrames, whole.TotalPixelMatrixFocalPlanes = 4, 1
        whole.TotalPixelMatrixOriginSequence[0].ZOffsetInSlideCoordinateSystem = z / 2 - 1
        whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = f"1.2.{z + 1}"
        whole.save_as(tmp_path / f"{9 - z}.dcm")
    (field,) = fields_of_stack(tmp_path, None, None)
    assert field.z_um == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=1e-9)
    assert np.array_equal(np.stack(list(field.planes())), STACK)


def test_orthanc_parts_a_slide_into_files(tmp_path: Path) -> None:
    shutil.unpack_archive(GOLDEN / "orthanc.zip", tmp_path)
    (image,) = stored_images(tmp_path)
    assert (image.planes, image.height_px, image.width_px, image.bits) == (1, 768, 640, 8)
    # extents are written with single precision
    assert image.pixel_um == pytest.approx(0.345, rel=1e-7)
    slide = np.kron(COARSE, np.ones((64, 64, 1), np.uint8))
    with image.open() as reader:
        assert np.array_equal(reader.read(0, 0, 0, 768, 640), slide)
        # where one file ends and the other begins
        assert np.array_equal(reader.read(0, 500, 350, 80, 120), slide[500:580, 350:470])


def test_one_of_several_files_asks_for_its_folder(tmp_path: Path) -> None:
    shutil.unpack_archive(GOLDEN / "orthanc.zip", tmp_path)
    with pytest.raises(UserError, match=r"part of a slide that is in several files.* Give the folder"):
        stored_images(tmp_path / "wsi-000001.dcm")
    (tmp_path / "wsi-000000.dcm").unlink()
    with pytest.raises(UserError, match="frames from 1 on are in a file that is missing"):
        stored_images(tmp_path)


def test_files_of_a_slide_are_counted_where_it_says_how_many(tmp_path: Path) -> None:
    shutil.unpack_archive(GOLDEN / "orthanc.zip", tmp_path)
    (tmp_path / "wsi-000001.dcm").unlink()
    first = pydicom.dcmread(tmp_path / "wsi-000000.dcm")
    first.InConcatenationTotalNumber = 2
    first.save_as(tmp_path / "wsi-000000.dcm")
    with pytest.raises(UserError, match="1 of 2 files"):
        stored_images(tmp_path)


@pytest.mark.parametrize(("column", "message"), [(1, "lies where another one does"), (8, "lies across the grid")])
def test_tiles_have_places_of_their_own(tmp_path: Path, column: int, message: str) -> None:
    """Several optical paths would put two tiles at one place."""
    shutil.unpack_archive(GOLDEN / "orthanc.zip", tmp_path)
    part = pydicom.dcmread(tmp_path / "wsi-000000.dcm")
    group = part.PerFrameFunctionalGroupsSequence[1]
    group.PlanePositionSlideSequence[0].ColumnPositionInTotalImagePixelMatrix = column
    part.save_as(tmp_path / "wsi-000000.dcm")
    with pytest.raises(UserError, match=f"frame 2 {message}"):
        stored_images(tmp_path)


def test_a_header_without_what_slides_have_is_damaged(tmp_path: Path) -> None:
    slide = pydicom.dcmread(GOLDEN / "planes.dcm")
    del slide.TotalPixelMatrixColumns
    slide.save_as(tmp_path / "a.dcm")
    with pytest.raises(UserError, match=r"a\.dcm: got a file that can't be read to its end .*TotalPixelMatrixColumns"):
        stored_images(tmp_path / "a.dcm")
