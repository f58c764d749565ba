"""Runtimes compute what torch does."""

import numpy as np
import pytest
import torch

from tsva.restoration.pair_network import SharperShot, build
from tsva.restoration.runtime import PARITY, OnnxRuntime, TorchRuntime, runtime_of
from tsva.settings.train import TrainSettings


def scattered(name, channels, *, blends=False):
    torch.manual_seed(3)
    network = build(name, TrainSettings(width=4, levels=3, blend=blends), channels).eval()
    for parameter in network.parameters():  # a residual starts at zero, which would hide all
        torch.nn.init.normal_(parameter, std=0.2)
    return network


@pytest.mark.parametrize(
    ("name", "channels", "blends"),
    [("tsva", 3, False), ("tsva", 3, True), ("unet", 1, True), ("unet_residual", 3, False), ("burst", 3, False)],
)
def test_onnx_runtime_equals_torch_at_other_sizes_than_it_was_traced_at(name, channels, blends):
    pytest.importorskip("onnxruntime")
    network = scattered(name, channels, blends=blends)
    first, second = np.random.default_rng(4).random((2, 1, channels, 64, 48), dtype=np.float32)
    with torch.inference_mode():
        told = SharperShot(torch.tensor([False]))
        wanted, error = network.with_error(torch.from_numpy(first), torch.from_numpy(second), told)
    scale = wanted.abs().max().item()
    assert (error is not None) == blends
    for runtime in (TorchRuntime(network), OnnxRuntime(network, channels, 1)):
        found, expected = runtime(first, second)
        assert np.abs(found - wanted.numpy()).max() <= PARITY * scale
        assert (expected is None) == (error is None)
        if error is not None:
            assert np.abs(expected - error.numpy()).max() <= PARITY
    assert scale > 0.01


def test_the_fastest_one_is_proven_and_taken():
    pytest.importorskip("onnxruntime")
    network = scattered("tsva", 3)
    torch.nn.init.zeros_(network.last.weight)
    assert runtime_of(network, 3).name.startswith("ONNX Runtime")


def test_one_that_computes_something_else_is_not_taken(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(OnnxRuntime, "__call__", lambda _self, first, _second: (first + 1e-3, None))
    network = scattered("tsva", 3)
    torch.nn.init.zeros_(network.last.weight)
    assert runtime_of(network, 3).name.startswith("torch")
