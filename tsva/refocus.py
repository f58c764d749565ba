"""Restore images from pairs of shots: patches in batches, images of any size in tiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tsva.metrics import eight_bits
from tsva.networks.sharper import high_is_sharper
from tsva.pair import Pair
from tsva.scoring import score_table
from tsva.settings.refocus import RefocusSettings

Method = Callable[[Sequence[Pair]], np.ndarray]
"""Pairs of one size, in; (N, Y, X, C) uint8, out."""


def as_captured(pairs: Sequence[Pair]) -> np.ndarray:
    """The sharper shot of each pair by Brenner, untouched: the "y1" row.

    Parameters
    ----------
    pairs : sequence of Pair
        All of one size.

    Returns
    -------
    (N, Y, X, C) uint8 array
    """
    swap = [bool(high_is_sharper(*_tensors([pair]))) for pair in pairs]
    return np.stack([pair.high if swapped else pair.low for pair, swapped in zip(pairs, swap, strict=True)])


def with_network(network: nn.Module, settings: RefocusSettings) -> Method:
    """A network as a method.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode; see `tsva.networks.build`.
    settings : RefocusSettings
        Batch and tile size, which change no result.
    """

    def method(pairs: Sequence[Pair]) -> np.ndarray:
        restored = [
            image
            for some in (pairs[start : start + settings.batch] for start in range(0, len(pairs), settings.batch))
            for image in restore(network, *_tensors(some), tile_px=settings.tile_px).numpy()
        ]
        return eight_bits(np.stack(restored).transpose(0, 2, 3, 1))

    return method


@torch.inference_mode()
def restore(network: nn.Module, low: Tensor, high: Tensor, *, tile_px: int) -> Tensor:
    """Send images through a network, in tiles where they are larger than one.

    Each tile is a core and a halo as wide as the network can see, so that the cores side by side are what the whole
    image would have given. Which shot is Y1 is decided once for the whole image.

    Parameters
    ----------
    network : nn.Module
        With ``multiple`` and ``halo_px``.
    low, high : (B, C, Y, X) float tensors
        In [0, 1].
    tile_px : int
        Edge of the cores, rounded up to the network's ``multiple``.

    Returns
    -------
    (B, C, Y, X) float tensor
    """
    multiple, halo = int(network.multiple), int(network.halo_px)  # type: ignore[arg-type]
    core = -(-tile_px // multiple) * multiple
    height, width = low.shape[-2:]
    swap = high_is_sharper(low, high)
    if max(height, width) <= core:
        whole: Tensor = network(low, high, swap)
        return whole
    restored = torch.empty_like(low)
    for y, outer_y, inner_y in _cores(height, core, halo):
        for x, outer_x, inner_x in _cores(width, core, halo):
            tile = network(low[..., outer_y, outer_x], high[..., outer_y, outer_x], swap)
            restored[..., y, x] = tile[..., inner_y, inner_x]
    return restored


def run(method: Method, pairs: Sequence[Pair], targets: dict[str, np.ndarray]) -> tuple[np.ndarray, pd.DataFrame]:
    """Restore pairs of one patch and score them.

    Parameters
    ----------
    method : Method
    pairs : sequence of Pair
        Of the same patch, with their offsets.
    targets : dict of str to (Y, X, C) uint8 array
        By name (captured, clean): what every pair should have become.

    Returns
    -------
    restored : (N, Y, X, C) uint8 array
    scores : DataFrame
        Of `tsva.scoring.score_table`.
    """
    began = time.perf_counter()
    restored = method(pairs)
    seconds = (time.perf_counter() - began) / len(pairs)
    return restored, score_table(restored, targets, [pair.n_um for pair in pairs], seconds)


def _cores(length: int, core: int, halo: int) -> Iterator[tuple[slice, slice, slice]]:
    """Along one axis: each core in the image, the tile around it in the image, and the core in its tile."""
    for start in range(0, length, core):
        stop = min(start + core, length)
        first = max(start - halo, 0)
        yield slice(start, stop), slice(first, min(stop + halo, length)), slice(start - first, stop - first)


def _tensors(pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """Both shots as (B, C, Y, X) floats in [0, 1], channels last in memory."""
    shots = (np.stack([getattr(pair, shot) for pair in pairs]) for shot in ("low", "high"))
    low, high = (torch.from_numpy(shot).permute(0, 3, 1, 2).float() / 255 for shot in shots)
    return low, high
