"""A learned denoiser of the sharper shot: what a network of Fusion's size gains without refocusing anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsva.acquisition.pair import sharper_first
from tsva.restoration.networks.parts import reflected_to_multiple
from tsva.restoration.pair_network import SharperShot, SharperShotNetwork
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings

CELL = 2
"""The network works on cells of 2×2 pixels, as Fusion's does."""
WIDTH, DEPTH = 30, 3
"""Channels and inner convolutions: 31,000 weights for colour images, as many as Fusion has."""
NOISE_SDS = 0.003, 0.03
"""Standard deviation of the noise at full scale that it is trained on, of images in [0, 1]: photon noise of cameras
that hold 110,000 to 1,100 electrons."""
SURROUNDINGS = 5
"""Edge in pixels of what a pixel is compared with."""
SLOPE = 0.1
"""Of rectifiers below zero: without biases, plain ones fall silent for good."""
FLOOR = 0.1
"""Share of the noise's variance that is there in the dark."""


class Denoiser(SharperShotNetwork):
    """Y1 less its noise.

    It is trained on in-focus images with noise added, and never sees a defocused one: it can't learn to refocus. Its
    convolutions have no bias, so that it serves any strength of noise.

    Parameters
    ----------
    channels : int
        Of an image: 1 or 3.

    References
    ----------
    Mohan et al. (2020), Robust and interpretable blind image denoising via bias-free convolutional neural networks,
    ICLR.
    """

    multiple = CELL
    halo_px = CELL * (DEPTH + 4)  # the surroundings, the convolutions, and the cell itself

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = channels * CELL**2
        self.first = nn.Conv2d(inputs, WIDTH, 3, padding=1, bias=False)
        self.inner = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False) for _ in range(DEPTH))
        self.last = nn.Conv2d(WIDTH, inputs, 3, padding=1, bias=False)
        nn.init.zeros_(self.last.weight)

    @classmethod
    def fresh(cls, settings: TrainSettings, channels: int, optics: OpticsSettings, delta_um: float) -> Self:  # noqa: ARG003
        """Of one size, whatever the settings' width."""
        return cls(channels)

    def forward(self, low: Tensor, high: Tensor, decision: SharperShot | None = None) -> Tensor:
        """Denoise the sharper shot.

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
        return self.denoised(sharper_first(low, high, None if decision is None else decision.high)[0])

    def denoised(self, images: Tensor) -> Tensor:
        """(B, C, Y, X): the images less what the network takes for noise."""
        height, width = images.shape[-2:]
        whole = reflected_to_multiple(images, CELL)
        # noise is what differs from the surroundings, whose brightness would outweigh it a hundredfold
        detail = whole - functional.avg_pool2d(whole, SURROUNDINGS, 1, SURROUNDINGS // 2, count_include_pad=False)
        x = self.first(functional.pixel_unshuffle(detail, CELL))
        for convolution in self.inner:
            x = x + convolution(functional.leaky_relu(x, SLOPE))
        noise = functional.pixel_shuffle(self.last(functional.leaky_relu(x, SLOPE)), CELL)
        return images - noise[..., :height, :width]

    @property
    def trained_part(self) -> Callable[..., Any]:
        """`denoised`."""
        return self.denoised

    def training_loss(
        self,
        low: Tensor,  # noqa: ARG002
        high: Tensor,  # noqa: ARG002
        target: Tensor,
        focal_offset_um: Tensor,  # noqa: ARG002
        image_loss: Callable[[Tensor, Tensor], Tensor],
        forward: Callable[..., Any],
    ) -> Tensor:
        """Loss of in-focus images with camera noise of a random strength; the shots are not looked at."""
        low_sd, high_sd = map(math.log, NOISE_SDS)
        draws = torch.rand(len(target), 1, 1, 1, device=target.device)
        variance = (low_sd + (high_sd - low_sd) * draws).exp().square() * (FLOOR + (1 - FLOOR) * target)
        noisy = target + variance.sqrt() * torch.randn_like(target)
        return image_loss(forward(noisy).float(), target)
