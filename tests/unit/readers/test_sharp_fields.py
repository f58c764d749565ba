"""Sharp fields from slides and images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from tsva.errors import UserError
from tsva.readers.slide import _spread, open_regions, read_sharp_fields

PIXEL_UM = 0.25


def _texture(height: int, width: int) -> np.ndarray:
    """Waves of 12 and 17 pixels: structure everywhere, and little to lose when it is resampled."""
    y, x = np.mgrid[:height, :width]
    wave = 128 + 50 * np.sin(2 * np.pi * x / 12) + 50 * np.sin(2 * np.pi * y / 17)
    return np.rint(np.stack([wave, wave - 20, wave + 20], axis=-1)).astype(np.uint8)


def _save(path: Path, pixels: np.ndarray, kind: str) -> None:
    if kind == "png":
        Image.fromarray(pixels).save(path, "PNG")
        return
    options = {
        "tiles": {"tile": (64, 64)},
        "strips": {"rowsperstrip": 7, "compression": "zlib"},
        "one strip": {"rowsperstrip": pixels.shape[0], "compression": "lzw"},
        "plain": {},
        "planar tiles": {"tile": (64, 64), "planarconfig": "separate"},
    }[kind]
    if "planarconfig" in options:
        pixels = np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(path, pixels, photometric="rgb", metadata=None, **options)


KINDS = ["png", "tiles", "strips", "one strip", "plain", "planar tiles"]


@pytest.mark.parametrize("kind", KINDS)
def test_fields_are_the_image_cut_up(tmp_path: Path, kind: str) -> None:
    """At the image's own pixel size nothing is resampled: the fields are exact pieces, centred."""
    image = _texture(205, 310)
    _save(tmp_path / "image.x", image, kind)
    found = {
        name: field for name, field, _ in read_sharp_fields(tmp_path / "image.x", PIXEL_UM, PIXEL_UM, (100, 100), 9)
    }
    assert sorted(found) == [f"image_r{row:02d}_c{column:02d}" for row in range(2) for column in range(3)]
    for row in range(2):
        for column in range(3):
            top, left = 2 + 100 * row, 5 + 100 * column
            field = found[f"image_r{row:02d}_c{column:02d}"]
            assert np.array_equal(field, image[top : top + 100, left : left + 100])


@pytest.mark.parametrize("kind", KINDS)
def test_regions_are_exact(tmp_path: Path, kind: str) -> None:
    image = _texture(150, 170)
    _save(tmp_path / "image.x", image, kind)
    rng = np.random.default_rng(3)
    with open_regions(tmp_path / "image.x") as regions:
        assert (regions.levels[0].height, regions.levels[0].width) == (150, 170)
        for _ in range(20):
            top, left = int(rng.integers(0, 149)), int(rng.integers(0, 169))
            tall, wide = int(rng.integers(1, 151 - top)), int(rng.integers(1, 171 - left))
            assert np.array_equal(regions.read(0, top, left, tall, wide), image[top : top + tall, left : left + wide])


def test_halving_is_the_mean_of_four(tmp_path: Path) -> None:
    image = np.random.default_rng(4).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    _save(tmp_path / "i.png", image, "png")
    ((_, field, reason),) = read_sharp_fields(tmp_path / "i.png", PIXEL_UM, 2 * PIXEL_UM, (100, 100), 1)
    means = image.reshape(100, 2, 100, 2, 3).mean(axis=(1, 3))
    assert reason == ""
    assert np.abs(field - means).max() <= 0.5  # rounded once, to the nearest


def _kernel(f: float, factor: float) -> float:
    """Transfer of the resampling kernel at `f` cycles a new pixel: a box, or Keys' cubic with a = -1/2."""
    if factor.is_integer():
        return float(np.sinc(f))
    square = np.sinc(f) ** 2
    cubic = 3 / (np.pi * f) ** 2 * (square - np.sinc(2 * f))
    return float(cubic - 1 / (np.pi * f) ** 2 * (3 * np.sinc(2 * f) ** 2 - 2 * np.sinc(2 * f) - np.sinc(4 * f)))


