"""Networks with a contracting and an expansive path: U-Net on the sharper shot, and TSVA on both shots."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from tsva.restoration.networks.parts import (
    ContractingPath,
    ExpansivePath,
    halo_px,
    halves,
    reflected_to_multiple,
    zero_started,
)
from tsva.restoration.pair_network import SharperShot, SharperShotNetwork
from tsva.restoration.sharper import sharper_first
from tsva.settings.optics import OpticsSettings
from tsva.settings.train import TrainSettings


class UNet(SharperShotNetwork):
    """U-Net (Ronneberger et al. 2015) on Y1 alone: the paper's baseline.

    It has U-Net's 23 convolutions at five levels and returns the last one's output.

    Parameters
    ----------
    channels : int
        Of an image: 1 or 3.
    width : int
        Channels of the finest level; they double at each level (paper: 64).
    levels : int
        Resolutions (paper: 5).
    """

    residual: ClassVar[bool] = False
    units: ClassVar[int] = 2
    """3×3 convolutions a level of the expansive path."""

    def __init__(self, channels: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        last = nn.Conv2d(width, channels, 1)
        self.contracting = ContractingPath(channels, widths)
        self.expansive = ExpansivePath(widths, paths=1, units=self.units)
        self.last = zero_started(last) if self.residual else last
        self.multiple = 2 ** (levels - 1)
        self.halo_px = halo_px(levels, self.units)

    @classmethod
    def fresh(cls, settings: TrainSettings, channels: int, optics: OpticsSettings, delta_um: float) -> Self:  # noqa: ARG003
        """Of the settings' width and levels."""
        return cls(channels, settings.width, settings.levels)

    def forward(self, low: Tensor, high: Tensor, decision: SharperShot | None = None) -> Tensor:
        """Restore.

        Parameters
        ----------
        low, high : (B, C, Y, X) float tensors
            Shots at F - delta and F + delta, in [0, 1], of any size.
        decision : SharperShot, optional
            Of the whole images; by default of these very images.

        Returns
        -------
        (B, C, Y, X) float tensor
            Not clipped.
        """
        height, width = low.shape[-2:]
        y1, _ = sharper_first(low, high, None if decision is None else decision.high)
        output = self.last(self.expansive(self.contracting(reflected_to_multiple(y1, self.multiple))))
        output = output[..., :height, :width]
        return y1 + output if self.residual else output


class ResidualUNet(UNet):
    """TSVA in everything but the second shot: 27 convolutions at five levels, output added to Y1, started at zero."""

    residual = True
    units = 3


class TSVA(SharperShotNetwork):
    """Contracting paths with shared weights for both shots, one expansive path, output added to Y1.

    With five levels: 10 convolutions in the contracting path, 4 × (up-convolution and three 3×3) in the expansive path
    and the last 1×1, together 27. The last one starts at zero: before training the network returns Y1.

    Parameters
    ----------
    channels : int
        Of an image: 1 or 3.
    width : int
        Channels of the finest level; they double at each level (paper: 64).
    levels : int
        Resolutions (paper: 5).

    References
    ----------
    Two-shot virtual autofocusing, section III; docs/networks.md says how 27 layers are read from it.
    """

    units: ClassVar[int] = 3
    """3×3 convolutions a level of the expansive path: U-Net's two and the additional one."""

    def __init__(self, channels: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.contracting = ContractingPath(channels, widths)
        self.expansive = ExpansivePath(widths, paths=2, units=self.units)
        self.last = zero_started(nn.Conv2d(width, channels, 1))
        self.multiple = 2 ** (levels - 1)
        self.halo_px = halo_px(levels, self.units)

    @classmethod
    def fresh(cls, settings: TrainSettings, channels: int, optics: OpticsSettings, delta_um: float) -> Self:  # noqa: ARG003
        """Of the settings' width and levels."""
        return cls(channels, settings.width, settings.levels)

    def forward(self, low: Tensor, high: Tensor, decision: SharperShot | None = None) -> Tensor:
        """Restore; see `UNet.forward`."""
        height, width = low.shape[-2:]
        y1, y2 = sharper_first(low, high, None if decision is None else decision.high)
        shots = reflected_to_multiple(torch.cat([y1, y2]), self.multiple)  # (2B, C, Y', X'): one path, both shots
        both = [torch.cat(halves(features), dim=1) for features in self.contracting(shots)]
        residual = self.last(self.expansive(both))
        return y1 + residual[..., :height, :width]
