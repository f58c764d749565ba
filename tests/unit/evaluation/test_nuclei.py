"""Nuclei by stain, on images whose stains are put together by the Beer-Lambert law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.color import rgb_from_hdx, rgb_from_hed
from skimage.morphology import reconstruction

from tsva.evaluation.counting.stained_nuclei import _reconstructed, find_nuclei, haematoxylin
from tsva.settings.evaluation import NucleiSettings

PIXEL_UM = 0.345
SETTINGS = NucleiSettings()


def stained(first: np.ndarray, second: np.ndarray | float, vectors: np.ndarray = rgb_from_hed) -> np.ndarray:
    """Two stains' optical densities, (Y, X) each, to (Y, X, 3) uint8: 10 to the minus density along the vectors."""
    density = first[..., None] * vectors[0] + np.broadcast_to(second, first.shape)[..., None] * vectors[1]
    return np.rint(255 * 10**-density).astype(np.uint8)


def disks(*circles, shape=(120, 150)):
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.any([(y - cy) ** 2 + (x - cx) ** 2 <= r**2 for cy, cx, r in circles], axis=0)


@given(st.floats(0, 0.8), st.floats(0, 0.8))
def test_haematoxylin_is_distinct_from_eosin(blue, red):
    found = haematoxylin(stained(np.full((2, 2), blue), red), "h_e")
    # A grey level's rounding by a half at 255 · 10^-1.6 = 6.4 or lighter is a density of 0.036 at most, and the
    # unmixing's row for haematoxylin has no coefficients that sum to more than 4.
    assert found == pytest.approx(np.full((2, 2), blue), abs=4 * 0.036)


def test_density_adds_up():
    amounts = np.array([[0.1, 0.2, 0.4, 0.8]])
    # At an eosin of 0.1 no channel is darker than 255 · 10^-0.66 = 56: rounding by a half is a density of 0.004.
    assert haematoxylin(stained(amounts, 0.1), "h_e") == pytest.approx(amounts, abs=4 * 0.004)


def test_brown_is_not_counted():
    blue, brown = disks((30, 40, 11)), disks((80, 100, 11))
    image = stained(0.05 + 0.5 * blue, 0.6 * brown, rgb_from_hdx)
    found = find_nuclei(image, NucleiSettings(stain="h_dab"), PIXEL_UM)
    assert found.centres_px == pytest.approx(np.array([[30, 40]]), abs=0.5)


