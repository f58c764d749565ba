"""Files made to fill the memory, or to reach where they shouldn't."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.images import read_image
from tsva.readers.slide import open_regions
from tsva.readers.stacks import fields_of_stack
from tsva.settings.sheet import SlideRow

sys.path.insert(0, str(Path(__file__).parent))
from apart import read_apart, zeros


def with_tags(path: Path, **values: int) -> None:
    """Other values in the tags of a classic little-endian TIFF's first page."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        places = {name: tif.pages.first.tags[name].offset for name in values}
    for name, value in values.items():
        struct.pack_into("<HI", data, places[name] + 2, 4, 1)
        struct.pack_into("<I", data, places[name] + 8, value)
    path.write_bytes(data)


def test_decompression_bomb_in_a_strip(tmp_path: Path) -> None:
    """3 GB of pixels in 3 MB."""
    path, edge = tmp_path / "bomb.tif", 2**15
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib", rowsperstrip=64, metadata=None)
    strip = zeros(edge * edge)
    with tifffile.TiffFile(path) as tif:
        offsets = tif.pages.first.tags["StripOffsets"].offset, tif.pages.first.tags["StripByteCounts"].offset
    data = bytearray(path.read_bytes())
    struct.pack_into("<HII", data, offsets[0] + 2, 4, 1, len(data))
    struct.pack_into("<HII", data, offsets[1] + 2, 4, 1, len(strip))
    path.write_bytes(data + strip)
    with_tags(path, ImageWidth=edge, ImageLength=edge, RowsPerStrip=edge)
    assert all("pixels in one piece" in line or "single plane" in line for line in read_apart(path))


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageWidth": 2**31, "ImageLength": 2**31},
        {"ImageWidth": 2**32 - 1},
        {"ImageLength": 2**32 - 1},
        {"ImageWidth": 0},
        {"RowsPerStrip": 0},
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_absurd_dimensions(tmp_path: Path, tags: dict[str, int], compression: str | None) -> None:
    path = tmp_path / "absurd.tif"
    tifffile.imwrite(
        path,
        np.zeros((3, 64, 64), np.uint8),
        photometric="minisblack",
        compression=compression,
        rowsperstrip=16,
        metadata=None,
    )
    with_tags(path, **tags)
    for read in (
        read_image,
        lambda place: fields_of_stack(place, 0.5, 0.5),
        lambda place: open_regions(place).__enter__(),
    ):
        with pytest.raises(UserError, match=r"absurd\.tif"):
            read(path)


@pytest.mark.parametrize("counts", ['SizeZ="999999999999"', 'SizeT="999999999"', 'SizeC="99999999"', 'SizeZ="-3"'])
def test_ome_header_that_tells_of_countless_planes(tmp_path: Path, counts: str) -> None:
    path = tmp_path / "many.ome.tif"
    name = counts.split("=")[0]
    sizes = {"SizeZ": '"3"', "SizeC": '"1"', "SizeT": '"1"', name: counts.split("=")[1]}
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="8" SizeY="8" '
        + " ".join(f"{key}={value}" for key, value in sizes.items())
        + "><TiffData/></Pixels></Image></OME>"
    )
    tifffile.imwrite(path, np.zeros((3, 8, 8), np.uint8), photometric="minisblack", description=xml, metadata=None)
    said = read_apart(path)
    assert "OME header states" in said[1] and "read" not in said


@pytest.mark.parametrize("name", ["../other/secret.ome.tif", "/elsewhere/secret.ome.tif", "."])
def test_ome_header_that_names_files_of_other_folders(tmp_path: Path, name: str) -> None:
    path = tmp_path / "set.ome.tif"
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="8" SizeY="8" SizeZ="2" SizeC="1" SizeT="1">'
        '<TiffData IFD="0" FirstZ="0"/><TiffData IFD="0" FirstZ="1">'
        f'<UUID FileName="{name}">urn:uuid:00000000-0000-0000-0000-000000000000</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), photometric="minisblack", description=xml, metadata=None)
    with pytest.raises(UserError, match=r"set\.ome\.tif: .*names a file of another folder"):
        fields_of_stack(path, 0.5, 0.5)


