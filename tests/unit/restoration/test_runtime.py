"""Runtimes compute what torch does."""

import numpy as np
import pytest
import torch

from tsva.restoration.pair_network import SharperShot, build
from tsva.restoration.runtime import PARITY, OnnxRuntime, TorchRuntime, runtime_of
from tsva.settings.train import TrainSettings


def scattered(name, channels):
    torch.manual_seed(3)
    network = build(name, TrainSettings(width=4, levels=3), channels).eval()
    for parameter in network.parameters():  # a residual starts at zero, which would hide all
        torch.nn.init.normal_(parameter, std=0.2)
    return network


@pytest.mark.parametrize(("name", "channels"), [("tsva", 3), ("unet", 1), ("unet_residual", 3), ("burst", 3)])
def test_onnx_runtime_equals_torch_at_other_sizes_than_it_was_traced_at(name, channels):
    pytest.importorskip("onnxruntime")
    network = scattered(name, channels)
    first, second = np.random.default_rng(4).random((2, 1, channels, 60, 44), dtype=np.float32)
    with torch.inference_mode():
        told = SharperShot(torch.tensor([False]))
        wanted = network(torch.from_numpy(first), torch.from_numpy(second), told).numpy()
    scale = np.abs(wanted).max()
    for runtime in (TorchRuntime(network), OnnxRuntime(network, channels, 1)):
        assert np.abs(runtime(first, second) - wanted).max() <= PARITY * scale
    assert scale > 0.01


def test_the_fastest_one_is_proven_and_taken():
    pytest.importorskip("onnxruntime")
    network = scattered("tsva", 3)
    torch.nn.init.zeros_(network.last.weight)
    assert runtime_of(network, 3).name.startswith("ONNX Runtime")


def test_one_that_computes_something_else_is_not_taken(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(OnnxRuntime, "__call__", lambda _self, first, _second: first + 1e-3)
    network = scattered("tsva", 3)
    torch.nn.init.zeros_(network.last.weight)
    assert runtime_of(network, 3).name.startswith("torch")