@pytest.mark.parametrize("count", [1, 4, 12])
def test_count_area_and_centres(count):
    centres = [(20 + 28 * (index // 4), 20 + 32 * (index % 4)) for index in range(count)]
    mask = disks(*[(y, x, 9) for y, x in centres])
    found = find_nuclei(stained(0.03 + 0.4 * mask, 0.3), SETTINGS, PIXEL_UM)
    assert found.centres_px == pytest.approx(np.array(centres, float), abs=0.5)
    # The threshold lies between the mask's two levels; the outline moves by less than a pixel.
    assert np.all((found.area_px > np.pi * 8**2) & (found.area_px < np.pi * 10**2))
    assert set(np.unique(found.labels)) == set(range(count + 1))


def test_a_patch_without_nuclei_has_none():
    texture = 0.02 * np.random.default_rng(1).normal(size=(100, 100)) + 0.05
    assert find_nuclei(stained(texture.clip(0), 0.5), SETTINGS, PIXEL_UM).count == 0


@pytest.mark.parametrize(("least", "count"), [(0.3, 2), (0.5, 1), (0.7, 0)])
def test_nuclei_paler_than_the_least_density_are_not_counted(least, count):
    density = 0.03 + 0.4 * disks((30, 40, 11)) + 0.6 * disks((80, 100, 11))
    assert find_nuclei(stained(density, 0.1), NucleiSettings(min_density=least), PIXEL_UM).count == count


def test_smoothing_takes_dark_pixels_and_leaves_nuclei():
    """A pixel of density 0.5 keeps, at a standard deviation of one pixel, 0.5 / 2π = 0.08 of it."""
    specks = np.zeros((120, 150), bool)
    specks[10::20, 70::20] = True
    density = 0.5 * (specks | disks((30, 30, 11)))
    counts = [
        find_nuclei(stained(density, 0.1), NucleiSettings(smoothing_um=um, min_area_um2=0), PIXEL_UM).count
        for um in (0, PIXEL_UM)
    ]
    assert counts == [1 + specks.sum(), 1]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("value", [0, 90, 255])
def test_one_colour_has_no_nuclei(value, channels):
    assert find_nuclei(np.full((40, 40, channels), value, np.uint8), SETTINGS, PIXEL_UM).count == 0


def test_black_and_white_is_parted():
    image = np.where(disks((50, 60, 12)), 0, 255).astype(np.uint8)
    for channels in (1, 3):
        found = find_nuclei(np.repeat(image[..., None], channels, axis=2), SETTINGS, PIXEL_UM)
        assert found.centres_px == pytest.approx(np.array([[50, 60]]), abs=0.5)


def test_touching_nuclei_are_parted_and_long_ones_are_not():
    two = stained(0.03 + 0.4 * disks((50, 50, 10), (50, 67, 10)), 0.3)
    assert find_nuclei(two, SETTINGS, PIXEL_UM).count == 2
    long = stained(0.03 + 0.4 * disks(*[(50, x, 8) for x in np.arange(40, 70, 0.5)]), 0.3)
    assert find_nuclei(long, SETTINGS, PIXEL_UM).count == 1
    assert find_nuclei(two, NucleiSettings(split_um=4), PIXEL_UM).count == 1


def test_crowded_nuclei_come_to_an_end():
    generator = np.random.default_rng(4)
    circles = np.column_stack([generator.uniform(0, 120, (200, 2)), generator.uniform(6, 10, 200)])
    found = find_nuclei(stained(0.03 + 0.4 * disks(*circles), 0.3), SETTINGS, PIXEL_UM)
    assert found.count > 0


def test_lengths_are_in_micrometres():
    """The same tissue at half the pixel size."""
    circles = np.array([(30, 30, 9), (30, 46, 9), (80, 90, 12), (90, 30, 3.5)])
    coarse = find_nuclei(stained(0.03 + 0.4 * disks(*circles), 0.3), SETTINGS, PIXEL_UM)
    fine_image = stained(0.03 + 0.4 * disks(*(2 * circles), shape=(240, 300)), 0.3)
    fine = find_nuclei(fine_image, SETTINGS, PIXEL_UM / 2)
    assert coarse.count == fine.count == 3  # 3.5 pixels' radius is 4.6 µm²
    assert sorted(fine.y_px / 2) == pytest.approx(sorted(coarse.y_px), abs=0.5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 7), st.integers(0, 10**6))
def test_turned_images_have_turned_nuclei(turn, seed):
    generator = np.random.default_rng(seed)
    circles = np.column_stack([generator.uniform(0, 100, (12, 2)), generator.uniform(6, 10, 12)])
    image = stained(0.03 + 0.4 * disks(*circles, shape=(100, 100)), 0.3)
    turned = np.rot90(image if turn < 4 else image[::-1], turn)
    whole, again = (find_nuclei(one, SETTINGS, PIXEL_UM) for one in (image, turned))
    # Pixels as far from two nuclei as from each other go to either.
    assert again.count == whole.count
    assert again.area_px.sum() == whole.area_px.sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.sampled_from([0.0, 0.1, 0.4, 2.0]))
def test_reconstruction_by_regions_is_that_of_the_whole_image(seed, share, split_um):
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.normal(size=(48, 61)), 1.5, mode="wrap")
    mask = field > np.quantile(field, share)
    depth_um = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask) * PIXEL_UM, 1)
    ground, lowered = (np.where(mask, depth_um - lower, -split_um) for lower in (0, split_um))
    found = _reconstructed(lowered, ground, mask)
    np.testing.assert_array_equal(found, reconstruction(lowered, ground))
    assert split_um == 0 or (found[mask] < ground[mask]).any()
