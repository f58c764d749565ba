"""Fusion: its start, its symmetries, its tiles, and what it finds out of specimens whose truth is known."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tsva.optics.otf import camera_otf
from tsva.restoration.fusion.bands import BANDS, WINDOW_PX, BandSpectra, window_starts
from tsva.restoration.fusion.filters import TwoShotWiener
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.fusion.offset import OffsetEstimator, negative_log_likelihood
from tsva.restoration.pair_network import build
from tsva.restoration.refocus import NetworkMethod, restore
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.restoration import RefocusSettings
from tsva.settings.train import TrainSettings
from tsva.training.fit import multiply_accumulates

OPTICS = OpticsSettings()
DELTA_UM = 0.5


def specimen(size: int, seed: int = 0, channels: int = 3) -> Tensor:
    """(1, C, Y, X) in-focus spectrum of a pink specimen, about a mean of 0.6, as `torch.fft.rfft2` has it."""
    random = torch.Generator().manual_seed(seed)
    white = torch.fft.rfft2(torch.randn(1, channels, size, size, generator=random))
    radius = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None, :])
    return white * 0.002 * radius.clamp(min=1 / size) ** -1.3


@cache
def transfer(z_um: float, size: int) -> Tensor:
    """(3, Y, X // 2 + 1) transfer functions; many pairs have the same few defoci."""
    return torch.from_numpy(camera_otf(OPTICS, np.array([z_um]), (size, size))[0]).float()


def shot(spectrum: Tensor, z_um: float, noise: float = 0.004, seed: int = 0) -> Tensor:
    """What a camera makes of a flat specimen."""
    size, channels = spectrum.shape[-2], spectrum.shape[1]
    image = torch.fft.irfft2(spectrum * transfer(z_um, size)[:channels], s=(size, size))
    random = torch.Generator().manual_seed(seed)
    return (0.6 + image + noise * torch.randn(image.shape, generator=random)).clamp(0, 1)


def pair(focal_offset_um: float, size: int = 224, seed: int = 0, channels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """low, high and in-focus image."""
    spectrum = specimen(size, seed, channels)
    low, high = (shot(spectrum, focal_offset_um + side * DELTA_UM, seed=2 * seed + side) for side in (-1, 1))
    return low, high, shot(spectrum, 0.0, noise=0.0)


def lively(seed: int = 0, channels: int = 3) -> Fusion:
    """Fusion whose last convolution isn't zero and whose estimator says something."""
    torch.manual_seed(seed)
    network = build("fusion", TrainSettings(), channels, OPTICS, DELTA_UM)
    assert isinstance(network, Fusion)
    nn.init.normal_(network.last.weight, std=0.05)
    for block in network.blocks:
        nn.init.normal_(block.steer.weight, std=0.2)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> Fusion:
    return lively()


@torch.no_grad()
def test_the_order_of_capture_changes_the_sign_of_the_offset_and_nothing_else(network: Fusion) -> None:
    low, high, _ = pair(1.2)
    there, back = network.decide(low, high), network.decide(high, low)
    torch.testing.assert_close(there.focal_offset_um, -back.focal_offset_um, rtol=0, atol=0)
    torch.testing.assert_close(there.sd_um, back.sd_um, rtol=0, atol=0)
    assert abs(float(there.focal_offset_um)) > 1e-4  # so that the order is decided
    # the same float32 sums, but for the order in which shots are averaged
    torch.testing.assert_close(network(low, high), network(high, low), rtol=0, atol=2e-6)


@torch.no_grad()
def test_before_training_it_is_the_linear_estimate() -> None:
    network = build("fusion", TrainSettings(), 3, OPTICS, DELTA_UM).eval()
    network.gate.layers[-1].bias.fill_(50.0)  # type: ignore[union-attr, operator]
    low, high, _ = pair(0.8)
    decision = network.decide(low, high)
    near, far = (low, high) if float(decision.focal_offset_um) >= 0 else (high, low)
    mean = decision.mean[..., None, None]
    linear = network.wiener(near - mean, far - mean, decision.focal_offset_um, decision.noise / decision.signal) + mean
    torch.testing.assert_close(network.unblended(low, high, decision)[0], linear, rtol=0, atol=1e-7)


@torch.no_grad()
@pytest.mark.parametrize("gain", [0.8, 1.2])
def test_a_brighter_lamp_makes_a_brighter_image_and_nothing_else(network: Fusion, gain: float) -> None:
    low, high, _ = pair(1.0)
    low, high = low * 0.7, high * 0.7  # nothing is clipped
    plain, bright = network.decide(low, high), network.decide(low * gain, high * gain)
    torch.testing.assert_close(plain.focal_offset_um, bright.focal_offset_um, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(network(low * gain, high * gain), gain * network(low, high), rtol=1e-3, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 40), (63, 64), (97, 131)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_comes_back_finite(height: int, width: int, channels: int) -> None:
    random = torch.Generator().manual_seed(1)
    low, high = torch.rand(2, 2, channels, height, width, generator=random)
    restored, sd = (network := lively(channels=channels)).with_error(low, high, network.decide(low, high))
    assert restored.shape == low.shape and sd.shape == (2, 1, height, width)
    assert torch.isfinite(restored).all() and (sd > 0).all()


@torch.no_grad()
def test_a_batch_is_its_members_one_by_one(network: Fusion) -> None:
    pairs = [pair(focal_offset_um, size=96, seed=seed) for seed, focal_offset_um in enumerate((-2.0, 0.3, 1.0))]
    low, high = (torch.cat([one[k] for one in pairs]) for k in (0, 1))
    alone = torch.cat([network(one[0], one[1]) for one in pairs])
    torch.testing.assert_close(network(low, high), alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [(300, 260), (224, 224)])
def test_tiles_are_the_whole_image(network: Fusion, size: tuple[int, int]) -> None:
    whole_low, whole_high, _ = pair(1.5, size=320)
    low, high = (image[..., : size[0], : size[1]] for image in (whole_low, whole_high))
    whole, whole_sd = restore(network, low, high, tile_px=10_000)
    tiled, tiled_sd = restore(network, low, high, tile_px=96)
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=2e-5)
    assert whole_sd is not None and tiled_sd is not None
    torch.testing.assert_close(tiled_sd, whole_sd, rtol=1e-3, atol=2e-5)


@torch.no_grad()
def test_large_images_have_an_offset_for_every_pixel(network: Fusion) -> None:
    low, high, _ = pair(1.5, size=448)
    decision = network.decide(low, high)
    assert decision.focal_offset_um.shape == (1, 1, 448, 448)
    part = decision.tile(slice(10, 90), slice(0, 50))
    torch.testing.assert_close(part.focal_offset_um, decision.focal_offset_um[..., 10:90, :50])
    assert network.decide(low[..., :224, :224], high[..., :224, :224]).focal_offset_um.shape == (1,)


def test_a_method_says_offset_and_error(network: Fusion) -> None:
    from tsva.acquisition.pair import Pair

    low, high, _ = pair(1.0)
    images = [(image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8) for image in (low, high)]
    outcome = NetworkMethod(network, RefocusSettings(batch=2))([Pair(*images, DELTA_UM, OPTICS)] * 3)
    found = (outcome.focal_offset_um, outcome.focal_offset_sd_um, outcome.expected_rmse)
    assert all(values is not None and len(values) == 3 and np.isfinite(values).all() for values in found)
    assert outcome.expected_error is not None and outcome.expected_error.shape == outcome.images.shape[:3]
    rmse = np.sqrt(np.square(outcome.expected_error.astype(float)).mean(axis=(1, 2)))
    np.testing.assert_allclose(rmse, outcome.expected_rmse, rtol=1e-5)


def keeping(monkeypatch: pytest.MonkeyPatch, focal_offset_um: float) -> Fusion:
    """A network whose result has no weight, and which estimates this offset of any pair."""
    network = lively()
    network.most.zero_()
    found = torch.tensor(focal_offset_um)
    monkeypatch.setattr(
        network.offset, "forward", lambda spectra: (found.expand(len(spectra)), torch.ones(len(spectra)))
    )
    return network


@pytest.mark.parametrize("estimated_um", [-1.0, 1.0])
def test_the_sharper_shot_is_kept_whatever_sign_the_offset_has(
    monkeypatch: pytest.MonkeyPatch, estimated_um: float
) -> None:
    network = keeping(monkeypatch, estimated_um)
    low, high, _ = pair(1.0)  # low is the sharper one
    with torch.inference_mode():
        assert torch.equal(network(low, high), low) and torch.equal(network(high, low), low)
        network.copies_sharper.fill_(False)  # as earlier versions: the nearer one by the estimate
        assert torch.equal(network(low, high), low if estimated_um > 0 else high)


@pytest.mark.parametrize("estimated_um", [-1.0, 1.0])
def test_the_copy_is_the_sharper_shot_of_each_region(monkeypatch: pytest.MonkeyPatch, estimated_um: float) -> None:
    network, size = keeping(monkeypatch, estimated_um), 1024
    low, high, _ = pair(1.0, size)
    left = torch.arange(size) < size // 2
    with torch.inference_mode():
        copy = network(torch.where(left, low, high), torch.where(left, high, low))
    assert torch.equal(copy[..., :300], low[..., :300])
    assert torch.equal(copy[..., -300:], low[..., -300:])


def test_a_fifth_of_the_arithmetic_transforms_counted_in() -> None:
    settings = TrainSettings()
    fusion, tsva = (multiply_accumulates(name, settings, 3) for name in ("fusion", "tsva"))
    assert fusion <= tsva / 5
    network = lively()
    # two spectra of 264 × 264 in three colours alone are more than this
    assert network.extra_arithmetic(224, 224) > 3 * 2 * 1.25 * 264**2 * math.log2(264**2)


def test_the_filters_of_a_thin_section_are_wieners() -> None:
    """Where all matter lies in the plane of focus, C A⁻¹ is H₀ H_i / (Σ H² + N/S)."""
    from tsva.restoration.fusion import filters as wiener

    frequency = np.linspace(0, math.sqrt(0.5), wiener.FREQUENCIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiener, "DEPTH_SD_UM", 1e-6)
        wiener._tables.cache_clear()
        thin = TwoShotWiener(OPTICS, DELTA_UM, 3)
        wiener._tables.cache_clear()
    ratio = 0.01
    found = thin.kernels(torch.full((1, 3), ratio))[0, 4]  # node 4: |n| = 1 µm
    size = 512
    otf = camera_otf(OPTICS, np.array([0.0, 0.5, 1.5]), (size, size))[:, :, 0, : size // 2 + 1]  # along x
    along = np.fft.rfftfreq(size)
    low, high = otf[1], otf[2]
    signal = np.maximum(along, 1 / 224) ** -wiener.SLOPE
    wanted = otf[0] * np.stack([low, high]) / (low**2 + high**2 + ratio / signal)
    for shot_number in range(2):
        for colour in range(3):
            interpolated = np.interp(along, frequency, found[shot_number, colour].numpy())
            # the table's knots are 0.0074 cycles apart; filters bend most at the lowest frequencies
            np.testing.assert_allclose(interpolated[8:], wanted[shot_number, colour, 8:], atol=0.02)


def test_band_spectra_of_white_noise_are_its_variance() -> None:
    random = torch.Generator().manual_seed(0)
    low, high = 0.5 + 0.1 * torch.randn(2, 1, 3, 512, 512, generator=random)
    bands = BandSpectra()(low, high).mean(dim=(-2, -1)).reshape(3, 3, BANDS)
    # a band of the lowest frequencies has about 30 of them in each of some 150 windows
    torch.testing.assert_close(bands[:, :2], torch.full((3, 2, BANDS), 0.01), rtol=0.08, atol=0)
    assert bands[:, 2].abs().max() < 0.0008


def test_windows_reach_from_edge_to_edge() -> None:
    for size in (1, 64, 65, 100, 224, 301):
        starts = window_starts(size)
        assert starts[0] == 0 and (size <= WINDOW_PX or starts[-1] == size - WINDOW_PX)


def test_the_estimator_learns_offsets_of_known_specimens() -> None:
    torch.manual_seed(0)
    spectra, estimator = BandSpectra(), OffsetEstimator(3).requires_grad_(True)
    focal_offset_um = torch.linspace(-2.5, 2.5, 21).repeat(6)
    found = torch.cat(
        [spectra(*pair(float(n), size=128, seed=seed)[:2]).mean(dim=(-2, -1)) for seed, n in enumerate(focal_offset_um)]
    )
    train, test = slice(0, 105), slice(105, 126)
    estimator.standardise(found[train])
    optimiser = torch.optim.Adam(estimator.parameters(), lr=3e-3)
    for _ in range(400):
        loss = negative_log_likelihood(*estimator(found[train]), focal_offset_um[train])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        estimate, _ = estimator(found[test])
    assert (estimate - focal_offset_um[test]).abs().mean() < 0.25  # a guess of 0 would be 1.3 off


def test_blocks_of_a_large_image_give_what_the_whole_one_does(monkeypatch):
    """With a map of the offset over four nodes of kernels, and odd edges; with gradients nothing is cut in blocks."""
    network = lively().eval()
    low, high, _ = (image[..., :301, :277] for image in pair(0.7, 320))
    estimate = network.decide(*pair(0.7)[:2])
    offset_um = torch.linspace(-0.3, 0.9, 277).expand(1, 1, 301, 277).contiguous()
    of_slide = {name: getattr(estimate, name) for name in network.one_for_a_slide}
    decision = network.decide_at(offset_um, torch.full_like(offset_um, 0.1), of_slide)
    with torch.no_grad():
        in_blocks = network.with_error(low, high, decision)
    monkeypatch.setattr(TwoShotWiener, "block_px", 10_000)
    for found, whole in zip(in_blocks, network.with_error(low, high, decision), strict=True):
        torch.testing.assert_close(found, whole.detach(), rtol=0, atol=2e-6)
