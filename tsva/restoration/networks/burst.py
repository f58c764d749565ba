"""Burst U-Net: both shots as an unordered set, fused by maxima over shots at every level."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsva.restoration.networks.parts import UpConvolution, halo_px, reflected_to_multiple, unit
from tsva.restoration.pair_network import SharperShot, SharperShotNetwork
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings

UNITS = 2
"""3×3 convolutions a level, U-Net's two."""


class BurstUNet(SharperShotNetwork):
    """A U-Net whose weights both shots share, and whose shots exchange what is largest among them.

    After the units of each level, on the way down and on the way up, every shot's features are joined by their maximum
    over the shots. At the end the shots collapse into that maximum, and two convolutions make the image of it. No shot
    is Y1: their order changes nothing. The image is predicted directly, as in the paper, without a residual.

    With five levels: 10 convolutions on the way down, 4 × (up-convolution and two 3×3) on the way up, and two after the
    collapse, together 24.

    Parameters
    ----------
    channels : int
        Of an image: 1 or 3.
    width : int
        Channels of the finest level; they double at each level.
    levels : int
        Resolutions.

    References
    ----------
    Aittala & Durand (2018), Burst Image Deblurring Using Permutation Invariant Convolutional Neural Networks, ECCV,
    section 3; docs/networks.md says what is theirs and what is TSVA's here.
    """

    def __init__(self, channels: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        inputs = [channels, *(2 * before for before in widths[:-1])]
        self.down = nn.ModuleList(_units(before, after) for before, after in zip(inputs, widths, strict=True))
        coarse_to_fine = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.ups = nn.ModuleList(UpConvolution(2 * coarse, fine) for coarse, fine in coarse_to_fine)
        self.up = nn.ModuleList(_units(3 * fine, fine) for _, fine in coarse_to_fine)
        self.collapsed = unit(width, width)
        self.last = nn.Conv2d(width, channels, 1)
        self.multiple = 2 ** (levels - 1)
        self.halo_px = halo_px(levels, UNITS, after=1)

    @classmethod
    def fresh(cls, settings: TrainSettings, channels: int, optics: OpticsSettings, delta_um: float) -> Self:  # noqa: ARG003
        """Of the settings' width and levels."""
        return cls(channels, settings.width, settings.levels)

    def forward(self, low: Tensor, high: Tensor, decision: SharperShot | None = None) -> Tensor:  # noqa: ARG002
        """Restore.

        Parameters
        ----------
        low, high : (B, C, Y, X) float tensors
            Two shots in any order, in [0, 1], of any size.
        decision : SharperShot, optional
            Of no consequence here.

        Returns
        -------
        (B, C, Y, X) float tensor
            Not clipped.
        """
        height, width = low.shape[-2:]
        x = reflected_to_multiple(torch.cat([low, high.flip(0)]), self.multiple)  # (2B, C, Y', X')
        levels: list[Tensor] = []
        for units in self.down:
            x = _with_maximum(units(functional.max_pool2d(x, 2) if levels else x))
            levels.append(x)
        for up, units, skipped in zip(self.ups, self.up, reversed(levels[:-1]), strict=True):
            x = units(torch.cat([up(x), skipped], dim=1))
            if units is not self.up[-1]:
                x = _with_maximum(x)
        image: Tensor = self.last(self.collapsed(_maximum(x)[: low.shape[0]]))
        return image[..., :height, :width]


def _units(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(unit(inputs, outputs), *(unit(outputs, outputs) for _ in range(UNITS - 1)))


def _maximum(x: Tensor) -> Tensor:
    """(2B, C, Y, X) -> (2B, C, Y, X): over the shots; where they are equal, both get half the gradient.

    The second shots lie in the batch in reverse, so that its reversal puts each in its partner's place: unlike halving
    and joining, that leaves channels last in memory, forwards and backwards.
    """
    return torch.maximum(x, x.flip(0))


def _with_maximum(x: Tensor) -> Tensor:
    """(2B, C, Y, X) -> (2B, 2C, Y, X): each shot's features, and the maximum over the shots."""
    return torch.cat([x, _maximum(x)], dim=1)
