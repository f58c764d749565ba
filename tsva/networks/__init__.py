"""Networks by name: each takes (low, high) in [0, 1], (B, C, Y, X), and returns the restored images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from tsva.networks.burst import BurstUNet
from tsva.networks.tsva import TSVA
from tsva.networks.unet import UNet
from tsva.settings.train import NetworkName, TrainSettings

NETWORKS: dict[NetworkName, Callable[[int, int, int], nn.Module]] = {
    "tsva": TSVA,
    "unet": partial(UNet, residual=False),
    "unet_residual": partial(UNet, residual=True),
    "burst": BurstUNet,
}
"""(channels, width, levels) -> network."""


def build(name: NetworkName, settings: TrainSettings, channels: int) -> nn.Module:
    """A network with fresh weights (from torch's global generator).

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    settings : TrainSettings
        Of which width and levels are used.
    channels : int
        Of an image: 1 or 3.

    Returns
    -------
    nn.Module
        ``forward(low, high, swap=None)``; attributes ``multiple`` and ``halo_px`` tell tiles how to lie.
    """
    network = NETWORKS[name](channels, settings.width, settings.levels)
    # Half the time of channels first on a CPU.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
