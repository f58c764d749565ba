"""Files that other programs wrote: pixels and what they say of size, positions and channels."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import openslide
import pytest

from tsva.errors import UserError
from tsva.readers.source import stored_images
from tsva.readers.stacks import fields_of_stack
from tsva.readers.stored import StoredImage

GOLDEN = Path(__file__).parents[2] / "golden"
sys.path.insert(0, str(GOLDEN))
from pattern import pattern  # noqa: E402

STACK = pattern(5, 48, 64)


def _said(image: StoredImage) -> tuple:
    return image.format, image.planes, image.height_px, image.width_px, image.channels, image.depth


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_py(tmp_path: Path, version: str) -> None:
    zipfile.ZipFile(GOLDEN / f"ome-zarr-{version}.zip").extractall(tmp_path)
    path = tmp_path / "stack.zarr"
    (image,) = stored_images(path)
    assert _said(image) == (f"OME-Zarr {version}", 5, 48, 64, ("red", "green", "blue"), 8)
    (field,) = fields_of_stack(path, None, None)
    assert (field.pixel_um, field.z_um) == (0.345, (0, 0.5, 1, 1.5, 2))
    assert np.array_equal(np.stack(list(field.planes())), STACK)
    assert np.array_equal(field.region(3, 5, 7, 20, 30), STACK[3, 5:25, 7:37])


def test_regions_of_zarr_open_only_their_chunks(tmp_path: Path) -> None:
    """With every other chunk gone or spoilt, the region is still right."""
    zipfile.ZipFile(GOLDEN / "ome-zarr-0.5.zip").extractall(tmp_path)
    path = tmp_path / "stack.zarr"
    (level,) = {file.relative_to(path).parts[0] for file in path.rglob("c/0/2/0/0")} & {"0", "s0"}
    for chunk in (path / level / "c").rglob("*"):
        if chunk.is_file() and chunk.relative_to(path / level / "c").parts != ("0", "2", "0", "0"):
            chunk.write_bytes(b"spoilt")
    (field,) = fields_of_stack(path, None, None)
    assert np.array_equal(field.region(2, 1, 2, 30, 30), STACK[2, 1:31, 2:32])
    with pytest.raises(UserError, match="can't be read to its end"):
        field.region(2, 1, 2, 40, 30)


def test_bioio_writes_channels_before_planes() -> None:
    path = GOLDEN / "bioio.ome.tif"
    (image,) = stored_images(path)
    assert _said(image) == ("OME-TIFF", 5, 48, 64, ("red", "green", "blue"), 8)
    (field,) = fields_of_stack(path, None, None)
    assert (field.pixel_um, field.z_um) == (0.345, (0, 0.5, 1, 1.5, 2))
    assert np.array_equal(np.stack(list(field.planes())), STACK)


def test_imagej() -> None:
    (image,) = stored_images(GOLDEN / "imagej.tif")
    assert _said(image) == ("ImageJ TIFF", 5, 48, 64, ("grey",), 8)
    (field,) = fields_of_stack(GOLDEN / "imagej.tif", None, None)
    # ImageJ writes the inverse with six decimals
    assert field.pixel_um == pytest.approx(0.345, rel=1e-6)
    assert field.z_um == (0, 0.5, 1, 1.5, 2)
    assert np.array_equal(np.stack(list(field.planes())), STACK[..., :1])


def test_wsidicomizer_as_openslide_reads_it() -> None:
    path = GOLDEN / "slide.dcm"
    (image,) = stored_images(path)
    assert _said(image) == ("DICOM", 1, 192, 256, ("red", "green", "blue"), 8)
    assert image.pixel_um == pytest.approx(0.345, rel=1e-6)
    with openslide.OpenSlide(path) as slide:
        theirs = np.asarray(slide.read_region((20, 10), 0, (150, 100)))[..., :3]
    with image.open() as reader:
        ours = reader.read(0, 10, 20, 100, 150)
    # pydicom turns YCbCr into RGB in floating point and rounds once, libjpeg in fixed point: a level at most
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_zeiss(tmp_path: Path) -> None:
    czi = pytest.importorskip("pylibCZIrw.czi", reason="pylibCZIrw (extra czi) is not installed")
    with czi.create_czi(str(tmp_path / "stack.czi")) as file:
        for z, plane in enumerate(STACK):
            file.write(np.ascontiguousarray(plane[..., ::-1]), plane={"C": 0, "Z": z, "T": 0})
        file.write_metadata(document_name="stack", scale_x=0.345e-6, scale_y=0.345e-6, scale_z=0.5e-6)
    (image,) = stored_images(tmp_path / "stack.czi")
    assert _said(image) == ("CZI", 5, 48, 64, ("red", "green", "blue"), 8)
    (field,) = fields_of_stack(tmp_path / "stack.czi", None, None)
    assert field.pixel_um == pytest.approx(0.345, rel=1e-9)
    assert field.z_um == pytest.approx([0, 0.5, 1, 1.5, 2], abs=1e-9)
    assert np.array_equal(np.stack(list(field.planes())), STACK)
    assert np.array_equal(field.region(3, 5, 7, 20, 30), STACK[3, 5:25, 7:37])


def test_a_missing_library_is_asked_for_by_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibCZIrw.czi", None)
    (tmp_path / "stack.bin").write_bytes(b"ZISRAWFILE" + bytes(100))
    with pytest.raises(UserError, match=r"pip install 'tsva\[czi\]'"):
        stored_images(tmp_path / "stack.bin")


@pytest.mark.parametrize(
    ("start", "name"), [(b"\xd0\xcf\x11\xe0", "Olympus OIB or Zeiss ZVI"), (b"OLYMPUSRAWFORMAT", "Olympus OIR")]
)
def test_other_vendors_are_named(tmp_path: Path, start: bytes, name: str) -> None:
    (tmp_path / "a.bin").write_bytes(start + bytes(100))
    with pytest.raises(UserError, match=f"got a file of {name}; .*bfconvert"):
        stored_images(tmp_path / "a.bin")
