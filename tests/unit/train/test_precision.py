"""Mixed bfloat16, which GPUs and some CPUs train in: every network learns in it, physics stays in single precision."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from tsva.restoration.fusion.network import Fusion
from tsva.restoration.pair_network import build
from tsva.settings.methods import NETWORK_NAMES, NetworkName
from tsva.settings.train import FusionSettings, TrainSettings
from tsva.training.devices import precision
from tsva.training.fit import fit
from tsva.training.patches import PatchStacks

PREDICT_DIRECTLY = ("unet", "burst")
"""Networks without a residual, which starts at zero."""
BFLOAT16_STEP = 2.0**-8
"""Relative distance of neighbouring numbers."""


@pytest.fixture
def shots() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    low, high = (0.6 + 0.1 * torch.randn(2, 2, 3, 72, 80, generator=random)).clamp(0, 1)
    return low, high


def lively(name: NetworkName) -> nn.Module:
    """A network that changes something: its last convolution isn't zero, and it expects its image to be better."""
    torch.manual_seed(0)
    network = build(name, TrainSettings(width=4, levels=2), 3).eval()
    if name not in PREDICT_DIRECTLY:
        nn.init.normal_(network.last.weight, std=0.05)  # type: ignore[arg-type, union-attr]
    if getattr(network, "error", None) is not None:
        network.error.calibration.copy_(torch.tensor([0.1, 1.0]))  # type: ignore[union-attr, operator]
    return network


@pytest.mark.parametrize("mixed", [True, False], ids=["bf16-mixed", "32-true"])
@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_every_network_is_trained_in_either_precision(
    name: NetworkName,
    mixed: bool,
    training: PatchStacks,
    verification: PatchStacks,
    small: TrainSettings,
) -> None:
    fusion = FusionSettings(width=4, depth=1, crop_px=None, batch=4, offset_steps=5, microscopes=2)
    # the denoiser's training loss depends on the strength of noise that a step happens to draw, and it begins slowly
    steps = 72 if name == "denoiser" else 24
    settings = small.model_copy(update={"steps": steps, "verifications": 2, "fusion": fusion, "mixed_precision": mixed})
    fitted = fit(name, training, verification, settings, seed=1)
    assert fitted.diverged_at is None and [row["step"] for row in fitted.log_rows] == [steps // 2, steps]
    loss = "verification_loss" if name == "denoiser" else "training_loss"
    assert fitted.log_rows[-1][loss] < fitted.log_rows[0][loss]
    # kept in single precision, whatever the products were made in
    kinds = {weight.dtype for weight in fitted.weights.values() if weight.is_floating_point()}
    assert kinds == {torch.float32}


@torch.no_grad()
@pytest.mark.parametrize("name", ["fusion", "fusion_one_shot"])
def test_offsets_and_levels_are_found_in_single_precision(name: NetworkName, shots: tuple[Tensor, Tensor]) -> None:
    network = lively(name)
    assert isinstance(network, Fusion)
    plain = network.decide(*shots)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network.decide(*shots)
    for field in dataclasses.fields(plain):
        torch.testing.assert_close(getattr(mixed, field.name), getattr(plain, field.name), rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", ["fusion", "fusion_one_shot"])
def test_the_linear_estimate_is_made_in_single_precision(name: NetworkName, shots: tuple[Tensor, Tensor]) -> None:
    network = lively(name)
    made: list[Tensor] = []
    network.wiener.register_forward_hook(lambda _module, _inputs, made_now: made.append(made_now))  # type: ignore[operator, union-attr]
    network(*shots)
    with torch.autocast("cpu", torch.bfloat16):
        network(*shots)
    plain, mixed = made
    torch.testing.assert_close(mixed, plain, rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_mixed_precision_rounds_and_nothing_else(name: NetworkName, shots: tuple[Tensor, Tensor]) -> None:
    network = lively(name)
    plain = network(*shots)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network(*shots).float()
    # what the network adds (or, without a residual, makes) is rounded a few times on its way
    made = plain.std() if name in PREDICT_DIRECTLY else (plain - (shots[0] + shots[1]) / 2).std()
    assert 0 < (mixed - plain).square().mean().sqrt() < 4 * BFLOAT16_STEP * made


def test_the_setting_decides_on_every_machine(
    training: PatchStacks, verification: PatchStacks, small: TrainSettings
) -> None:
    assert precision(True) == "bf16-mixed" and precision(False) == "32-true"
    mixed, full = (
        fit("tsva", training, verification, small.model_copy(update={"steps": 2, "mixed_precision": mixed}), seed=1)
        for mixed in (True, False)
    )
    assert any(not torch.equal(full.weights[name], weight) for name, weight in mixed.weights.items())
