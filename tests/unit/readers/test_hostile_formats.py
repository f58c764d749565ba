"""DICOM, NDPI and CZI made to fill the memory, or to end the process."""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tsva.errors import UserError
from tsva.readers.scale import PixelSize, PixelSizeEntry, pixel_size
from tsva.readers.slide import open_regions
from tsva.readers.source import stored_images
from tsva.readers.stacks import fields_of_stack

sys.path.insert(0, str(Path(__file__).parent))
from apart import read_apart, zeros
from dicom_files import write_dicom
from ndpi_files import LONG, SLONG, Page, write_ndpi

GOLDEN = Path(__file__).parents[2] / "golden"
PLANES = np.random.default_rng(6).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)
LARGEST = 2**31 - 1


@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
def test_dicom_planes(tmp_path: Path, placed: bool, depth: int) -> None:
    """Tiles in full order, and tiles with places of their own."""
    planes = PLANES if depth == 8 else PLANES[..., :1].astype(np.uint16) * 16
    write_dicom(tmp_path / "a.dcm", planes, 16, placed=placed, BitsStored=8 if depth == 8 else 12)
    (image,) = stored_images(tmp_path / "a.dcm")
    assert (image.planes, image.depth, image.pixel_um) == (3, depth, pytest.approx(0.345, rel=1e-9))
    assert image.z_um == pytest.approx((0, 0.5, 1), abs=1e-9)
    with image.open() as reader:
        assert all(np.array_equal(reader.read(z, 3, 5, 20, 30), planes[z, 3:23, 5:35]) for z in range(3))


