"""Checkpoints of untrained networks for tests."""

from __future__ import annotations

from torch import nn

from tsva.restoration.checkpoint import Checkpoint
from tsva.restoration.pair_network import build
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.methods import NetworkName
from tsva.settings.train import TrainSettings


def colour_checkpoint(name: NetworkName, settings: TrainSettings, network: nn.Module | None = None) -> Checkpoint:
    """A colour network at 0.345 µm a pixel, of shots at F ∓ 0.5 µm: ``network``'s weights, or fresh ones.

    What the fresh weights are depends on the state of torch's random numbers.
    """
    network = build(name, settings, 3) if network is None else network
    return Checkpoint(
        network=name,
        settings=settings.model_dump(mode="json"),
        channels=3,
        pixel_um=0.345,
        delta_um=0.5,
        offset_max_um=3.0,
        optics=OpticsSettings().model_dump(mode="json"),
        step=7,
        seed=1,
        data="abc",
        weights=network.state_dict(),
    )
