"""Fitting: it learns, repeats itself to the bit, keeps the best step, and stops at what is no number."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

import tsva.training.fit
from tsva.restoration.pair_network import SharperShotNetwork
from tsva.settings.train import TrainSettings
from tsva.training.dataset import verification_batches
from tsva.training.fit import Fitted, fit
from tsva.training.loop import ROUNDING_MSE, DivergedError, error_psnr_db, image_loss
from tsva.training.patches import PatchStacks


@pytest.fixture(scope="module")
def fitted(training: PatchStacks, verification: PatchStacks, small: TrainSettings) -> Fitted:
    return fit("tsva", training, verification, small, seed=1)


def test_it_learns(fitted: Fitted) -> None:
    # The starting point is Y1 itself (zero start), so anything above is learnt.
    best = max(fitted.log_rows, key=lambda row: row["verification_psnr_db"])
    assert best["verification_psnr_db"] > best["verification_y1_psnr_db"] + 0.5
    assert best["step"] == fitted.best_step
    assert fitted.log_rows[-1]["training_loss"] < fitted.log_rows[0]["training_loss"]


def test_the_log_has_a_row_a_verification_and_the_learning_rate_rises_and_falls(
    fitted: Fitted,
) -> None:
    assert [row["step"] for row in fitted.log_rows] == [30, 60, 90]
    assert [row["epoch"] for row in fitted.log_rows] == [15, 30, 45]  # 8 patches, 4 a step
    rates = [row["learning_rate"] for row in fitted.log_rows]
    assert rates == sorted(rates, reverse=True) and rates[-1] < rates[0] / 100


def test_the_same_seed_gives_the_same_weights_to_the_bit(
    fitted: Fitted, training: PatchStacks, verification: PatchStacks, small: TrainSettings
) -> None:
    again = fit("tsva", training, verification, small, seed=1)
    other = fit("tsva", training, verification, small, seed=2)
    assert all(torch.equal(fitted.weights[name], again.weights[name]) for name in fitted.weights)
    assert any(not torch.equal(fitted.weights[name], other.weights[name]) for name in fitted.weights)


def test_nothing_is_printed_warned_or_left_behind(
    training: PatchStacks, verification: PatchStacks, small: TrainSettings, tmp_path, monkeypatch, capfd
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = small.model_copy(update={"steps": 2, "verifications": 1})
    state = torch.get_rng_state()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit("unet", training, verification, settings, seed=1)
    assert [str(warning.message) for warning in caught] == []
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.get_rng_state(), state)


class _Breaks(SharperShotNetwork):
    """Learns nothing, and returns what is no number at its fourth step of training."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, low: torch.Tensor, high: torch.Tensor, decision: object = None) -> torch.Tensor:  # noqa: ARG002
        if self.training:
            self.calls += 1
        return (low + high) / 2 * self.weight * (torch.nan if self.training and self.calls == 4 else 1.0)


def test_a_loss_that_is_no_number_stops_training_and_the_last_good_weights_stay(
    training: PatchStacks, verification: PatchStacks, small: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tsva.training.fit, "multiply_accumulates", lambda *_: 0)
    monkeypatch.setattr(tsva.training.fit, "build", lambda *_: _Breaks())
    settings = small.model_copy(update={"steps": 6, "verifications": 2})
    broken = fit("tsva", training, verification, settings, seed=1)
    assert broken.diverged_at == 3 and broken.best_step == 3
    assert all(torch.isfinite(weight).all() for weight in broken.weights.values())


def test_a_loss_that_is_no_number_before_any_verification_leaves_nothing_to_keep(
    training: PatchStacks, verification: PatchStacks, small: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tsva.training.fit, "multiply_accumulates", lambda *_: 0)
    monkeypatch.setattr(tsva.training.fit, "build", lambda *_: _Breaks())
    with pytest.raises(DivergedError, match="step 3"):
        fit("tsva", training, verification, small.model_copy(update={"steps": 6, "verifications": 1}), seed=1)


