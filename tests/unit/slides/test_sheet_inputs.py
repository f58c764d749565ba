"""Rows of role refocus become the two planes that they name."""

import numpy as np
import pytest
import tifffile

from tsva.errors import UserError
from tsva.readers.stack_file import write_planes
from tsva.settings.restoration import RefocusSettings
from tsva.settings.sheet import SlideRow
from tsva.slides.opening import open_two_planes
from tsva.slides.sheet_inputs import inputs_of_row
from tsva.slides.two_planes import ArrayPlanes, at_pixel_size


def row(**told):
    return SlideRow(slide="E1", patient="P1", sample="Liver", role="refocus", **told)


@pytest.fixture
def planes():
    return np.random.default_rng(8).integers(0, 256, (5, 64, 80, 3), dtype=np.uint8)


def test_the_planes_of_a_stack_nearest_to_where_the_shots_lie(planes, tmp_path):
    write_planes(tmp_path / "a.ome.tif", iter(planes), np.array([-1.0, -0.5, 0, 0.5, 1.0]), 0.345)
    ((name, told),) = inputs_of_row(row(source="stack", path="a.ome.tif"), tmp_path, 0.5, RefocusSettings())
    assert (name, told.planes) == ("E1", (2, 4))
    with open_two_planes(told) as opened:
        assert np.array_equal(opened.read(0, 0, 64, 80)[1], planes[3])
    with pytest.raises(UserError, match="initial_focal_position_um"):
        settings = RefocusSettings(initial_focal_position_um=1.0)
        inputs_of_row(row(source="stack", path="a.ome.tif"), tmp_path, 0.5, settings)


def test_files_whose_names_tell_z(planes, tmp_path):
    for number, z in enumerate((-0.5, 0, 0.5)):
        tifffile.imwrite(tmp_path / f"f1_z{z}um.tif", planes[number], photometric="rgb")
    told = row(source="planes", path=".", pattern="{field}_z{z}um.tif", pixel_um=0.345)
    ((name, two),) = inputs_of_row(told, tmp_path, 0.5, RefocusSettings())
    assert name == "f1"
    with open_two_planes(two) as opened:
        assert np.array_equal(opened.read(0, 0, 64, 80)[0], planes[0])
        assert np.array_equal(opened.read(0, 0, 64, 80)[1], planes[2])


def test_a_damaged_file_of_several_is_named_and_the_others_go_on(planes, tmp_path):
    (tmp_path / "scans").mkdir()
    write_planes(tmp_path / "scans/a.ome.tif", iter(planes[:3]), np.array([-0.5, 0, 0.5]), 0.345)
    (tmp_path / "scans/b.ome.tif").write_bytes(b"II*\0 and no more")
    found = dict(inputs_of_row(row(source="stack", path="scans"), tmp_path, 0.5, RefocusSettings()))
    assert found["a"].planes == (1, 3)
    assert "b.ome.tif" in str(found["b"])


def test_a_sharp_image_is_no_pair(tmp_path):
    with pytest.raises(UserError, match="stack or planes"):
        inputs_of_row(row(source="image", path="a.svs"), tmp_path, 0.5, RefocusSettings())


def test_other_pixels_are_resampled_alike_whatever_is_read_around_them():
    y, x = np.mgrid[:200, :240]
    low = (128 + 90 * np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], axis=-1)).astype(np.uint8)
    planes = at_pixel_size(ArrayPlanes(low, low[::-1].copy(), 0.25, 0.5, 40), 0.345)
    assert planes.shape == (144, 173)
    assert planes.magnification == pytest.approx(40 * 0.25 / 0.345)
    whole, _ = planes.read(0, 0, *planes.shape)
    part, _ = planes.read(33, 41, 50, 60)
    assert np.abs(part.astype(int) - whole[33:83, 41:101]).max() <= 1
    wanted = 128 + 90 * np.sin(((np.arange(173) + 0.5) * 0.345 / 0.25 - 0.5) / 9)
    assert np.abs(whole[70, :, 0] - wanted)[5:-5].max() < 3
    with pytest.raises(UserError, match=r"at most 1.5 times"):
        at_pixel_size(ArrayPlanes(low, low, 0.6, 0.5), 0.345)