@pytest.mark.parametrize("factor", [2.2, 2.6, 3.0, 4.0])
@pytest.mark.parametrize("f", [0.1, 0.3, 0.8, 0.9])
def test_waves_are_passed_or_filtered_as_the_kernel_says(tmp_path: Path, factor: float, f: float) -> None:
    """Beyond 0.5 cycles a new pixel a wave can't be held: decimation would leave an alias of its full amplitude."""
    size = math.ceil(100 * factor)
    wave = 128 + 100 * np.sin(2 * np.pi * f / factor * np.arange(size))
    _save(
        tmp_path / "i.png", np.repeat(np.tile(np.rint(wave).astype(np.uint8), (size, 1))[..., None], 3, axis=2), "png"
    )
    ((_, field, _),) = read_sharp_fields(tmp_path / "i.png", PIXEL_UM, factor * PIXEL_UM, (100, 100), 1, 0.0)
    amplitude = np.sqrt(2) * np.std(field[:, 5:-5].astype(float))
    # the kernel is sampled at 2.2 to 4 old pixels a new one and normalised: 0.04 of the amplitude
    assert abs(amplitude - 100 * abs(_kernel(f, factor))) < 4


def test_neighbouring_fields_are_seamless(tmp_path: Path) -> None:
    """Two fields side by side are the two halves of one field of double width, at their seam too."""
    _save(tmp_path / "i.png", _texture(300, 600), "png")
    halves = {n: f for n, f, _ in read_sharp_fields(tmp_path / "i.png", PIXEL_UM, 0.345, (200, 200), 9)}
    ((_, whole, _),) = read_sharp_fields(tmp_path / "i.png", PIXEL_UM, 0.345, (200, 400), 9)
    pasted = np.concatenate([halves["i_r00_c00"], halves["i_r00_c01"]], axis=1)
    assert np.abs(pasted.astype(int) - whole).max() <= 1  # fixed-point kernels of Pillow, one rounding


def test_blank_fields_are_named_and_do_not_count(tmp_path: Path) -> None:
    image = np.full((100, 500, 3), 240, np.uint8)
    image[:, 300:] = _texture(100, 200)
    _save(tmp_path / "i.png", image, "png")
    found = {
        name: reason for name, _, reason in read_sharp_fields(tmp_path / "i.png", PIXEL_UM, PIXEL_UM, (100, 100), 2)
    }
    usable = {name for name, reason in found.items() if not reason}
    assert usable == {"i_r00_c03", "i_r00_c04"}
    assert all(reason == "blank: tissue on 0.0% of it" for name, reason in found.items() if name not in usable)


def test_it_stops_at_the_number_asked_for(tmp_path: Path) -> None:
    _save(tmp_path / "i.png", _texture(400, 400), "png")
    assert len(list(read_sharp_fields(tmp_path / "i.png", PIXEL_UM, PIXEL_UM, (100, 100), 3))) == 3


