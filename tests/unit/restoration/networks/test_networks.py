"""The networks: size, start, symmetry, reach, any image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from tsva.acquisition.pair import Pair, brenner_of, high_is_sharper, high_is_y1, sharper_first
from tsva.acquisition.sharpness import brenner
from tsva.restoration.networks.parts import UpConvolution, reflected_to_multiple
from tsva.restoration.pair_network import SharperShot, build
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.methods import METHODS, NETWORK_NAMES, NetworkName
from tsva.settings.train import TrainSettings
from tsva.training.fit import multiply_accumulates

FULL = TrainSettings(width=64, levels=5, blend=False)
SMALL = TrainSettings(width=2, levels=3)
NAMES = sorted(name for name in NETWORK_NAMES if not METHODS[name].own_recipe)
"""Fusion, which is built otherwise, has tests of its own."""


def lively(name: NetworkName, seed: int = 0, channels: int = 3) -> nn.Module:
    """A small network in evaluation mode whose last convolution isn't zero and whose normalisations aren't neutral.

    Its own image is expected to be better than the shot.
    """
    torch.manual_seed(seed)
    network = build(name, SMALL, channels)
    nn.init.normal_(network.last.weight, std=0.5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.bias, 0.1, 0.5)  # away from ReLU's dead half, so that everything has a say
    if getattr(network, "error", None) is not None:
        network.error.calibration.copy_(torch.tensor([0.1, 1.0]))  # type: ignore[union-attr, operator]
    return network.eval()


def shots(height: int, width: int, channels: int = 3, seed: int = 1, batch: int = 1) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.rand(batch, channels, height, width), torch.rand(batch, channels, height, width)


@pytest.mark.parametrize(
    ("name", "layers", "parameters_m", "macs_g"),
    # TSVA: the paper's 27 layers; the other two figures are of the reading in docs/networks.md. U-Net has 23 layers
    # and 31.0 M parameters (Ronneberger et al. 2015).
    [("tsva", 27, 39.4, 71.3), ("unet", 23, 31.0, 41.8), ("unet_residual", 27, 34.2, 49.2)],
)
def test_size_at_full_width(name: NetworkName, layers: int, parameters_m: float, macs_g: float) -> None:
    with torch.device("meta"):
        network = build(name, FULL, 3)
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == layers
    assert round(sum(weight.numel() for weight in network.parameters()) / 1e6, 1) == parameters_m
    assert round(multiply_accumulates(name, FULL, 3) / 1e9, 1) == macs_g


def test_arithmetic_of_a_small_network_by_hand() -> None:
    # Two levels, width 1, one channel, 4×4 pixels, plain U-Net: 3×3 convolutions 1→1→1 on 16 pixels, 1→2→2 on 4; the
    # up-convolution 2→1, 2×2 on 16; 2→1→1 on 16; 1×1 on 16.
    by_hand = 16 * 9 * 2 + 4 * 9 * (2 + 4) + 16 * 4 * 2 + 16 * 9 * (2 + 1) + 16
    assert multiply_accumulates("unet", TrainSettings(width=1, levels=2, blend=False), 1, edge_px=4) == by_hand


def test_contracting_paths_share_their_weights() -> None:
    # What one path has, the U-Net's has: the second shot costs weights in the expansive path alone.
    tsva, unet = build("tsva", SMALL, 3), build("unet_residual", SMALL, 3)
    count = lambda module: sum(weight.numel() for weight in module.parameters())  # noqa: E731
    assert count(tsva.contracting) == count(unet.contracting)


@pytest.mark.parametrize("name", ["tsva", "unet_residual"])
@pytest.mark.parametrize("training", [False, True])
def test_before_training_a_residual_network_returns_the_sharper_shot(name: NetworkName, training: bool) -> None:
    low, high = shots(17, 23)
    blurred = nn.functional.avg_pool2d(high, 3, stride=1, padding=1)
    network = build(name, SMALL, 3).train(training)
    assert torch.equal(network(low, blurred), low)
    assert torch.equal(network(blurred, low), low)


@pytest.mark.parametrize("name", NAMES)
def test_order_of_capture_changes_nothing(name: NetworkName) -> None:
    # All of them name the sharper shot Y1, so that two shots swapped are the same pair.
    low, high = shots(16, 24)
    network = lively(name)
    torch.testing.assert_close(network(low, high), network(high, low), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_second_shot_matters_to_those_that_take_two(name: NetworkName) -> None:
    low, high = shots(16, 16)
    blurred = nn.functional.avg_pool2d(high, 3, stride=1, padding=1)
    network = lively(name)
    changed = (network(low, blurred) - network(low, blurred * 0.9)).abs().max()
    assert changed > 1e-4 if name in ("tsva", "burst") else changed == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_members_one_by_one(name: NetworkName) -> None:
    low, high = shots(16, 16, batch=3)
    high[1] = nn.functional.avg_pool2d(high[1:2], 3, stride=1, padding=1)[0]  # another Y1 than its neighbours
    network = lively(name)
    alone = torch.cat([network(low[i : i + 1], high[i : i + 1]) for i in range(3)])
    # The same sums of float32 products, perhaps in another order: a few units of the last place of values about 1.
    torch.testing.assert_close(network(low, high), alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
@settings(max_examples=4, deadline=None)
@given(height=st.integers(1, 37), width=st.integers(1, 37))
def test_any_size_comes_back_and_equals_the_padded_image_cropped(
    name: NetworkName, channels: int, height: int, width: int
) -> None:
    low, high = shots(height, width, channels)
    network, swap = lively(name, channels=channels), SharperShot(high_is_sharper(low, high))
    cell = network.multiple if name == "denoiser" else 4
    padded = network(*(reflected_to_multiple(shot, cell) for shot in (low, high)), swap)
    restored = network(low, high, swap)
    assert restored.shape == low.shape
    torch.testing.assert_close(restored, padded[..., :height, :width], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_beyond_the_halo_is_seen(name: NetworkName) -> None:
    network = lively(name)
    halo, size = int(network.halo_px), 2 * int(network.halo_px) + 48
    low, high = (shot.requires_grad_() for shot in shots(8, size))
    swap = SharperShot(torch.tensor([False]))
    for x in range(size // 2, size // 2 + 4):  # every place in the coarsest cell
        (gradient,) = torch.autograd.grad(network(low, high, swap)[..., x].sum(), low)
        seen = gradient.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
        assert x - halo <= int(seen.min()) and int(seen.max()) <= x + halo
        assert int(seen.max()) - int(seen.min()) > halo / 2  # the bound isn't idle


def test_reflection_is_numpys() -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    expected = np.pad(image[0, 0].numpy(), ((0, 5), (0, 4)), mode="reflect")
    np.testing.assert_array_equal(reflected_to_multiple(image, 8)[0, 0].numpy(), expected)


def test_brenner_of_a_ramp_is_its_closed_form() -> None:
    # Two columns apart, a ramp of slope s along x differs by 2s; along y not at all. Grey is the mean of the channels.
    ramp = torch.arange(10.0).expand(1, 1, 6, 10)
    colour = torch.cat([ramp, 2 * ramp, 3 * ramp], dim=1) * 0.01
    assert brenner_of(colour).item() == pytest.approx(0.04**2, rel=1e-6)
    assert brenner_of(colour.transpose(2, 3)).item() == 0


def test_sharper_first_swaps_pair_by_pair_and_obeys_who_knows_better() -> None:
    low, high = shots(8, 8, batch=2)
    high[0] = 0.5
    low[1] = 0.5
    y1, y2 = sharper_first(low, high)
    assert torch.equal(y1[0], low[0]) and torch.equal(y1[1], high[1])
    assert torch.equal(y2[0], high[0]) and torch.equal(y2[1], low[1])
    y1, _ = sharper_first(low, high, torch.tensor([True, False]))
    assert torch.equal(y1[0], high[0]) and torch.equal(y1[1], low[1])


def test_a_tie_goes_to_the_low_shot() -> None:
    flat = torch.zeros(1, 3, 8, 8)
    assert not high_is_sharper(flat, flat + 0.5).item()


def alike(seed: int, size: int, change: int) -> tuple[np.ndarray, np.ndarray]:
    """Two (Y, X, C) shots of about the same gradient: mirrored (0), a level apart in few pixels, or in all."""
    random = np.random.default_rng(seed)
    low = random.integers(0, 255, (size, size, 3), np.uint8)
    high = low[::-1].copy()
    if change:
        places = random.integers(0, size, (2, change))
        high[places[0], places[1], random.integers(0, 3, change)] += 1
    return (low, high) if seed % 2 else (high, low)


@pytest.mark.parametrize("change", [0, 1, 3, 30, 1000])
@pytest.mark.parametrize("size", [16, 64, 224])
def test_arrays_and_tensors_agree_on_y1_of_nearly_equal_shots(size: int, change: int) -> None:
    for seed in range(20):
        low, high = alike(seed, size, change)
        tensors = [torch.from_numpy(shot).permute(2, 0, 1)[None].float() / 255 for shot in (low, high)]
        by_arrays = high_is_y1(Pair(low, high, 0.5, OpticsSettings()))
        assert bool(high_is_sharper(*tensors)) == by_arrays
        if not change:
            assert not by_arrays, "a tie goes to the lower shot"
        np.testing.assert_allclose(brenner_of(tensors[0]).item() * 255**2, brenner(low[None])[0], rtol=3e-7)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(3, 40), st.sampled_from([1, 3]), st.integers(1, 255))
def test_arrays_and_tensors_agree_on_y1(seed: int, height: int, width: int, channels: int, top: int) -> None:
    low, high = np.random.default_rng(seed).integers(0, top + 1, (2, height, width, channels), np.uint8)
    tensors = [torch.from_numpy(shot).permute(2, 0, 1)[None].float() / 255 for shot in (low, high)]
    assert bool(high_is_sharper(*tensors)) == high_is_y1(Pair(low, high, 0.5, OpticsSettings()))


def test_up_convolution_is_upsampling_and_a_convolution() -> None:
    torch.manual_seed(1)
    up, small = UpConvolution(6, 5), torch.randn(2, 6, 7, 9)
    upsampled = functional.pad(functional.interpolate(small, scale_factor=2.0), (0, 1, 0, 1))
    torch.testing.assert_close(up(small), up.convolution(upsampled), rtol=1e-5, atol=1e-5)