@pytest.mark.parametrize(
    "values",
    [
        {"NumberOfFrames": LARGEST},
        {"NumberOfFrames": LARGEST, "TotalPixelMatrixFocalPlanes": LARGEST},
        {"NumberOfFrames": 0},
        {"NumberOfFrames": -1},
        {"Rows": 65535, "Columns": 65535},
        {"Rows": 0},
        {"Rows": 1, "Columns": 1, "NumberOfFrames": 3 * 32 * 48 * 9},
        {"TotalPixelMatrixRows": 2**32 - 1, "TotalPixelMatrixColumns": 2**32 - 1},
        {"TotalPixelMatrixRows": 2**32 - 1, "TotalPixelMatrixColumns": 2**32 - 1, "NumberOfFrames": LARGEST},
        {"TotalPixelMatrixColumns": 0},
        {"SamplesPerPixel": 65535},
        {"BitsAllocated": 65528},
        {"BitsStored": 65535},
        {"BitsAllocated": 1},
        {"SharedFunctionalGroupsSequence": []},
        {"TotalPixelMatrixOriginSequence": []},
    ],
)
def test_absurd_sizes_of_dicom(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "absurd.dcm"
    write_dicom(path, PLANES, 16, **values)
    assert all("absurd.dcm: got a file" in line for line in read_apart(path, "stack", "stored"))


@pytest.mark.parametrize(
    "values",
    [
        {"TotalPixelMatrixRows": 2**31, "TotalPixelMatrixColumns": 2**31},
        {"Rows": 1, "Columns": 1, "TotalPixelMatrixRows": 8192, "TotalPixelMatrixColumns": 8192},
    ],
)
def test_absurd_sizes_of_placed_tiles(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "absurd.dcm"
    write_dicom(path, PLANES, 16, placed=True, **values)
    assert all("absurd.dcm: got" in line for line in read_apart(path, "stack", "stored"))


def test_missing_attributes_of_dicom_are_damage(tmp_path: Path) -> None:
    write_dicom(tmp_path / "whole.dcm", PLANES, 16)
    head = pydicom.dcmread(tmp_path / "whole.dcm")
    needless = (
        "Modality",
        "ImageType",
        "SOPInstanceUID",
        "OpticalPathSequence",
        "DimensionOrganizationType",
        "SOPClassUID",
        "PlanarConfiguration",
        "HighBit",
        "PixelRepresentation",
        "PhotometricInterpretation",
    )
    for name in [element.keyword for element in head if element.keyword not in needless]:
        told = pydicom.dcmread(tmp_path / "whole.dcm")
        delattr(told, name)
        told.save_as(tmp_path / "part.dcm", enforce_file_format=True)
        with pytest.raises(UserError, match=r"part\.dcm"):
            [list(field.planes()) for field in fields_of_stack(tmp_path / "part.dcm", 0.5, None)]


def test_values_of_wrong_length_are_damage(tmp_path: Path) -> None:
    """Three bytes for a number of two."""
    write_dicom(tmp_path / "a.dcm", PLANES, 16)
    data = (tmp_path / "a.dcm").read_bytes()
    rows = struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 16)
    assert data.count(rows) == 1
    (tmp_path / "a.dcm").write_bytes(data.replace(rows, struct.pack("<HH2sH3s", 0x28, 0x10, b"US", 3, b"\1\0\0")))
    with pytest.raises(UserError, match=r"a\.dcm"):
        stored_images(tmp_path / "a.dcm")


def test_deflated_dicom_is_not_inflated(tmp_path: Path) -> None:
    """1 GiB of header in 1 MB."""
    path = tmp_path / "bomb.dcm"
    write_dicom(path, PLANES, 16)
    head = pydicom.dcmread(path)
    head.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    head.save_as(path, enforce_file_format=True)
    data = path.read_bytes()
    meta_bytes = 132 + 12 + struct.unpack_from("<I", data, 140)[0]
    without_frame = slice(2, -4)
    path.write_bytes(data[:meta_bytes] + zeros(2**30)[without_frame])
    assert all("compressed as a whole" in line for line in read_apart(path, "stack", "stored"))


def test_frames_that_claim_more_than_their_tile(tmp_path: Path) -> None:
    """A JPEG of 13,000×13,000 pixels where the header states 64×64: Pillow would decode it."""
    data = bytearray((GOLDEN / "slide.dcm").read_bytes())
    frames = [match.start() for match in re.finditer(rb"\xff\xc0\x00\x11\x08\x00\x40\x00\x40", data)]
    assert len(frames) == 12
    for place in frames:
        struct.pack_into(">HH", data, place + 5, 13_000, 13_000)
    (tmp_path / "large.dcm").write_bytes(data)
    assert "13000×13000" in read_apart(tmp_path / "large.dcm", "stored")[0]


def ndpi(path: Path, **changed: tuple[int, list[int]]) -> None:
    """Three planes, the first page's tags replaced by kind and values (names: tag and a number)."""
    pages = [Page(plane, 40.0, 2000 * i, blocks=3) for i, plane in enumerate(PLANES)]
    for name, (kind, values) in changed.items():
        code = int(name.removeprefix("tag"))
        pages[0].tags = [(tag, kind, values) if tag == code else (tag, *rest) for tag, *rest in pages[0].tags]
    write_ndpi(path, pages)


@pytest.mark.parametrize(
    "changed",
    [
        {"tag256": (LONG, [LARGEST])},
        {"tag257": (LONG, [LARGEST])},
        {"tag256": (LONG, [2**32 - 1]), "tag257": (LONG, [2**32 - 1])},
        {"tag256": (LONG, [0])},
        {"tag256": (LONG, [65535]), "tag257": (LONG, [65535])},
        {"tag279": (LONG, [LARGEST])},
    ],
)
def test_absurd_sizes_of_ndpi(tmp_path: Path, changed: dict[str, Any]) -> None:
    """OpenSlide ends the process over some of them."""
    path = tmp_path / "absurd.ndpi"
    ndpi(path, **changed)
    assert all("absurd.ndpi: got" in line for line in read_apart(path, "stack", "stored", "region"))


def test_ndpi_positions_that_are_no_numbers(tmp_path: Path) -> None:
    ndpi(tmp_path / "a.ndpi", tag65424=(SLONG, [1, 2]))
    with pytest.raises(UserError, match=r"a\.ndpi"):
        stored_images(tmp_path / "a.ndpi")


def test_ndpi_planes_of_several_heights(tmp_path: Path) -> None:
    write_ndpi(tmp_path / "a.ndpi", [Page(PLANES[0], 40.0, 0), Page(PLANES[1, :16], 40.0, 2000)])
    with pytest.raises(UserError, match="several sizes"):
        stored_images(tmp_path / "a.ndpi")


def test_ndpi_whole_is_read_by_openslide(tmp_path: Path) -> None:
    ndpi(tmp_path / "a.ndpi")
    with open_regions(tmp_path / "a.ndpi") as image:
        assert image.read(0, 2, 3, 8, 8).shape == (8, 8, 3)


@pytest.fixture
def czi(tmp_path: Path) -> Path:
    """Three planes in tiles that aren't compressed."""
    library = pytest.importorskip("pylibCZIrw.czi", reason="pylibCZIrw (extra czi) is not installed")
    path = tmp_path / "stack.czi"
    with library.create_czi(str(path)) as file:
        for z, plane in enumerate(PLANES):
            file.write(np.ascontiguousarray(plane), plane={"C": 0, "Z": z, "T": 0})
        file.write_metadata(document_name="s", scale_x=0.345e-6, scale_y=0.345e-6, scale_z=0.5e-6)
    return path


def entries(data: bytes) -> list[int]:
    """Where the directory's entries and the tiles' copies of them start."""
    return [match.start() for match in re.finditer(rb"DV\x03\0\0\0", data)]


@pytest.mark.parametrize(
    ("axis", "field", "value"),
    [
        (b"X", 8, LARGEST),
        (b"X", 16, LARGEST),
        (b"Y", 16, LARGEST),
        (b"X", 16, 40_000),
        (b"Y", 16, -1),
        (b"Z", 4, LARGEST),
        (b"Z", 8, LARGEST),
        (b"Z", 4, -5),
        (b"S", 4, 10**6),
        (b"T", 4, 10**8),
    ],
)
def test_absurd_tiles_of_czi(czi: Path, axis: bytes, field: int, value: int) -> None:
    """The same in directory and tiles. Fields of an axis: start 4, size 8, stored size 16."""
    data = bytearray(czi.read_bytes())
    for place in entries(data):
        found = data.index(axis + b"\0\0\0", place + 32)
        struct.pack_into("<i", data, found + field, value)
    czi.write_bytes(data)
    assert all("stack.czi: got" in line for line in read_apart(czi, "stack", "stored"))


@pytest.mark.parametrize(
    ("place", "code", "value"),
    [
        (84, "<q", LARGEST),
        (84, "<q", -1),
        (92, "<q", 2**62),
        (30336 + 32, "<I", LARGEST),
    ],
)
def test_positions_beyond_the_end_of_czi(czi: Path, place: int, code: str, value: int) -> None:
    data = bytearray(czi.read_bytes())
    directory = struct.unpack_from("<q", data, 84)[0]
    struct.pack_into(code, data, place if place < 1000 else directory + 32, value)
    czi.write_bytes(data)
    assert all("stack.czi: got" in line for line in read_apart(czi, "stack", "stored"))


def test_tile_with_countless_axes_does_not_end_the_process(czi: Path) -> None:
    """As fuzzing found: libCZI reads beyond its buffer where a tile's own entry has more axes than the directory's."""
    data = bytearray(czi.read_bytes())
    data[entries(data)[0] + 31] = 209
    czi.write_bytes(data)
    assert all("entry of its directory is damaged" in line for line in read_apart(czi, "stack", "stored", "region"))


@pytest.mark.parametrize("text", [b"5e-0=", b"&#1;7", b"</7/>"])
def test_czi_metadata_of_no_numbers_and_no_xml(czi: Path, text: bytes) -> None:
    data = czi.read_bytes()
    assert data.count(b">5e-07<") == 1  # the distance of planes, in metres
    czi.write_bytes(data.replace(b">5e-07<", b">" + text + b"<"))
    with pytest.raises(UserError, match=r"stack\.czi"):
        stored_images(czi)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -0.5, 0.0])
def test_sizes_that_are_no_lengths_count_as_not_said(odd: float) -> None:
    assert pixel_size("a", [PixelSizeEntry("tags", odd, 0.5)]).um == 0.5
    assert pixel_size("a", [PixelSizeEntry("tags", odd, odd)]) == PixelSize()