@pytest.mark.parametrize("count", [1, 2, 16, 500])
def test_any_beginning_is_spread_over_the_slide(count: int) -> None:
    order = _spread(count)
    assert sorted(order) == list(range(count))
    for taken in {max(1, count // 10), max(1, count // 3)}:
        # no gap longer than three times the even one (golden-ratio sequences keep theirs below 2.62)
        marks = [-1, *sorted(order[:taken]), count]
        assert max(np.diff(marks)) <= 3 * math.ceil(count / taken) + 1


def test_several_images_by_pattern(tmp_path: Path) -> None:
    for name in ("b", "a"):
        _save(tmp_path / f"{name}.png", _texture(100, 100), "png")
    names = [name for name, _, _ in read_sharp_fields(tmp_path / "*.png", PIXEL_UM, PIXEL_UM, (100, 100), 9)]
    assert names == ["a_r00_c00", "b_r00_c00"]


def test_grey_images_become_three_equal_channels(tmp_path: Path) -> None:
    grey = _texture(100, 100)[..., 0]
    Image.fromarray(grey).save(tmp_path / "g.png")
    ((_, field, _),) = read_sharp_fields(tmp_path / "g.png", PIXEL_UM, PIXEL_UM, (100, 100), 1)
    assert np.array_equal(field, np.repeat(grey[..., None], 3, axis=2))


def test_pyramids_are_read_from_the_level_that_fits(tmp_path: Path) -> None:
    """The levels have different greys, so that the answer tells which one was read."""
    with tifffile.TiffWriter(tmp_path / "p.ome.tif", ome=True) as tif:
        options = {"photometric": "rgb", "tile": (64, 64)}
        size = {"PhysicalSizeX": PIXEL_UM, "PhysicalSizeXUnit": "µm"}
        tif.write(np.full((512, 512, 3), 50, np.uint8), subifds=2, metadata={"axes": "YXS", **size}, **options)
        tif.write(np.full((256, 256, 3), 100, np.uint8), subfiletype=1, **options)
        tif.write(np.full((128, 128, 3), 150, np.uint8), subfiletype=1, **options)
    for factor, grey in ((1, 50), (1.9, 50), (2, 100), (3.5, 100), (4, 150)):
        fields = read_sharp_fields(tmp_path / "p.ome.tif", None, PIXEL_UM * factor, (100, 100), 99, 0.0)
        assert {int(value) for _, field, _ in fields for value in np.unique(field)} == {grey}


def test_small_unscaled_and_unreadable_images_are_named(tmp_path: Path) -> None:
    _save(tmp_path / "i.png", _texture(100, 150), "png")
    with pytest.raises(UserError, match=r"i\.png: got no pixel size in the file; .*column pixel_um"):
        next(read_sharp_fields(tmp_path / "i.png", None, 0.5, (50, 50), 1))
    with pytest.raises(UserError, match=r"an image of 100×150 pixels of 0\.25 µm; wanted at least 120×120"):
        next(read_sharp_fields(tmp_path / "i.png", 0.25, 0.5, (60, 60), 1))
    with pytest.raises(UserError, match=r"gone\.svs, where nothing is"):
        next(read_sharp_fields(tmp_path / "gone.svs", None, 0.5, (50, 50), 1))
    tifffile.imwrite(tmp_path / "z.tif", np.zeros((3, 100, 100), np.uint8), photometric="minisblack")
    with pytest.raises(UserError, match=r"z\.tif: got 3 planes; wanted a single sharp plane"):
        next(read_sharp_fields(tmp_path / "z.tif", 0.25, 0.5, (50, 50), 1))


def test_a_real_slide_matches_openslide(shared: Path) -> None:
    path = shared / "data/he/CMU-1-Small-Region.svs"
    with openslide.OpenSlide(path) as slide:
        whole = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))[..., :3]
    fields = {name: (field, reason) for name, field, reason in read_sharp_fields(path, None, 0.499, (448, 448), 99)}
    assert len(fields) == 24
    top, left = (2967 - 6 * 448) // 2, (2220 - 4 * 448) // 2
    for (row, column), verdict in {(3, 2): "", (4, 0): "blank"}.items():
        field, reason = fields[f"CMU-1-Small-Region_r{row:02d}_c{column:02d}"]
        y, x = top + row * 448, left + column * 448
        assert np.array_equal(field, whole[y : y + 448, x : x + 448])
        assert reason.split(":")[0] == verdict


@pytest.mark.parametrize(("name", "pixel_um"), [("OS-1-detail.ome.tif", 0.2271), ("OS-2-vsi.ome.tif", 0.34605)])
def test_real_ome_tiff_that_openslide_refuses(shared: Path, name: str, pixel_um: float) -> None:
    path = shared / "data/he" / name
    whole = tifffile.imread(path)
    with open_regions(path) as regions:
        assert regions.pixel.um == pytest.approx(pixel_um, rel=1e-3)
        assert np.array_equal(regions.read(0, 500, 300, 333, 444), whole[500:833, 300:744])
