"""Jitter of stain, lamp and camera: what it changes, what it leaves, how far it goes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tsva.settings.train import TrainSettings
from tsva.training.dataset import DARKEST, augmented


def batch(size: int = 64, channels: int = 3, level: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    images = 0.05 + 0.9 * torch.rand(3, size, channels, 16, 16)
    low, high, target = images if level is None else torch.full_like(images, level)
    return low, high, target


def jitter(shots: tuple[Tensor, Tensor, Tensor], seed: int = 2, **keys: float) -> tuple[Tensor, Tensor, Tensor]:
    settings = TrainSettings.model_validate({"stain_jitter": 0, "lamp_jitter": 0, "noise_jitter": 0, **keys})
    torch.manual_seed(seed)
    return augmented(*shots, settings)


def test_without_jitter_nothing_changes() -> None:
    for before, after in zip(batch(), jitter(batch()), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("keys", [{"stain_jitter": 0.3}, {"lamp_jitter": 0.2}])
def test_stain_and_lamp_change_shots_and_target_alike_and_pairs_differently(channels: int, keys: dict) -> None:
    low, _, _ = batch(channels=channels)
    first, second, third = jitter((low, low, low), **keys)
    assert torch.equal(first, second) and torch.equal(first, third)
    ratios = (first / low).mean(dim=(1, 2, 3))
    assert ratios.unique().numel() == len(low)


def test_another_stain_is_a_linear_map_of_optical_densities() -> None:
    # Densities of one pair before and after are related by one 3×3 matrix, wherever nothing was clipped.
    low, high, target = batch(size=1)
    after = jitter((low, high, target), stain_jitter=0.2)[0]
    before = -torch.log(low[0].flatten(1).double())
    density = -torch.log(after[0].flatten(1).double())
    inside = (density > 1e-3).all(dim=0)
    mixing = torch.linalg.lstsq(before[:, inside].T, density[:, inside].T).solution
    # float32 logarithms of numbers above 0.05, times a matrix near one: some units of 1e-7
    torch.testing.assert_close(before[:, inside].T @ mixing, density[:, inside].T, rtol=0, atol=1e-5)
    assert (mixing - torch.eye(3)).abs().max() > 0.02


def test_black_and_white_stay_what_they_are() -> None:
    white = jitter(batch(level=1.0), stain_jitter=0.3)[2]
    torch.testing.assert_close(white, torch.ones_like(white))
    dark = jitter(batch(level=0.0), stain_jitter=0.1)[2]
    assert dark.max() < DARKEST**0.4


def test_noise_comes_upon_the_shots_alone_and_not_beyond_its_bound() -> None:
    before = batch(size=200, level=0.5)
    low, high, target = jitter(before, noise_jitter=0.02)
    assert torch.equal(target, before[2])
    spread = (low - before[0]).std(dim=(1, 2, 3))
    # Even between 0 and 0.02; 768 samples know a standard deviation to 1 / √(2·768) = 2.6 %, here 4 of those.
    assert spread.max() < 0.02 * 1.11 and spread.min() < 0.002
    assert spread.mean() == pytest.approx(0.01, rel=0.2)
    correlation = ((low - 0.5) * (high - 0.5)).mean() / ((low - 0.5).std() * (high - 0.5).std())
    assert abs(float(correlation)) < 0.02


def test_the_lamp_stays_within_its_share() -> None:
    ratios = jitter(batch(size=300, level=0.5), lamp_jitter=0.1)[2][:, 0, 0, 0] / 0.5
    assert 0.9 <= ratios.min() < 0.92 and 1.08 < ratios.max() <= 1.1


def test_everything_stays_in_range() -> None:
    for image in jitter(batch(), stain_jitter=0.5, lamp_jitter=0.5, noise_jitter=0.3):
        assert image.min() >= 0 and image.max() <= 1
