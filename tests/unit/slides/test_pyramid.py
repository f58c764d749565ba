"""The pyramid file as others read it, and the journal that it is made of."""

from itertools import pairwise

import numpy as np
import openslide
import pytest
import tifffile

from tsva.errors import UserError
from tsva.slides.pyramid import NOTICE, SlideFacts, write_pyramid
from tsva.slides.stored_tiles import TILE_PX, TileCodec, build_levels, halved, level_shapes, padded, tile_grid, tiles_of
from tsva.slides.workplace import TILE, Key, open_journal


@pytest.fixture(scope="module")
def pixels():
    """A smooth picture whose sizes are odd."""
    y, x = np.mgrid[:1291, :1603]
    waves = [np.sin(x / 17) * np.cos(y / 23), np.cos(x / 31 + y / 11), np.sin((x + y) / 41)]
    return (128 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


def stored(path, pixels, codec):
    shapes = level_shapes(*pixels.shape[:2])
    with open_journal(path.with_suffix(".journal"), "d") as journal:
        for key in tiles_of(0, shapes[0]):
            y, x = key.row * TILE_PX, key.column * TILE_PX
            journal.append(key, codec.encode(padded(pixels[y : y + TILE_PX, x : x + TILE_PX])))
        build_levels(journal, codec, shapes)
        facts = SlideFacts(0.345, 20, None, {"network": "fusion"})
        write_pyramid(path, shapes, codec, lambda *at: journal.read(Key(TILE, *at)), facts, len(journal))
    return shapes


@pytest.mark.parametrize("quality", [None, 100])
def test_openslide_and_tifffile_agree(pixels, tmp_path, quality):
    path, codec = tmp_path / "slide.ome.tif", TileCodec(3, quality)
    shapes = stored(path, pixels, codec)
    with tifffile.TiffFile(path) as tif, openslide.OpenSlide(path) as slide:
        assert tif.is_ome
        levels = [level.asarray() for level in tif.series[0].levels]
        assert [level.shape[:2] for level in levels] == shapes
        assert [(height, width) for width, height in slide.level_dimensions] == shapes
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.345, rel=1e-6)
        for number, level in enumerate(levels):
            read = np.asarray(slide.read_region((0, 0), number, slide.level_dimensions[number]))
            # JPEG decoders may round differently
            assert np.abs(read[..., :3].astype(int) - level).max() <= (0 if quality is None else 2)
        assert NOTICE in tif.ome_metadata
    assert np.abs(levels[0].astype(int) - pixels).max() <= (0 if quality is None else 6)


def test_levels_are_halves_of_the_stored_pixels(pixels, tmp_path):
    path = tmp_path / "slide.ome.tif"
    stored(path, pixels, TileCodec(3))
    with tifffile.TiffFile(path) as tif:
        levels = [level.asarray() for level in tif.series[0].levels]
    for finer, coarser in pairwise(levels):
        assert np.array_equal(halved(finer), coarser)


def test_a_grey_slide(pixels, tmp_path):
    path = tmp_path / "slide.ome.tif"
    for quality in (None, 100):
        stored(path, pixels[..., :1], TileCodec(1, quality))
        path.with_suffix(".journal").unlink()
        with tifffile.TiffFile(path) as tif:
            assert np.abs(tif.series[0].asarray().astype(int) - pixels[..., 0]).max() <= (0 if quality is None else 6)


def test_the_header_is_valid_ome(pixels, tmp_path):
    ome_types = pytest.importorskip("ome_types")
    path = tmp_path / "slide.ome.tif"
    stored(path, pixels, TileCodec(3))
    with tifffile.TiffFile(path) as tif:
        told = ome_types.from_xml(tif.ome_metadata, validate=True)
    assert told.images[0].pixels.physical_size_x == 0.345
    assert told.instruments[0].objectives[0].nominal_magnification == 20


def test_halving_is_the_mean_rounded_once():
    odd = np.array([[[1], [2], [5]], [[2], [2], [6]], [[7], [9], [255]]], np.uint8)
    assert halved(odd)[..., 0].tolist() == [[2, 6], [8, 255]]


def test_level_shapes_end_with_one_tile():
    assert level_shapes(1291, 1603) == [(1291, 1603), (646, 802), (323, 401)]
    assert level_shapes(512, 10) == [(512, 10)]
    assert tile_grid((513, 512)) == (2, 1)


def test_a_torn_record_is_left_out(tmp_path):
    path = tmp_path / "journal"
    with open_journal(path, "digest") as journal:
        journal.append(Key(TILE, 0, 0, 0), b"one")
        journal.append(Key(TILE, 0, 0, 1), b"two" * 100)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with open_journal(path, "digest") as journal:
            assert [journal.read(key) for key in journal.keys(TILE)] in ([], [b"one"])
            journal.append(Key(TILE, 0, 5, 5), b"after")
        with open_journal(path, "digest") as journal:
            assert journal.read(Key(TILE, 0, 5, 5)) == b"after"


def test_a_damaged_record_and_what_follows_is_left_out(tmp_path):
    path = tmp_path / "journal"
    with open_journal(path, "digest") as journal:
        for column in range(3):
            journal.append(Key(TILE, 0, 0, column), bytes(range(50)))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    path.write_bytes(damaged)
    with open_journal(path, "digest") as journal:
        assert journal.keys(TILE) == [Key(TILE, 0, 0, 0)]


def test_a_journal_of_another_plan_is_refused(tmp_path):
    with open_journal(tmp_path / "journal", "one"):
        pass
    with pytest.raises(UserError, match="another run"), open_journal(tmp_path / "journal", "two"):
        pass