def test_ten_steps_have_room_to_rise_in(training: PatchStacks, verification: PatchStacks, small: TrainSettings) -> None:
    settings = small.model_copy(update={"steps": 10, "verifications": 1, "width": 2})
    assert fit("unet", training, verification, settings, seed=1).steps == 10


def test_without_patches_or_with_too_large_a_crop_there_is_no_training(
    training: PatchStacks, verification: PatchStacks, small: TrainSettings
) -> None:
    none = training.subset(np.zeros(len(training), bool))
    with pytest.raises(ValueError, match="0 training"):
        fit("tsva", none, verification, small, seed=1)
    with pytest.raises(ValueError, match="larger than a patch"):
        fit("tsva", training, verification, small.model_copy(update={"crop_px": 64}), seed=1)


@pytest.mark.parametrize(("loss", "expected"), [("mse", 0.01), ("log_mse", float(np.log(0.01 + ROUNDING_MSE)))])
def test_losses_are_their_closed_forms(loss: Literal["mse", "log_mse"], expected: float) -> None:
    restored, target = torch.full((2, 3, 8, 8), 0.4), torch.full((2, 3, 8, 8), 0.5)
    assert float(image_loss(loss, restored, target)) == pytest.approx(expected, rel=1e-4)


def test_under_the_logarithm_pairs_weigh_alike_and_not_by_their_error() -> None:
    restored = torch.stack([torch.full((3, 8, 8), 0.5), torch.full((3, 8, 8), 0.9)])
    target = torch.full((2, 3, 8, 8), 0.4)
    expected = (np.log(0.01 + ROUNDING_MSE) + np.log(0.25 + ROUNDING_MSE)) / 2
    assert float(image_loss("log_mse", restored, target)) == pytest.approx(expected, rel=1e-4)


def test_the_average_of_weights_and_of_statistics_is_what_is_kept(
    training: PatchStacks, verification: PatchStacks, small: TrainSettings
) -> None:
    # The average begins with the first step's weights; a decay of (almost) one keeps them, batch statistics too.
    frozen = small.model_copy(update={"ema_decay": 1 - 1e-9, "steps": 5, "verifications": 1, "schedule": "constant"})
    kept = fit("tsva", training, verification, frozen, seed=3).weights
    first = fit("tsva", training, verification, frozen.model_copy(update={"steps": 1}), seed=3).weights
    followed = frozen.model_copy(update={"ema_decay": 0.0})
    last = fit("tsva", training, verification, followed, seed=3).weights
    for name in (name for name, weight in first.items() if weight.is_floating_point()):
        torch.testing.assert_close(kept[name], first[name], rtol=0, atol=1e-6)
        assert not torch.allclose(last[name], first[name], rtol=0, atol=1e-6)


def test_as_many_pairs_are_verified_as_the_settings_say(
    training: PatchStacks, verification: PatchStacks, small: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def scored(pairs):
        seen.append(len(pairs))
        return verification_batches(pairs)

    monkeypatch.setattr("tsva.training.loop.verification_batches", scored)
    settings = small.model_copy(update={"steps": 2, "verifications": 1, "verification_pairs": 3})
    fit("tsva", training, verification, settings, seed=1)
    assert seen and set(seen) == {3}


def test_eight_bits_and_psnr_are_those_of_the_scores() -> None:
    from tsva.acquisition import stack
    from tsva.evaluation import scoring

    random = np.random.default_rng(0)
    image, target = random.uniform(-0.1, 1.1, (2, 3, 8, 8, 3))
    rounded, level = (stack.grey_levels(torch.from_numpy(images)) / 255 for images in (image, target))
    np.testing.assert_array_equal((rounded * 255).round().numpy(), stack.eight_bits(image))
    errors = (rounded - level).square().mean(dim=(1, 2, 3))
    expected = scoring.psnr_db(stack.eight_bits(image), stack.eight_bits(target))
    np.testing.assert_allclose(error_psnr_db(errors).numpy(), expected, rtol=1e-12)


def test_patches_are_read_where_they_lie(training: PatchStacks) -> None:
    assert dataclasses.replace(training).arrays[0] is training.arrays[0]
    assert training.subset(np.arange(8) < 3).arrays[0] is training.arrays[0]
