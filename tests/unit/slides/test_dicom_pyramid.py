"""DICOM of a slide: other programs see every level, its pixels and their size."""

from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest

from tsva.readers.source import stored_images
from tsva.slides.dicom_pyramid import level_file, smallest_dicom_level, write_dicom
from tsva.slides.pyramid import SlideFacts
from tsva.slides.stored_tiles import TILE_PX, TileCodec, halved, level_shapes, padded

SHAPE = (1100, 1300)


def pyramid(channels: int) -> list[np.ndarray]:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    waves = [np.sin(x / 17) * np.cos(y / 23), np.cos(x / 31 + y / 11), np.sin((x + y) / 41)]
    levels = [(128 + 100 * np.stack(waves[:channels], axis=-1)).astype(np.uint8)]
    while len(levels) < len(level_shapes(*SHAPE)):
        levels.append(halved(levels[-1]))
    return levels


def written(folder: Path, levels: list[np.ndarray], codec: TileCodec, identity: str = "a") -> None:
    def tile(level: int, row: int, column: int) -> bytes:
        return codec.encode(padded(levels[level][row * TILE_PX :, column * TILE_PX :][:TILE_PX, :TILE_PX]))

    folder.mkdir()
    write_dicom(folder, level_shapes(*SHAPE), codec, tile, SlideFacts(0.25, 40.0, None, {"network": "n"}), identity)


@pytest.mark.parametrize(("quality", "most"), [(None, 0), (100, 6)])
def test_openslide_and_pydicom_see_the_pixels(tmp_path: Path, quality: int | None, most: int) -> None:
    levels, folder = pyramid(3), tmp_path / "slide.dicom"
    written(folder, levels, TileCodec(3, quality))
    with openslide.OpenSlide(level_file(folder, 0)) as slide:
        assert slide.properties["openslide.vendor"] == "dicom"
        assert [(h, w) for w, h in slide.level_dimensions] == [level.shape[:2] for level in levels]
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.25)
        assert float(slide.properties["openslide.objective-power"]) == 40
        for number, level in enumerate(levels):
            read = np.asarray(slide.read_region((0, 0), number, slide.level_dimensions[number]))[..., :3]
            assert np.abs(read.astype(int) - level).max() <= most
    held = pydicom.dcmread(level_file(folder, 0))
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    first = held.pixel_array[0]
    assert np.abs(first.astype(int) - levels[0][:TILE_PX, :TILE_PX]).max() <= most
    np.testing.assert_array_equal(smallest_dicom_level(folder, 400).shape, levels[-1].shape)
    assert np.abs(smallest_dicom_level(folder, 700).astype(int) - levels[1]).max() <= most


def test_the_table_of_frames_is_true(tmp_path: Path) -> None:
    written(tmp_path / "a", pyramid(1), TileCodec(1))
    held = pydicom.dcmread(level_file(tmp_path / "a", 0))
    offsets, lengths = (np.frombuffer(t, "<u8") for t in (held.ExtendedOffsetTable, held.ExtendedOffsetTableLengths))
    frames = held.PixelData[8:]  # behind the empty basic table
    for offset, length in zip(offsets.tolist(), lengths.tolist(), strict=True):
        assert frames[offset : offset + 4] == b"\xfe\xff\x00\xe0"
        assert int.from_bytes(frames[offset + 4 : offset + 8], "little") == length
    assert len(offsets) == held.NumberOfFrames == 9


def test_own_reader_and_identifiers(tmp_path: Path) -> None:
    levels = pyramid(3)
    for name, identity in (("one", "a"), ("two", "a"), ("three", "b")):
        written(tmp_path / name, levels, TileCodec(3), identity)
    one, two, three = (level_file(tmp_path / name, 0).read_bytes() for name in ("one", "two", "three"))
    assert one == two != three
    (image,) = stored_images(tmp_path / "one")
    assert (image.height_px, image.width_px, image.pixel_um) == (*SHAPE, 0.25)
    with image.open() as reader:
        np.testing.assert_array_equal(reader.read(0, 500, 100, 300, 200), levels[0][500:800, 100:300])
