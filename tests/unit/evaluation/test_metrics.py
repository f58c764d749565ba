"""PSNR and SSIM against closed forms and against other people's code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from tsva.acquisition.stack import eight_bits
from tsva.evaluation.scoring import WINDOW_PX, best_shift_psnr_db, psnr_db, ssim


def noisy(seed: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    target = random.integers(0, 256, shape, np.uint8)
    image = np.clip(target + random.normal(0, 12, shape), 0, 255).astype(np.uint8)
    return image, target


@given(difference=st.integers(1, 255))
def test_psnr_of_a_constant_difference_is_its_closed_form(difference: int) -> None:
    targets = np.zeros((1, 4, 5, 3), np.uint8)
    images = targets + np.uint8(difference)
    assert psnr_db(images, targets)[0] == pytest.approx(20 * np.log10(255 / difference), abs=1e-12)


def test_psnr_takes_all_pixels_and_channels_of_each_image_alone() -> None:
    targets = np.zeros((2, 8, 8, 3), np.uint8)
    images = targets.copy()
    images[0, ..., 1] = 30  # one channel of three: mean squared error 900 / 3
    images[1, 0, 0, 0] = 255  # one value of 192
    expected = [10 * np.log10(255**2 / 300), 10 * np.log10(192)]
    np.testing.assert_allclose(psnr_db(images, targets), expected, rtol=1e-12)


def test_psnr_agrees_with_scikit_image() -> None:
    images, targets = noisy(0, (3, 20, 30, 3))
    expected = [peak_signal_noise_ratio(t, i, data_range=255) for i, t in zip(images, targets, strict=True)]
    np.testing.assert_allclose(psnr_db(images, targets), expected, rtol=1e-12)


def test_identical_images_have_no_psnr_and_an_ssim_of_one() -> None:
    images, targets = noisy(1, (2, 16, 16, 1))
    images[1] = targets[1]
    assert np.isnan(psnr_db(images, targets)).tolist() == [False, True]
    assert ssim(images, targets)[1, 1] == 1.0


def test_infinity_never_appears() -> None:
    zeros = np.zeros((1, 12, 12, 3), np.uint8)
    assert not np.isinf(psnr_db(zeros, zeros)).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_agrees_with_scikit_image_and_torchmetrics(channels: int) -> None:
    images, targets = noisy(2, (3, 40, 33, channels))
    targets = targets[:2]
    found = ssim(images, targets)
    assert found.shape == (2, 3)
    half = WINDOW_PX // 2
    for row, target in zip(found, targets, strict=True):
        # All in double precision; the variances are differences of numbers up to 255², so 1e-16 · 255² / C2 ≈ 1e-13.
        by_skimage = [
            structural_similarity(
                image,
                target,
                data_range=255,
                channel_axis=2,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for image in images
        ]
        np.testing.assert_allclose(row, by_skimage, atol=1e-10)
        pairs = images, np.broadcast_to(target, images.shape)
        x, y = (torch.from_numpy(a.transpose(0, 3, 1, 2).copy()).double() for a in pairs)
        _, full = structural_similarity_index_measure(x, y, sigma=1.5, data_range=255.0, return_full_image=True)
        inside = full[..., half:-half, half:-half].mean(dim=(1, 2, 3)).numpy()
        np.testing.assert_allclose(row, inside, atol=1e-10)


def test_ssim_of_two_flat_images_is_its_luminance_term() -> None:
    a, b, c1 = 100, 120, (0.01 * 255) ** 2
    images, targets = (np.full((1, 15, 15, 3), value, np.uint8) for value in (a, b))
    assert ssim(images, targets)[0, 0] == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-9)


def test_scores_are_symmetric_and_fall_with_noise() -> None:
    images, targets = noisy(3, (1, 32, 32, 3))
    worse = np.clip(targets + np.random.default_rng(4).normal(0, 40, targets.shape), 0, 255).astype(np.uint8)
    for score in (psnr_db, ssim):
        assert score(images, targets) == pytest.approx(score(targets, images), rel=1e-12)
        assert score(worse, targets).item() < score(images, targets).item()


@given(values=st.lists(st.floats(-2, 3), min_size=1, max_size=50))
def test_eight_bits_clips_and_is_never_off_by_more_than_half_a_level(values: list[float]) -> None:
    given_values = np.array(values)
    levels = eight_bits(given_values)
    assert levels.dtype == np.uint8
    assert np.all(np.abs(levels / 255 - np.clip(given_values, 0, 1)) <= 0.5 / 255 + 1e-12)


def test_wrong_shapes_types_and_small_images_are_refused() -> None:
    image = np.zeros((1, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="shape"):
        psnr_db(image, image[:, :8])
    with pytest.raises(ValueError, match="uint8"):
        psnr_db(image.astype(float), image)
    with pytest.raises(ValueError, match="shape"):
        ssim(image, image[:, :, :12])
    with pytest.raises(ValueError, match="11"):
        ssim(image[:, :10], image[:, :10])


def test_the_best_shift_is_found_and_scored_inside() -> None:
    random = np.random.default_rng(0)
    target = random.integers(0, 256, (40, 44, 3), np.uint8)
    noisy = np.clip(target + random.normal(0, 4, target.shape), 0, 255).round().astype(np.uint8)
    moved = np.roll(noisy, (2, -3), axis=(0, 1))
    inside = psnr_db(noisy[None, 3:-3, 3:-3], target[None, 3:-3, 3:-3])[0]
    assert best_shift_psnr_db(moved, target) == pytest.approx(inside)
    assert psnr_db(moved[None], target[None])[0] < inside - 10
    assert np.isnan(best_shift_psnr_db(np.roll(target, 1, axis=0), target))
