"""Fusion whose second shot is withheld: what the second shot is worth to it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from tsva.acquisition.pair import high_is_sharper, sharper_first
from tsva.restoration.fusion.bands import BANDS, FREQUENCIES
from tsva.restoration.fusion.estimate import Estimate
from tsva.restoration.fusion.filters import TwoShotWiener
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.fusion.offset import OffsetEstimator
from tsva.settings.acquisition import OpticsSettings


class FusionOneShot(Fusion):
    """The same network on the sharper shot alone, which takes both places.

    The other shot says which of the two is the sharper, as for the U-Net, and nothing else. The size of the offset is
    estimated from the one spectrum; its sign stands for which shot was taken.

    Parameters
    ----------
    channels, width, depth, optics, delta_um
        As for `Fusion`.
    """

    def __init__(self, channels: int, width: int, depth: int, optics: OpticsSettings, delta_um: float) -> None:
        super().__init__(channels, width, depth, optics, delta_um)
        self.offset = SizeEstimator(channels)
        self.wiener = OneShotWiener(optics, delta_um, channels)

    def decide(self, low: Tensor, high: Tensor) -> Estimate:
        """Size of the offset, noise and levels, of the sharper shot; the offset is negative where that is `high`."""
        swap = high_is_sharper(low, high)
        sharper, _ = sharper_first(low, high, swap)
        found = super().decide(sharper, sharper)
        sign = torch.where(swap, -1.0, 1.0).reshape(-1, *[1] * (found.focal_offset_um.ndim - 1))
        # by that sign the nearer shot is the sharper one already
        return replace(found, focal_offset_um=sign * found.focal_offset_um, high_share=None)

    def lesson(self, spectra: Tensor, focal_offset_um: Tensor) -> tuple[Tensor, Tensor]:
        """Spectra of pairs as those of their sharper shots, and the sizes of the offsets."""
        one, two, _ = spectra.reshape(len(spectra), self.channels, 3, BANDS).unbind(2)
        # Brenner's gradient: the bands' powers by area, times sin² of the frequency
        frequency = torch.tensor(FREQUENCIES, device=spectra.device)
        gradient = frequency.square() * torch.sin(2 * torch.pi * frequency).square()
        higher = ((two - one) @ gradient).sum(dim=1) > 0
        sharper = torch.where(higher[:, None, None], two, one)
        return torch.stack([sharper] * 3, dim=2).flatten(1), focal_offset_um.abs()

    def sorted_shots(self, low: Tensor, high: Tensor, focal_offset_um: Tensor) -> tuple[Tensor, Tensor]:
        """The sharper shot, twice."""
        near, _ = super().sorted_shots(low, high, focal_offset_um)
        return near, near


class SizeEstimator(OffsetEstimator):
    """The size of the offset: of one shot's spectrum, which has no sign."""

    def forward(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """As of `OffsetEstimator`, with `focal_offset_um` above zero."""
        value, mirrored = self._values(spectra)
        mean = (value + mirrored) / 2
        return functional.softplus(mean[:, 0]), self._spread(mean[:, 1])


class OneShotWiener(TwoShotWiener):
    """The estimate from the nearer shot alone: C₁ / A₁₁; the farther one's filter is zero."""

    def __init__(self, optics: OpticsSettings, delta_um: float, channels: int) -> None:
        super().__init__(optics, delta_um, channels)
        self.tables[1] = self.tables[0]  # where the shots' powers are expected, the same shot stands twice

    def kernels(self, noise_to_signal: Tensor) -> Tensor:
        """(B, node, 2, C, F), as of `TwoShotWiener`."""
        near, to_near = self.tables[0], self.tables[3]
        response = to_near / (near + noise_to_signal[:, None, :, None] / self.shape)
        return torch.stack([response, torch.zeros_like(response)], dim=2)
