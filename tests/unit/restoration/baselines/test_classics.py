"""Mean, denoising, focus stacking, Richardson-Lucy."""

from __future__ import annotations

import numpy as np
import pytest
from test_wiener import OPTICS, pair, psnr

from tsva.acquisition.pair import Pair, floats, high_is_y1, y1_of
from tsva.restoration.baselines.classics import denoise, focus_stack, mean, richardson_lucy, sharper_shot_matched
from tsva.restoration.baselines.one_by_one import Known
from tsva.settings.restoration import BaselineSettings

KNOWN = Known(BaselineSettings())


def test_mean_halves_the_noises_variance() -> None:
    low, high = np.random.default_rng(0).normal(128, 8, (2, 100, 100, 3)).round().astype(np.uint8)
    restored = mean(Pair(low, high, 0.5, OPTICS), KNOWN).image
    np.testing.assert_allclose(restored, (low / 255 + high / 255) / 2, atol=1e-7)
    assert np.var(restored) == pytest.approx(np.var(low / 255.0) / 2, rel=0.05)


def test_grey_shots_are_denoised_in_their_own_shape() -> None:
    low = np.random.default_rng(2).normal(128, 8, (64, 64, 1)).round().astype(np.uint8)
    restored = denoise(Pair(low, np.full_like(low, 128), 0.5, OPTICS), KNOWN).image
    assert restored.shape == low.shape and restored.var() < 0.5 * np.var(low / 255)


@pytest.mark.parametrize("gain", [0.94, 1.0, 1.06])
def test_y1_matched_undoes_gain_and_nothing_else(gain: float) -> None:
    """A shot that is the ground truth under another lamp comes back as the ground truth, to its rounding."""
    truth = np.random.default_rng(1).integers(60, 230, (64, 64, 3), dtype=np.uint8)
    shot = np.rint(truth * gain).astype(np.uint8)
    given = Pair(shot, np.full_like(shot, 128), 0.5, OPTICS, target_means=truth.mean(axis=(0, 1)))
    restored = sharper_shot_matched(given, KNOWN).image
    assert np.abs(restored * 255 - truth).max() < 0.7
    assert psnr(restored, truth / 255.0) > 55
    with pytest.raises(ValueError, match="no ground truth"):
        sharper_shot_matched(Pair(shot, shot, 0.5, OPTICS), KNOWN)


def test_denoising_takes_noise_and_leaves_edges() -> None:
    clean = np.kron(np.array([[0.3, 0.7], [0.6, 0.4]]), np.ones((40, 40)))[..., None].repeat(3, axis=2)
    noisy = np.rint(255 * (clean + np.random.default_rng(0).normal(0, 0.02, clean.shape))).clip(0, 255).astype(np.uint8)
    restored = denoise(Pair(noisy, np.full_like(noisy, 128), 0.5, OPTICS), KNOWN).image
    assert psnr(restored, clean) > psnr(noisy / 255.0, clean) + 6
    flat = np.full((40, 40, 3), 90, np.uint8)
    np.testing.assert_allclose(denoise(Pair(flat, flat, 0.5, OPTICS), KNOWN).image, 90 / 255, atol=1e-6)


def test_a_higher_strength_leaves_less_noise() -> None:
    noisy = np.random.default_rng(3).normal(128, 5, (64, 64, 3)).round().astype(np.uint8)
    left = [
        denoise(Pair(noisy, np.full_like(noisy, 128), 0.5, OPTICS), Known(BaselineSettings(denoise_strength=strength)))
        for strength in (0.2, 0.8, 2.0)
    ]
    deviations = [restored.image.std() for restored in left]
    assert deviations[0] > 2 * deviations[1] > 2 * deviations[2]


def test_focus_stacking_takes_each_part_from_the_sharper_shot() -> None:
    random = np.random.default_rng(0)
    detail = random.integers(60, 200, (96, 128, 3)).astype(np.uint8)
    flat = np.full_like(detail, 128)
    low, high = detail.copy(), flat.copy()
    low[:, 64:], high[:, 64:] = flat[:, 64:], detail[:, 64:]
    restored = focus_stack(Pair(low, high, 0.5, OPTICS), KNOWN).image
    np.testing.assert_allclose(restored[:, :48], floats(detail)[:, :48], atol=0.01)
    np.testing.assert_allclose(restored[:, 80:], floats(detail)[:, 80:], atol=0.01)
    np.testing.assert_allclose(restored, focus_stack(Pair(high, low, 0.5, OPTICS), KNOWN).image, atol=1e-6)


def test_richardson_lucy_sharpens_what_its_point_spread_blurred() -> None:
    shots, target = pair(2.5, noise_sd=0.001)
    restored = richardson_lucy(shots, KNOWN).image
    assert psnr(restored, target) > psnr(y1_of(shots), target) + 0.5
    with pytest.raises(ValueError, match="isn't known"):
        richardson_lucy(Pair(shots.low, shots.high, 0.5, OPTICS), KNOWN)


def test_more_iterations_of_richardson_lucy_bring_back_more_detail() -> None:
    shots, target = pair(2.5, noise_sd=0.0001)
    quality = [
        psnr(richardson_lucy(shots, Known(BaselineSettings(richardson_lucy_iterations=count))).image, target)
        for count in (1, 5, 20)
    ]
    assert quality == sorted(quality)
    assert quality[2] > quality[0] + 0.3


def test_the_sharper_shot_is_y1_and_a_tie_goes_to_the_lower() -> None:
    shots, _ = pair(1.5)
    assert not high_is_y1(shots) and high_is_y1(Pair(shots.high, shots.low, 0.5, OPTICS))
    flat = np.full((20, 20, 1), 7, np.uint8)
    assert not high_is_y1(Pair(flat, flat, 0.5, OPTICS))