def test_ome_header_of_nested_entities(tmp_path: Path) -> None:
    """The billion laughs."""
    entities = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    xml = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{entities}]>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image Name="&l9;"/></OME>'
    )
    tifffile.imwrite(
        tmp_path / "laughs.ome.tif",
        np.zeros((3, 8, 8), np.uint8),
        photometric="minisblack",
        description=xml,
        metadata=None,
    )
    assert "damaged" in read_apart(tmp_path / "laughs.ome.tif")[1]


def test_png_that_unfolds_beyond_memory(tmp_path: Path) -> None:
    edge = 40_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zeros(2**28)) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(whole)
    said = read_apart(tmp_path / "bomb.png")
    assert "can only be read as a whole" in said[0] and "read" not in said


def row(**cells: object) -> SlideRow:
    common = {"slide": "A", "patient": "A", "sample": "A", "role": "train", "source": "planes", "pixel_um": 0.5}
    return SlideRow.model_validate({**common, **cells})


@pytest.mark.parametrize(
    "name", ["..", "../../etc/x", "a/../../b", "<script>alert(1)</script>", "\n", "-rf", ".hidden"]
)
def test_names_of_fields_stay_within_their_folder(tmp_path: Path, name: str) -> None:
    """They come from file and folder names, which anybody may choose."""
    place = tmp_path / "scans" / f"x{name}"
    place.mkdir(parents=True)
    for z in range(2):
        tifffile.imwrite(place / f"z{z}.tif", np.zeros((8, 8), np.uint8))
    for field in find_fields(
        row(path="scans", pattern="{field}/z{z}.tif")
        if "/" not in name
        else row(path=f"scans/x{name}", pattern="z{z}.tif"),
        tmp_path,
    ):
        assert "/" not in field.name and not field.name.startswith((".", "-")) and "<" not in field.name


def test_a_name_longer_than_file_systems_take_is_reported(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for z in range(2):
        tifffile.imwrite(tmp_path / f"scans/{'x' * 240}_z{z}.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(UserError, match="characters"):
        find_fields(row(path="scans", pattern="{field}_z{z}.tif"), tmp_path)


def test_data_may_lie_anywhere(tmp_path: Path) -> None:
    """Absolute paths, `..` and links are how facilities name their storage; nothing is ever written there."""
    storage, study = tmp_path / "storage", tmp_path / "study"
    (storage / "A").mkdir(parents=True)
    study.mkdir()
    for z in range(2):
        tifffile.imwrite(storage / f"A/z{z}.tif", np.zeros((8, 8), np.uint8))
    (study / "link").symlink_to(storage)
    for path in (str(storage / "A"), "../storage/A", "link/A"):
        assert len(find_fields(row(path=path, pattern="z{z}.tif"), study)) == 1


def test_a_step_that_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    planes = np.zeros((3, 16, 16), np.uint8)
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "ZYX", "spacing": 0.5, "unit": "um"})
    data = path.read_bytes()
    assert data.count(b"spacing=0.5") == 1
    path.write_bytes(data.replace(b"spacing=0.5", b"spacing=o.5"))
    with pytest.raises(UserError, match=r"stack\.tif.*o\.5"):
        fields_of_stack(path, 0.5, None)


@pytest.mark.parametrize("tag", ["ResolutionUnit", "XResolution"])
def test_a_resolution_of_several_numbers_is_none(tmp_path: Path, tag: str) -> None:
    path = tmp_path / "stack.tif"
    options = {"photometric": "minisblack", "resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, np.zeros((3, 16, 16), np.uint8), metadata=None, **options)
    assert fields_of_stack(path, None, 0.5)[0].pixel_um == 0.5
    with tifffile.TiffFile(path) as tif:
        offsets = [page.tags[tag].offset for page in tif.pages]
    data = bytearray(path.read_bytes())
    for offset in offsets:
        struct.pack_into("<I", data, offset + 4, 2)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"stack\.tif.*pixel size"):
        fields_of_stack(path, None, 0.5)


def test_offsets_that_are_no_list_of_numbers(tmp_path: Path) -> None:
    """Bytes of no type where the offset of a page's only strip belongs."""
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((3, 16, 16), np.uint8), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages.first.tags["StripOffsets"].offset
    data = bytearray(path.read_bytes())
    struct.pack_into("<HII", data, offset + 2, 7, 1, 16)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"stack\.tif"):
        [list(field.planes()) for field in fields_of_stack(path, 0.5, 0.5)]
