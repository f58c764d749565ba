"""TSVA: two shots in, one sharp image out (the paper's network)."""

from __future__ import annotations

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
from tsva.restoration.networks.sharper import sharper_first

UNITS = 3
"""3×3 convolutions a level of the expansive path: U-Net's two and the additional one."""


class TSVA(nn.Module):
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
    Two-shot virtual autofocusing, section III; docs/training.md says how 27 layers are read from it.
    """

    def __init__(self, channels: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.contracting = ContractingPath(channels, widths)
        self.expansive = ExpansivePath(widths, paths=2, units=UNITS)
        self.last = zero_started(nn.Conv2d(width, channels, 1))
        self.multiple = 2 ** (levels - 1)
        self.halo_px = halo_px(levels, UNITS)

    def forward(self, low: Tensor, high: Tensor, swap: Tensor | None = None) -> Tensor:
        """Restore.

        Parameters
        ----------
        low, high : (B, C, Y, X) float tensors
            Shots at F - delta and F + delta, in [0, 1], of any size.
        swap : (B,) bool tensor, optional
            Where `high` is Y1; by default the sharper by Brenner.

        Returns
        -------
        (B, C, Y, X) float tensor
            Not clipped.
        """
        height, width = low.shape[-2:]
        y1, y2 = sharper_first(low, high, swap)
        shots = reflected_to_multiple(torch.cat([y1, y2]), self.multiple)  # (2B, C, Y', X'): one path, both shots
        both = [torch.cat(halves(features), dim=1) for features in self.contracting(shots)]
        residual = self.last(self.expansive(both))
        return y1 + residual[..., :height, :width]
