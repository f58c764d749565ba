"""Two planes from files: every kind of input gives the pixels that were written."""

import numpy as np
import pytest
import tifffile

from tsva.errors import UserError
from tsva.readers.stack_file import write_planes
from tsva.slides.opening import SlideInput, open_two_planes

PIXEL_UM = 0.25


@pytest.fixture
def planes():
    return np.random.default_rng(2).integers(0, 256, (4, 96, 128, 3), dtype=np.uint8)


@pytest.fixture
def stack(planes, tmp_path):
    path = tmp_path / "stack.ome.tif"
    write_planes(path, iter(planes), np.array([-1.0, -0.5, 0.5, 1.0]), PIXEL_UM)
    return path


def tiff(path, pixels, **more):
    tifffile.imwrite(path, pixels, photometric="rgb", resolution=(1e4 / PIXEL_UM,) * 2, resolutionunit=3, **more)
    return path


def test_planes_of_a_stack_by_number_and_by_position(planes, stack):
    for told in ({"planes": (2, 3)}, {"planes": (3, 2)}, {"z_um": (-0.5, 0.5)}):
        with open_two_planes(SlideInput(stack=stack, **told)) as opened:
            assert (opened.shape, opened.pixel_um, opened.delta_um) == ((96, 128), PIXEL_UM, 0.5)
            low, high = opened.read(10, 20, 30, 40)
        assert np.array_equal(low, planes[1, 10:40, 20:60])
        assert np.array_equal(high, planes[2, 10:40, 20:60])


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({}, "no word on which two"),
        ({"planes": (0, 1)}, "counted from 1"),
        ({"planes": (2, 2)}, "two different"),
        ({"z_um": (-0.5, 0.7)}, "nearest plane to 0.7"),
        ({"planes": (1, 4), "delta_um": 0.5}, "2 µm apart by the file"),
    ],
)
def test_planes_are_never_guessed(stack, told, word):
    with pytest.raises(UserError, match=word), open_two_planes(SlideInput(stack=stack, **told)):
        pass


def test_two_tiled_files_with_a_profile(planes, tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    low = tiff(tmp_path / "a.tif", planes[0], tile=(32, 32), compression="deflate", iccprofile=profile)
    high = tiff(tmp_path / "b.tif", planes[1], tile=(64, 64))
    with open_two_planes(SlideInput(low, high, delta_um=0.5)) as opened:
        assert opened.icc_profile == profile
        assert opened.pixel_um == pytest.approx(PIXEL_UM)
        assert np.array_equal(opened.read(5, 6, 7, 8)[1], planes[1, 5:12, 6:14])
    with pytest.raises(UserError, match="how far apart"), open_two_planes(SlideInput(low, high)):
        pass


def test_the_digest_tells_content_and_choice_apart(planes, stack, tmp_path):
    def digest(path, chosen):
        with open_two_planes(SlideInput(stack=path, planes=chosen)) as opened:
            return opened.digest

    other = tmp_path / "other.ome.tif"
    planes[0, 0, 0, 0] ^= 1
    write_planes(other, iter(planes), np.array([-1.0, -0.5, 0.5, 1.0]), PIXEL_UM)
    assert len({digest(stack, (1, 2)), digest(stack, (1, 3)), digest(other, (1, 2))}) == 3
    assert digest(stack, (1, 2)) == digest(stack, (1, 2))


def configured(folder, pixels, places, size):
    """Tiles of an image at whole places, and their configuration."""
    folder.mkdir()
    lines = ["# Define the number of dimensions we are working on", "dim = 2", ""]
    for number, (y, x) in enumerate(places):
        tiff(folder / f"t{number}.tif", pixels[y : y + size, x : x + size])
        lines.append(f"t{number}.tif; ; ({float(x)}, {float(y)})")
    (folder / "TileConfiguration.txt").write_text("\n".join(lines))
    return folder / "TileConfiguration.txt"


def test_overlapping_tiles_give_the_image_that_they_were_cut_from(planes, tmp_path):
    places = [(y, x) for y in (0, 48) for x in (0, 40, 80)]
    low, high = (configured(tmp_path / name, planes[i], places, 48) for i, name in enumerate("ab"))
    with open_two_planes(SlideInput(low, high, delta_um=0.5)) as opened:
        assert opened.shape == (96, 128)
        for region in ((0, 0, 96, 128), (30, 35, 20, 50)):
            y, x, h, w = region
            assert np.array_equal(opened.read(*region)[0], planes[0, y : y + h, x : x + w])


def test_a_seam_that_does_not_fit_is_blended_and_a_hole_is_white(tmp_path):
    grey = [np.full((20, 20, 3), level, np.uint8) for level in (100, 120)]
    for number, pixels in enumerate(grey):
        tiff(tmp_path / f"t{number}.tif", pixels)
    (tmp_path / "c.txt").write_text("dim = 2\nt0.tif; ; (0, 0)\nt1.tif; ; (10, 5)\n")
    (tmp_path / "d.txt").write_text("dim = 2\nt1.tif; ; (0, 0)\nt0.tif; ; (10, 5)\n")
    with open_two_planes(SlideInput(tmp_path / "c.txt", tmp_path / "d.txt", delta_um=0.5)) as opened:
        row = opened.read(0, 0, 25, 30)[0][10, :, 0].astype(int)
    assert (row[:10] == 100).all()
    assert (row[20:] == 120).all()
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() <= 5
    with open_two_planes(SlideInput(tmp_path / "c.txt", tmp_path / "d.txt", delta_um=0.5)) as opened:
        assert (opened.read(0, 20, 5, 10)[0] == 255).all()


def test_fields_are_joined_by_the_stages_positions(planes, tmp_path):
    path = tmp_path / "fields.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for x in (0, 64):
            place = {"PositionX": [x * PIXEL_UM] * 2, "PositionXUnit": ["µm"] * 2}
            place |= {"PositionY": [5.0] * 2, "PositionYUnit": ["µm"] * 2, "PositionZ": [0.0, 1.0]}
            writer.write(
                planes[:2, :, x : x + 64],
                photometric="rgb",
                metadata={
                    "axes": "ZYXS",
                    "PhysicalSizeX": PIXEL_UM,
                    "PhysicalSizeY": PIXEL_UM,
                    "Plane": place | {"PositionZUnit": ["µm"] * 2},
                },
            )
    with open_two_planes(SlideInput(stack=path, planes=(1, 2))) as opened:
        assert (opened.shape, opened.delta_um) == ((96, 128), 0.5)
        assert np.array_equal(opened.read(0, 0, 96, 128)[1], planes[1])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("dim = 2\n", "no tile"),
        ("dim = 2\nt0.tif; ; (0, 0, 1)\n", "line 2"),
        ("dim = 2\nlost.tif; ; (0, 0)\n", "missing"),
        ("dim = 2\nt0.tif; ; (0, 0)\nt0.tif; ; (1, 0)\n", "second time"),
    ],
)
def test_a_bad_configuration_is_refused_by_line(tmp_path, planes, text, word):
    tiff(tmp_path / "t0.tif", planes[0])
    (tmp_path / "c.txt").write_text(text)
    told = SlideInput(tmp_path / "c.txt", tmp_path / "t0.tif", delta_um=0.5)
    with pytest.raises(UserError, match=word), open_two_planes(told):
        pass
