"""ImageJ's steps against closed forms, and on images that have nothing to count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from scipy import ndimage

from tsva.evaluation.counting.imagej import contrast_table, count, fill_holes, grey, histogram, particles, segment
from tsva.evaluation.counting.threshold import METHODS, threshold
from tsva.evaluation.counting.watershed import watershed
from tsva.settings.evaluation import CountSettings

MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))
HISTOGRAMS = arrays(np.int64, 256, elements=st.integers(0, 50), fill=st.just(0)).filter(lambda counts: counts.sum() > 0)


def picture(text: str) -> np.ndarray:
    """A mask drawn in # and ."""
    return np.array([[letter == "#" for letter in line] for line in text.split()])


# --- grey and contrast


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_grey_is_the_rounded_mean(rgb):
    image = np.array(rgb, np.uint8).reshape(1, 1, 3)
    assert grey(image)[0, 0] == int(sum(rgb) / 3 + 0.5)


def test_grey_images_stay():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    assert np.array_equal(grey(image), image[..., 0])


def test_minmax_reaches_both_ends():
    counts = histogram(np.array([[10, 60, 110]], np.uint8))
    table = contrast_table(counts, CountSettings(contrast="minmax"))
    # (60 - 10) / 100 · 256 = 128
    assert [table[value] for value in (0, 10, 60, 110, 255)] == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(("contrast", "scale"), [("saturation", 256), ("normalize", 255)])
def test_saturated_pixels_don_t_set_the_limits(contrast, scale):
    counts = np.zeros(256, int)
    counts[[0, 50, 100, 150, 255]] = [5, 400, 190, 400, 5]
    table = contrast_table(counts, CountSettings(contrast=contrast, saturated_percent=1))
    # int(1000 · 1 / 200) = 5 pixels may be cut off at either end
    assert [table[value] for value in (50, 100, 150)] == [0, int(0.5 * scale), 255]
    kept = contrast_table(counts, CountSettings(contrast=contrast, saturated_percent=0.9))
    assert kept[50] == int(50 / 255 * scale)


# --- thresholds


def two_peaks(dark: int, light: int) -> np.ndarray:
    counts = np.zeros(256)
    for centre, height in ((dark, 600), (light, 1000)):
        counts += height * np.exp(-(((np.arange(256) - centre) / 12) ** 2) / 2)
    return counts.astype(int)


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("percentile", "triangle", "mean")])
def test_methods_part_two_peaks(method):
    assert 60 <= threshold(two_peaks(60, 180), method) < 180


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25, deadline=None)
@given(counts=HISTOGRAMS)
def test_every_histogram_has_a_threshold(method, counts):
    assert -1 <= threshold(counts, method) <= 255


@given(HISTOGRAMS)
def test_otsu_maximises_the_variance_between_classes(counts):
    share, level = counts / counts.sum(), np.arange(256)

    def between(split):
        below = share[: split + 1].sum()
        if below in (0, 1):
            return 0.0
        dark, light = (
            share[: split + 1] @ level[: split + 1] / below,
            share[split + 1 :] @ level[split + 1 :] / (1 - below),
        )
        return below * (1 - below) * (dark - light) ** 2

    best = max(between(split) for split in range(1, 255))
    # Sums of 256 products, each good to 1e-16, of squares up to 2^16.
    assert between(threshold(counts, "otsu")) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("method", ["mean", "percentile"])
def test_simple_statistics(method):
    values = np.array([0, 10, 20, 20, 20, 30, 30, 46], np.uint8)
    # The mean is 22; 5 of 8 values are 20 or less, the share nearest to a half.
    assert threshold(histogram(values[None]), method) == {"mean": 22, "percentile": 20}[method]


@pytest.mark.parametrize("method", METHODS)
def test_two_grey_values_are_parted_and_one_is_not_dark(method):
    counts = np.zeros(256, int)
    counts[200] = 700
    assert threshold(counts, method) == 199
    counts[40] = 300
    assert 40 <= threshold(counts, method) < 200


def test_an_empty_histogram_is_refused():
    with pytest.raises(ValueError, match="at least one pixel"):
        threshold(np.zeros(256, int), "otsu")


# --- holes and particles


def test_holes_are_filled_through_sides_alone():
    ring = picture(".#.. #.#. .#..")
    assert np.array_equal(fill_holes(ring), picture(".#.. ###. .#.."))
    open_side = picture("##.. #.#. ###.")
    assert np.array_equal(fill_holes(open_side), picture("##.. ###. ###."))
    at_border = picture("#.#. ###. ....")
    assert np.array_equal(fill_holes(at_border), at_border)


@given(MASKS)
def test_filled_holes_are_scipy_s(mask):
    assert np.array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_corners_connect_particles():
    found = particles(picture("#.... .#... ...## ....#"))
    assert found.area_px.tolist() == [2, 3]
    assert found.y_px == pytest.approx([1, 8.5 / 3]) and found.x_px == pytest.approx([1, 12.5 / 3])


def test_size_limits_are_inclusive():
    mask = picture("#.##.###.####")
    assert particles(mask, min_area_px=2, max_area_px=3).area_px.tolist() == [2, 3]


def test_border_excludes():
    mask = picture("##... ##... ...#. .#... .....")
    assert particles(mask, exclude_edges=True).area_px.tolist() == [1, 1]


def test_holes_and_what_lies_in_them_are_counted_as_asked():
    mask = picture("##### #...# #.#.# #...# #####")
    assert particles(mask).area_px.tolist() == [16, 1]
    assert particles(mask, include_holes=True).area_px.tolist() == [25]
    assert particles(mask, include_holes=True, max_area_px=24).count == 0


