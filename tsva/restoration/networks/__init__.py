"""Networks by name: each takes (low, high) in [0, 1], (B, C, Y, X), and returns the restored images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from tsva.restoration.networks.burst import BurstUNet
from tsva.restoration.networks.fusion import Fusion
from tsva.restoration.networks.fusion_one_shot import FusionOneShot
from tsva.restoration.networks.tsva import TSVA
from tsva.restoration.networks.unet import UNet
from tsva.settings.optics import OpticsSettings
from tsva.settings.train import NetworkName, TrainSettings

U_SHAPED: dict[NetworkName, Callable[[int, int, int], nn.Module]] = {
    "tsva": TSVA,
    "unet": partial(UNet, residual=False),
    "unet_residual": partial(UNet, residual=True),
    "burst": BurstUNet,
}
"""(channels, width, levels) -> network."""
OF_OPTICS: dict[NetworkName, type[Fusion]] = {"fusion": Fusion, "fusion_one_shot": FusionOneShot}
"""(channels, width, depth, optics, delta_um) -> network."""


def build(
    name: NetworkName,
    settings: TrainSettings,
    channels: int,
    optics: OpticsSettings | None = None,
    delta_um: float = 0.5,
) -> nn.Module:
    """A network with fresh weights (from torch's global generator).

    Parameters
    ----------
    name : str
        One of `tsva.settings.train.NETWORK_NAMES`.
    settings : TrainSettings
        Of which width and levels are used; of Fusion, its own section.
    channels : int
        Of an image: 1 or 3.
    optics : OpticsSettings, optional
        Nominal optics (default: the settings' own), which Fusion is built for.
    delta_um : float
        Half the distance between the shots, likewise.

    Returns
    -------
    nn.Module
        ``forward(low, high, decision=None)`` (see `tsva.restoration.networks.decision`); attributes ``multiple`` and
        ``halo_px`` say how tiles are placed.
    """
    if name in OF_OPTICS:
        shape = settings.fusion
        network: nn.Module = OF_OPTICS[name](channels, shape.width, shape.depth, optics or OpticsSettings(), delta_um)
    else:
        network = U_SHAPED[name](channels, settings.width, settings.levels)
    # Half the time of channels first on a CPU.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
