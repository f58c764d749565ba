"""Networks with a contracting and an expansive path: U-Net on the sharper shot, and TSVA on both shots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from tsva.acquisition.pair import sharper_first
from tsva.restoration import blend
from tsva.restoration.blend import ERROR_WEIGHT, HARM_WEIGHT, ErrorHead, blended, harm, likelihood
from tsva.restoration.networks.parts import (
    ContractingPath,
    ExpansivePath,
    halo_px,
    halves,
    reflected_to_multiple,
    zero_started,
)
from tsva.restoration.pair_network import Pairs, SharperShot, SharperShotNetwork
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings


class UShaped(SharperShotNetwork):
    """A network whose last convolution makes the image, or what is added to Y1, of features at full resolution.

    Where it blends, a head on the same features expects the errors of its image and of Y1, and Y1 stays where restoring
    is expected to gain nothing (`tsva.restoration.blend`). The paper's networks do not.

    Parameters
    ----------
    channels : int
        Of an image: 1 or 3.
    width : int
        Channels of the finest level.
    levels : int
        Resolutions.
    blends : bool
    """

    residual: ClassVar[bool]
    """Whether the output is added to Y1."""
    units: ClassVar[int]
    """3×3 convolutions a level of the expansive path."""
    factor: Tensor

    def __init__(self, channels: int, width: int, levels: int, *, blends: bool = False) -> None:
        super().__init__()
        last = nn.Conv2d(width, channels, 1)
        self.last = zero_started(last) if self.residual else last
        self.error = ErrorHead(width) if blends else None
        if blends:
            # true over expected errors of results, on verification pairs
            self.register_buffer("factor", torch.ones(1))
        self.coarsest_px = 2 ** (levels - 1)
        self.multiple = max(self.coarsest_px, blend.CELL_PX) if blends else self.coarsest_px
        sees_px = halo_px(levels, self.units) + (blend.REACH_PX if blends else 0)
        self.halo_px = -(-sees_px // self.multiple) * self.multiple

    @classmethod
    def fresh(cls, settings: TrainSettings, channels: int, optics: OpticsSettings, delta_um: float) -> Self:  # noqa: ARG003
        """Of the settings' width and levels."""
        return cls(channels, settings.width, settings.levels, blends=settings.blend)

    def features(self, y1: Tensor, y2: Tensor) -> Tensor:
        """(B, width, Y', X') of shots grown to whole cells of the coarsest level."""
        raise NotImplementedError

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
        return self._with_error(low, high, decision)[0]

    def with_error(self, low: Tensor, high: Tensor, decision: SharperShot) -> tuple[Tensor, Tensor | None]:
        """Restored images, and the expected errors of their pixels where it blends."""
        return self._with_error(low, high, decision)

    def _with_error(self, low: Tensor, high: Tensor, decision: SharperShot | None) -> tuple[Tensor, Tensor | None]:
        restored, y1, logarithms = self.unblended(low, high, decision)
        if self.error is None:
            return restored, None
        image, sd = blended(restored, y1, *self.error.errors(logarithms, _full_scale(y1)))
        return image, sd * self.factor

    def unblended(
        self, low: Tensor, high: Tensor, decision: SharperShot | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the result is blended of.

        Returns
        -------
        restored, y1 : (B, C, Y, X) float tensors
        logarithms : (B, 2, Y, X) float tensor
            Of their expected errors, before calibration; nothing, (0,), where it does not blend.
        """
        height, width = low.shape[-2:]
        y1, y2 = sharper_first(low, high, None if decision is None else decision.high)
        features = self.features(*(reflected_to_multiple(shot, self.coarsest_px) for shot in (y1, y2)))
        output = self.last(features)[..., :height, :width]
        logarithms = output.new_zeros(0) if self.error is None else self.error(features)[..., :height, :width]
        return y1 + output if self.residual else output, y1, logarithms

    @property
    def trained_part(self) -> Callable[..., Any]:
        """`unblended`: the error head reads the image as it is before blending."""
        return self.unblended

    def training_loss(
        self,
        low: Tensor,
        high: Tensor,
        target: Tensor,
        focal_offset_um: Tensor,  # noqa: ARG002
        image_loss: Callable[[Tensor, Tensor], Tensor],
        forward: Callable[..., Any],
    ) -> Tensor:
        """The images' loss before blending, and the likelihood of the expected errors."""
        restored, y1, logarithms = forward(low, high)
        loss = image_loss(restored.float(), target)
        if self.error is None:
            return loss
        loss = loss + HARM_WEIGHT * harm(restored.float(), low, high, target)
        return loss + ERROR_WEIGHT * likelihood(logarithms, restored.float(), y1, target, _full_scale(y1))

    @torch.inference_mode()
    def calibrate(self, pairs: Pairs) -> None:
        """Scale the expected errors of restored images and of Y1 to those that occur, then those of their blend."""
        if self.error is None:
            return
        self.eval()
        seen = blend.UnblendedPairs(
            pairs, self.decide, lambda low, high, y1: (*self.unblended(low, high, y1), _full_scale(low))
        )
        self.error.calibrate(seen)
        true, expected = [], []
        for pair in seen:
            image, sd = blended(pair.restored, pair.shot, *self.error.errors(pair.logarithms, pair.level))
            true.append((image - pair.target).square().mean())
            expected.append(sd.square().mean())
        self.factor.fill_(1)
        if true:
            self.factor.copy_(blend.factors(torch.stack(true), torch.stack(expected), torch.ones(len(true), 1)))

    def completed(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Earlier versions had no factor of their results' errors."""
        return dict(weights) if self.error is None else {"factor": self.factor.new_ones(self.factor.shape), **weights}


class UNet(UShaped):
    """U-Net (Ronneberger et al. 2015) on Y1 alone: the paper's baseline.

    It has U-Net's 23 convolutions at five levels and returns the last one's output.

    Parameters
    ----------
    channels, width, levels, blends
        As of `UShaped` (paper: width 64, 5 levels, no blending).
    """

    residual: ClassVar[bool] = False
    units: ClassVar[int] = 2

    def __init__(self, channels: int, width: int, levels: int, *, blends: bool = False) -> None:
        super().__init__(channels, width, levels, blends=blends)
        widths = [width * 2**level for level in range(levels)]
        self.contracting = ContractingPath(channels, widths)
        self.expansive = ExpansivePath(widths, paths=1, units=self.units)

    def features(self, y1: Tensor, y2: Tensor) -> Tensor:  # noqa: ARG002
        """Of Y1 alone."""
        found: Tensor = self.expansive(self.contracting(y1))
        return found


class ResidualUNet(UNet):
    """TSVA in everything but the second shot: 27 convolutions at five levels, output added to Y1, started at zero."""

    residual = True
    units = 3


class TSVA(UShaped):
    """Contracting paths with shared weights for both shots, one expansive path, output added to Y1.

    With five levels: 10 convolutions in the contracting path, 4 × (up-convolution and three 3×3) in the expansive path
    and the last 1×1, together 27. The last one starts at zero: before training the network returns Y1.

    Parameters
    ----------
    channels, width, levels, blends
        As of `UShaped` (paper: width 64, 5 levels, no blending).

    References
    ----------
    Two-shot virtual autofocusing, section III; docs/networks.md says how 27 layers are read from it.
    """

    residual: ClassVar[bool] = True
    units: ClassVar[int] = 3
    """U-Net's two and the additional one."""

    def __init__(self, channels: int, width: int, levels: int, *, blends: bool = False) -> None:
        super().__init__(channels, width, levels, blends=blends)
        widths = [width * 2**level for level in range(levels)]
        self.contracting = ContractingPath(channels, widths)
        self.expansive = ExpansivePath(widths, paths=2, units=self.units)

    def features(self, y1: Tensor, y2: Tensor) -> Tensor:
        """Of both shots, which share one contracting path."""
        shots = torch.cat([y1, y2])  # (2B, C, Y', X')
        found: Tensor = self.expansive([torch.cat(halves(each), dim=1) for each in self.contracting(shots)])
        return found


def _full_scale(images: Tensor) -> Tensor:
    """What these networks' errors are relative to."""
    return images.new_ones(1, 1, 1, 1)