@given(MASKS, st.integers(0, 5), st.booleans())
def test_labels_areas_and_centroids_agree(mask, smallest, include_holes):
    found = particles(mask, min_area_px=smallest, include_holes=include_holes)
    labels = found.labels
    assert found.count == labels.max()
    assert np.array_equal(np.bincount(labels.ravel())[1:], found.area_px)
    for number in range(1, found.count + 1):
        y, x = np.nonzero(labels == number)
        assert (y.mean() + 0.5, x.mean() + 0.5) == pytest.approx((found.y_px[number - 1], found.x_px[number - 1]))
    assert not np.any(found.outlines() & (labels == 0))


def test_outlines_are_one_pixel_wide():
    found = particles(np.pad(np.ones((4, 5), bool), 2))
    assert found.outlines().sum() == 14
    assert np.array_equal(
        particles(np.ones((4, 5), bool)).outlines(), np.pad(np.zeros((2, 3), bool), 1, constant_values=True)
    )


# --- watershed


def disks(*circles, shape=(60, 90)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.any([(y - cy) ** 2 + (x - cx) ** 2 <= r**2 for cy, cx, r in circles], axis=0)


def test_touching_disks_are_parted_at_the_neck():
    mask = disks((30, 30, 14), (30, 54, 14))
    parted = watershed(mask)
    assert particles(mask).count == 1 and particles(parted).count == 2
    lost = np.argwhere(mask & ~parted)
    assert np.abs(lost[:, 1] - 42).max() <= 1
    areas = particles(parted).area_px
    assert abs(int(areas[0]) - int(areas[1])) <= len(lost)


@pytest.mark.parametrize("circles", [[(30, 30, 14)], [(30, 30, 14), (30, 33, 14)], [(0, 0, 20)], [(30, 45, 29)]])
def test_one_nucleus_stays_whole(circles):
    mask = disks(*circles)
    assert np.array_equal(watershed(mask), mask)


def test_watershed_of_nothing_and_of_everything():
    for mask in (np.zeros((9, 9), bool), np.ones((9, 9), bool)):
        assert np.array_equal(watershed(mask), mask)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_watershed_takes_lines_away_and_nothing_else(seed):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(48, 60)), 2)
    mask = noise > 0
    parted = watershed(mask)
    assert not np.any(parted & ~mask)
    before, after = ndimage.label(mask, np.ones((3, 3)))[0], ndimage.label(parted, np.ones((3, 3)))[0]
    # Every particle keeps a part, and no part joins two particles.
    assert set(np.unique(before[parted])) == set(np.unique(before[mask]))
    for part in range(1, after.max() + 1):
        assert len(np.unique(before[after == part])) == 1
    # A line is nowhere wider than two pixels: no removed pixel lies more than one from what is left.
    assert not np.any(mask & ~parted & ~ndimage.binary_dilation(parted, np.ones((3, 3))))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.integers(0, 3))
def test_watershed_moves_with_the_image(seed, down, right):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(40, 44)), 2)
    mask = np.pad(noise > 0, 4)
    moved = watershed(np.roll(mask, (down, right), (0, 1)))
    assert np.array_equal(moved, np.roll(watershed(mask), (down, right), (0, 1)))


# --- all steps


def stained(nuclei, background=210, colour=80, noise=4, size=160):
    generator = np.random.default_rng(3)
    image = np.full((size, size), float(background))
    y, x = np.mgrid[:size, :size]
    for index in range(nuclei):
        cy, cx = 20 + 30 * (index // 5), 20 + 30 * (index % 5)
        image[(y - cy) ** 2 + (x - cx) ** 2 <= 64] = colour
    image += generator.normal(0, noise, image.shape)
    return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("watershed_too", [False, True])
@pytest.mark.parametrize("nuclei", [1, 7, 20])
def test_nuclei_are_counted(nuclei, watershed_too):
    assert count(stained(nuclei), CountSettings(watershed=watershed_too), 0.345).count == nuclei


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("contrast", ["none", "minmax", "saturation", "normalize"])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_one_colour_has_no_nuclei(method, contrast, value):
    image = np.full((40, 40, 3), value, np.uint8)
    settings = CountSettings(threshold=method, contrast=contrast, min_area_um2=0, watershed=True)
    assert count(image, settings, 0.345).count == 0


@pytest.mark.parametrize("method", METHODS)
def test_black_and_white_images_are_parted(method):
    image = np.full((40, 40, 3), 255, np.uint8)
    image[5:15, 5:15] = 0
    found = count(image, CountSettings(threshold=method, contrast="none", min_area_um2=1), 0.5)
    assert found.area_px.tolist() == [100]


def test_an_image_full_of_nuclei_counts_no_giant():
    found = count(stained(0, background=80, noise=6), CountSettings(), 0.345)
    # Noise of one dark tone falls apart into specks: nothing of a nucleus's size.
    assert (found.area_px * 0.345**2 <= 2000).all()


def test_sizes_are_in_micrometres():
    image = np.full((60, 60, 3), 220, np.uint8)
    image[10:20, 10:20] = 40
    for pixel_um, expected in ((0.5, 1), (0.2, 0), (6.0, 0)):  # 25, 4 and 3600 µm²
        assert count(image, CountSettings(contrast="none"), pixel_um).count == expected


def test_segment_takes_what_is_dark():
    image = np.full((20, 20, 3), 220, np.uint8)
    image[5:15, 5:15] = 40
    assert np.array_equal(segment(image, CountSettings(contrast="none")), image[..., 0] == 40)


def test_size_limits_have_to_rise():
    with pytest.raises(ValidationError, match="at most max_area_um2"):
        CountSettings(min_area_um2=10, max_area_um2=5)
