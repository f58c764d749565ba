import numpy as np
import pytest

from tsva.errors import UserError
from tsva.slides.two_planes import ArrayPlanes, join


class OnePlane:
    def __init__(self, pixels, where="one", pixel_um=0.3, magnification=None):
        self._pixels, self.where = pixels, where
        self.shape, self.channels = pixels.shape[:2], pixels.shape[2]
        self.pixel_um, self.magnification = pixel_um, magnification

    def read(self, y, x, height, width):
        return self._pixels[y : y + height, x : x + width]


@pytest.fixture
def pixels():
    return np.random.default_rng(1).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)


def test_arrays_are_read_by_region_and_told_apart_by_their_pixels(pixels):
    planes = ArrayPlanes(*pixels, pixel_um=0.3, delta_um=1.0)
    low, high = planes.read(3, 5, 10, 20)
    assert np.array_equal(low, pixels[0, 3:13, 5:25])
    assert np.array_equal(high, pixels[1, 3:13, 5:25])
    other = pixels.copy()
    other[1, 7, 7, 0] ^= 1
    assert ArrayPlanes(*other, pixel_um=0.3, delta_um=1.0).digest != planes.digest


def test_two_planes_are_joined(pixels):
    joined = join(OnePlane(pixels[0]), OnePlane(pixels[1], magnification=20), delta_um=0.5, pixel_um=None)
    assert (joined.shape, joined.channels, joined.pixel_um, joined.magnification) == ((40, 50), 3, 0.3, 20)
    assert np.array_equal(joined.read(1, 2, 3, 4)[1], pixels[1, 1:4, 2:6])


def test_the_users_pixel_size_wins(pixels):
    assert join(OnePlane(pixels[0]), OnePlane(pixels[1]), delta_um=0.5, pixel_um=0.25).pixel_um == 0.25


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"pixels": np.zeros((40, 49, 3), np.uint8)}, "40×50 and 40×49"),
        ({"pixels": np.zeros((40, 50, 1), np.uint8)}, "colour and a grey"),
        ({"pixels": np.zeros((40, 50, 3), np.uint8), "pixel_um": 0.4}, "0.3 and 0.4"),
    ],
)
def test_planes_that_do_not_fit_are_refused(pixels, other, word):
    with pytest.raises(UserError, match=word):
        join(OnePlane(pixels[0]), OnePlane(**other, where="two"), delta_um=0.5, pixel_um=None)


def test_an_unknown_pixel_size_is_refused(pixels):
    with pytest.raises(UserError, match="no pixel size"):
        join(OnePlane(pixels[0], pixel_um=None), OnePlane(pixels[1], pixel_um=None), delta_um=0.5, pixel_um=None)
