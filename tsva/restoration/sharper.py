"""Which of two shots is Y1: the sharper one, by Brenner (1976)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tsva.acquisition.pair import Pair
from tsva.acquisition.sharpness import LAG_PX, brenner, is_sharper

if TYPE_CHECKING:
    from torch import Tensor

FULL_SCALE = 255.0


def floats(image: np.ndarray) -> np.ndarray:
    """(Y, X, C) uint8 to float32 in [0, 1]."""
    return image.astype(np.float32) / np.float32(FULL_SCALE)


def high_is_y1(pair: Pair) -> bool:
    """Whether the upper shot is the sharper one by Brenner; a tie goes to the lower."""
    low, high = brenner(np.stack([pair.low, pair.high]))
    return bool(is_sharper(high, low))


def y1_of(pair: Pair) -> np.ndarray:
    """(Y, X, C) float32: the sharper shot."""
    return floats(pair.high if high_is_y1(pair) else pair.low)


def brenner_of(images: Tensor) -> Tensor:
    """Brenner gradient of tensors: `tsva.acquisition.sharpness.brenner` as a graph that can be exported.

    Parameters
    ----------
    images : (B, C, Y, X) tensor
        At least three columns for a gradient above zero.

    Returns
    -------
    (B,) float64 tensor
    """
    if images.shape[-1] <= LAG_PX:
        return images.new_zeros(len(images)).double()
    return squared_gradients(images)[..., :-LAG_PX].mean(dim=(1, 2, 3))


def squared_gradients(images: Tensor) -> Tensor:
    """(B, 1, Y, X) float64 tensor of (B, C, Y, X) images, 0 in the last LAG_PX columns; Brenner's gradient is the mean
    of the others."""
    from torch.nn.functional import pad

    grey = images.double().mean(dim=1, keepdim=True)
    return pad((grey[..., LAG_PX:] - grey[..., :-LAG_PX]).square(), (0, LAG_PX))


def high_is_sharper(low: Tensor, high: Tensor) -> Tensor:
    """(B,) bool tensor: whether the second of two (B, C, Y, X) shots is the sharper; a tie goes to the first."""
    return is_sharper(brenner_of(high), brenner_of(low))


def sharper_first(low: Tensor, high: Tensor, swap: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The shots as (Y1, Y2).

    Parameters
    ----------
    low, high : (B, C, Y, X) tensors
    swap : (B,) bool tensor, optional
        Where `high` is Y1; by default `high_is_sharper` of these very images. A tile is given that of its whole image.

    Returns
    -------
    (B, C, Y, X) tensors
    """
    import torch

    where = (high_is_sharper(low, high) if swap is None else swap).reshape(-1, 1, 1, 1)
    return torch.where(where, high, low), torch.where(where, low, high)
