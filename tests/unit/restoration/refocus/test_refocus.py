"""Restoring: tiles and batches change nothing, the sharper shot is the sharper shot, scores are the metrics'."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tsva.acquisition.pair import Pair, grid_pairs
from tsva.evaluation.scoring import psnr_db, run, ssim
from tsva.restoration.baselines.one_by_one import Known, baseline
from tsva.restoration.pair_network import build
from tsva.restoration.refocus import NetworkMethod, restore
from tsva.restoration.runtime import OnnxRuntime
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.methods import NetworkName
from tsva.settings.restoration import RefocusSettings
from tsva.settings.train import TrainSettings

OPTICS = OpticsSettings()
as_captured = baseline("y1", Known())
PAIRS = PairsSettings(patch_px=32)


def lively(name: NetworkName, channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    network = build(name, TrainSettings(width=2, levels=3), channels)
    nn.init.normal_(network.last.weight, std=0.5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.bias, 0.1, 0.5)
    return network.eval()


def pair(seed: int, height: int = 32, width: int = 32, channels: int = 3) -> Pair:
    low, high = np.random.default_rng(seed).integers(0, 256, (2, height, width, channels), np.uint8)
    return Pair(low, high, 0.5, OPTICS, 1.0)


def stack() -> np.ndarray:
    """(15, 32, 32, 3): noise that fades away from the middle plane, so that nearer planes are sharper."""
    noise = np.random.default_rng(3).normal(0, 30, (32, 32, 3))
    fading = 1 - np.abs(np.arange(15) - 7)[:, None, None, None] / 10
    return np.clip(128 + noise * fading, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["tsva", "unet"])
@settings(max_examples=6, deadline=None)
@given(height=st.integers(5, 150), width=st.integers(5, 150), tile_px=st.integers(8, 80))
def test_tiling_changes_nothing(name: NetworkName, height: int, width: int, tile_px: int) -> None:
    network = lively(name)
    torch.manual_seed(height * 151 + width)
    low, high = torch.rand(2, 1, 3, height, width)
    whole = restore(network, low, high, tile_px=10_000)[0]
    tiled = restore(network, low, high, tile_px=tile_px)[0]
    # The same sums of float32 products, perhaps in another order: a few units of the last place of values about 1.
    torch.testing.assert_close(tiled, whole, rtol=1e-5, atol=1e-5)


def test_tiles_are_needed_for_that_test_to_mean_something() -> None:
    # Without halos a tile's edge shows: the network does look beyond.
    network = lively("tsva")
    torch.manual_seed(0)
    low, high = torch.rand(2, 1, 3, 64, 64)
    whole = restore(network, low, high, tile_px=10_000)[0]
    network.halo_px = 0
    assert (restore(network, low, high, tile_px=32)[0] - whole).abs().max() > 1e-2


def test_all_tiles_have_the_same_y1() -> None:
    # The left half is sharper in one shot, the right half in the other: the decision belongs to the whole image.
    torch.manual_seed(0)
    low, high = torch.rand(2, 1, 3, 32, 64)
    low[..., 32:], high[..., :32] = 0.5, 0.5
    low *= 0.9
    untrained = build("tsva", TrainSettings(width=2, levels=3), 3).eval()
    assert torch.equal(restore(untrained, low, high, tile_px=32)[0], high)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batching_changes_nothing(batch: int) -> None:
    pairs = [pair(seed) for seed in range(5)]
    network = lively("tsva")
    one_by_one = np.concatenate([NetworkMethod(network, RefocusSettings(batch=1))([each]).images for each in pairs])
    together = NetworkMethod(network, RefocusSettings(batch=batch))(pairs).images
    assert together.dtype == np.uint8
    # Rounding to 8 bits may tip over where float32 sums differ in their last place, which is rare.
    assert np.abs(together.astype(int) - one_by_one).max() <= 1 and np.mean(together != one_by_one) < 1e-3


@pytest.mark.parametrize("name", ["tsva", "unet_residual"])
def test_onnx_runtime_restores_what_torch_restores(name: NetworkName) -> None:
    """Pair by pair, Y1 first, with the same expected errors; images that need padding go through torch."""
    pytest.importorskip("onnxruntime")
    network = lively(name)
    runtime = OnnxRuntime(network, 3, 1)
    for edge in (32, 30):
        pairs = [pair(seed, edge) for seed in range(5)]
        by_torch, by_onnx = (NetworkMethod(network, RefocusSettings(), runtime=one)(pairs) for one in (None, runtime))
        assert np.abs(by_onnx.images.astype(int) - by_torch.images).max() <= 1
        assert np.mean(by_onnx.images != by_torch.images) < 1e-3
        for each in ("expected_error", "expected_rmse"):
            one, two = getattr(by_torch, each), getattr(by_onnx, each)
            assert (one is None) == (two is None)
            if one is not None:
                np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_untrained_residual_network_returns_the_sharper_shot_to_the_bit(channels: int) -> None:
    pairs = [pair(seed, 21, 30, channels) for seed in range(3)]
    network = build("tsva", TrainSettings(width=2, levels=3), channels).eval()
    np.testing.assert_array_equal(NetworkMethod(network, RefocusSettings())(pairs).images, as_captured(pairs).images)


def test_as_captured_is_the_sharper_shot_whatever_the_order() -> None:
    planes = stack()
    sharp, dull = planes[8], planes[10]
    captured = as_captured([Pair(sharp, dull, 0.5, OPTICS), Pair(dull, sharp, 0.5, OPTICS)]).images
    np.testing.assert_array_equal(captured, np.stack([sharp, sharp]))


def test_grid_pairs_are_the_planes_about_each_offset() -> None:
    values = np.arange(15, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    pairs = grid_pairs(values, PAIRS, OPTICS)
    assert [each.focal_offset_um for each in pairs] == [0.5 * step for step in range(-6, 7)]
    assert {each.focal_offset_within_um for each in pairs} == {0.25}  # the sharpest plane is right to half a step
    for each, middle in zip(pairs, range(1, 14), strict=True):
        assert (each.low[0, 0, 0], each.high[0, 0, 0]) == (middle - 1, middle + 1)
    beside = grid_pairs(values, PAIRS, OPTICS, target_offset_um=-0.2)
    assert [each.focal_offset_um for each in beside] == pytest.approx([0.5 * step - 0.2 for step in range(-6, 7)])
    with pytest.raises(ValueError, match="15"):
        grid_pairs(values[1:], PAIRS, OPTICS)


def test_scores_are_the_metrics_and_identical_images_have_no_psnr() -> None:
    planes = stack()
    pairs = grid_pairs(planes, PAIRS, OPTICS)
    clean = np.roll(planes[7], 1, axis=0)
    restored, scores = run(as_captured, pairs, {"captured": planes[7], "clean": clean})
    assert len(scores) == 2 * 13
    for name, target in (("captured", planes[7]), ("clean", clean)):
        found = scores[scores["target"] == name]
        np.testing.assert_array_equal(found["psnr_db"], psnr_db(restored, np.broadcast_to(target, restored.shape)))
        np.testing.assert_array_equal(found["ssim"], ssim(restored, target[None])[0])
    captured = scores[scores["target"] == "captured"].set_index("focal_offset_um")
    # At half a micrometre one of the shots is the target plane itself.
    assert captured.index[captured["identical"] == 1].tolist() == [-0.5, 0.5]
    assert captured["psnr_db"].isna().sum() == 2 and np.isfinite(captured["psnr_db"].dropna()).all()
    # Captured planes fade evenly to either side: the farther off, the worse, and alike on both sides.
    beyond = [captured.loc[n, "psnr_db"] for n in (1.0, 1.5, 2.0, 2.5, 3.0)]
    assert beyond == sorted(beyond, reverse=True)


def test_refocusing_never_waits_for_training_drawing_or_torchs_compiler() -> None:
    code = (
        "import sys, tsva.restoration.refocus, tsva.cli.refocus, tsva.cli.refocus_fields; "
        "from tsva.restoration.checkpoint import load; from tsva.restoration.packaged_model import packaged_model; "
        "load(packaged_model('slides')); "
        "named = ('tsva.training', 'torchmetrics', 'matplotlib', 'torch._dynamo', 'sympy'); "
        "print([m for m in named if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
