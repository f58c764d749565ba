"""The layout of Jiang et al. 2018."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tsva.errors import UserError
from tsva.readers.planes import fields_of_jiang2018

REMAINDER_NM = 150
PLANES = range(-2, 3)


def _save(path: Path, grey: int, size: tuple[int, int] = (224, 224)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), grey, np.uint8)).save(path, quality=95)


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """Two locations of one slide with patches 0, 2 and 10; grey tells patch and plane."""
    for location in (1, 12):
        for plane in PLANES:
            for patch in (0, 2, 10):
                nm = plane * 500 + REMAINDER_NM
                _save(tmp_path / f"train/s3_l{location}/Seg{patch}_defocus{nm}.jpg", 100 + 10 * patch + 5 * plane)
    return tmp_path / "train"


def test_a_location_is_one_field_of_its_patches_side_by_side(training: Path) -> None:
    first, second = fields_of_jiang2018([training], None)
    assert (first.name, second.name) == ("s3_l1", "s3_l12")
    assert first.z_um == (-0.85, -0.35, 0.15, 0.65, 1.15)
    assert (first.pixel_um, first.mosaic_px) == (0.345, 224)
    for plane, mosaic in zip(PLANES, first.planes(), strict=True):
        assert mosaic.shape == (224, 3 * 224, 3)
        # numbers sort as numbers: patch 10 is last; JPEG of a flat grey is exact
        assert np.array_equal(np.unique(mosaic[0, :, 0]), [100 + 5 * plane, 120 + 5 * plane, 200 + 5 * plane])
        assert mosaic[0, [0, 224, 448], 0].tolist() == [100 + 5 * plane, 120 + 5 * plane, 200 + 5 * plane]


@pytest.mark.parametrize(("width", "pixel_um"), [(244, 0.345 * 1224 / 244), (122, 0.345 * 1224 / 122)])
def test_whole_fields_have_the_camera_s_width(tmp_path: Path, width: int, pixel_um: float) -> None:
    """Fields of 2448 pixels are 0.1725 µm a pixel; here smaller ones of the same breadth."""
    for plane in PLANES:
        _save(tmp_path / f"test/s4_l1/defocus{plane * 500 - 350}.jpg", 90 + plane, (100, width))
    (field,) = fields_of_jiang2018([tmp_path], None)
    assert field.pixel_um == pytest.approx(pixel_um, rel=1e-12)
    assert field.mosaic_px is None
    assert field.z_um == (-1.35, -0.85, -0.35, 0.15, 0.65)
    assert [int(plane[0, 0, 0]) for plane in field.planes()] == [88, 89, 90, 91, 92]


def test_the_sheet_s_pixel_size_wins(training: Path) -> None:
    assert fields_of_jiang2018([training / "s3_l1"], 0.5)[0].pixel_um == 0.5


def test_slides_stay_apart(training: Path) -> None:
    _save(training / "s4_l1/Seg0_defocus0.jpg", 100)
    with pytest.raises(UserError, match=r"locations of 2 slides \(s3, s4.*wanted one slide in each row.*/s3_l\*"):
        fields_of_jiang2018([training], None)


def test_a_location_in_two_places_is_refused(training: Path, tmp_path: Path) -> None:
    _save(tmp_path / "copy/s3_l1/Seg0_defocus0.jpg", 100)
    with pytest.raises(UserError, match="got location s3_l1 a second time"):
        fields_of_jiang2018([training, tmp_path / "copy"], None)


def test_a_missing_patch_is_named(training: Path) -> None:
    (training / "s3_l1/Seg2_defocus-350.jpg").unlink()
    with pytest.raises(UserError, match=r"s3_l1: got no Seg2_defocus-350\.jpg"):
        fields_of_jiang2018([training], None)


def test_patches_of_another_size_are_named(training: Path) -> None:
    _save(training / "s3_l1/Seg2_defocus-350.jpg", 100, (220, 224))
    field, _ = fields_of_jiang2018([training], None)
    with pytest.raises(UserError, match=r"Seg2_defocus-350\.jpg: got 220×224 pixels; wanted 224×224"):
        list(field.planes())


def test_another_layout_is_reported(tmp_path: Path) -> None:
    _save(tmp_path / "slide3/defocus0.jpg", 100)
    with pytest.raises(UserError, match="got no folder named like s1_l2"):
        fields_of_jiang2018([tmp_path], None)
