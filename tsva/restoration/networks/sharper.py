"""Which of two shots is Y1: the sharper one, by Brenner (1976)."""

from __future__ import annotations

import torch
from torch import Tensor


def brenner(images: Tensor) -> Tensor:
    """Brenner gradient: mean squared difference of pixels two columns apart, grey by the mean of the channels.

    Parameters
    ----------
    images : (B, C, Y, X) tensor
        At least three columns for a gradient above zero.

    Returns
    -------
    (B,) float tensor
    """
    if images.shape[-1] < 3:
        return images.new_zeros(len(images))
    grey = images.float().mean(dim=1)
    return (grey[..., 2:] - grey[..., :-2]).square().mean(dim=(1, 2))


def high_is_sharper(low: Tensor, high: Tensor) -> Tensor:
    """(B,) bool tensor: whether the second of two (B, C, Y, X) shots is the sharper; a tie goes to the first."""
    return brenner(high) > brenner(low)


def sharper_first(low: Tensor, high: Tensor, swap: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The shots as (Y1, Y2).

    Parameters
    ----------
    low, high : (B, C, Y, X) tensors
    swap : (B,) bool tensor, optional
        Where `high` is Y1; by default `high_is_sharper` of these very images. A tile is told what its whole image said.

    Returns
    -------
    (B, C, Y, X) tensors
    """
    where = (high_is_sharper(low, high) if swap is None else swap).reshape(-1, 1, 1, 1)
    return torch.where(where, high, low), torch.where(where, low, high)
