"""Other stains, lamps and cameras than the training slides had, made on the fly."""

from __future__ import annotations

import torch
from torch import Tensor

from tsva.settings.train import TrainSettings

DARKEST = 1 / 255
"""Light below one level of the camera has no optical density worth the name."""


def augmented(low: Tensor, high: Tensor, target: Tensor, settings: TrainSettings) -> tuple[Tensor, Tensor, Tensor]:
    """Each pair of a batch under a stain, a lamp and a camera of its own; draws come from torch's global generator.

    Parameters
    ----------
    low, high, target : (B, C, Y, X) float tensors
        In [0, 1].
    settings : TrainSettings
        How far `stain_jitter`, `lamp_jitter` and `noise_jitter` go; 0 leaves things as they are.

    Returns
    -------
    low, high, target : (B, C, Y, X) float tensors
        In [0, 1]. Stain and lamp change shots and target alike; noise is added to the shots alone.
    """
    images = torch.stack([low, high, target])  # (3, B, C, Y, X)
    size, channels = low.shape[:2]
    if settings.stain_jitter:
        # Beer-Lambert: optical densities add up, so that another stain is a linear map of them.
        scales = torch.exp(settings.stain_jitter * torch.randn(size, channels, device=low.device))
        mixing = settings.stain_jitter / 4 * torch.randn(size, channels, channels, device=low.device)
        density = -torch.log(images.clamp_min(DARKEST))
        density = torch.einsum("bij,nbjyx->nbiyx", torch.diag_embed(scales) + mixing, density)
        images = torch.exp(-density.clamp_min(0))
    if settings.lamp_jitter:
        images = images * (1 + settings.lamp_jitter * _symmetric(size, low.device))
    shots, target = images[:2], images[2]
    if settings.noise_jitter:
        noise = torch.randn(shots.shape, device=low.device)  # randn_like of channels last takes six times as long
        shots = shots + settings.noise_jitter * _symmetric(size, low.device) * noise
    low, high, target = (image.clamp(0, 1).contiguous(memory_format=torch.channels_last) for image in (*shots, target))
    return low, high, target


def _symmetric(size: int, device: torch.device) -> Tensor:
    """(B, 1, 1, 1) numbers, even between -1 and 1."""
    return 2 * torch.rand(size, 1, 1, 1, device=device) - 1
