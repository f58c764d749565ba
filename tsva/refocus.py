"""Restore images from pairs of shots: patches in batches, images of any size in tiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tsva.metrics import eight_bits, psnr_db, ssim
from tsva.networks.sharper import high_is_sharper
from tsva.pair import Pair
from tsva.settings.optics import OpticsSettings
from tsva.settings.pairs import PairsSettings
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


def grid_pairs(stack: np.ndarray, settings: PairsSettings, optics: OpticsSettings) -> list[Pair]:
    """A test patch at every offset of the grid.

    Parameters
    ----------
    stack : (Z, Y, X, C) uint8 array
        Every plane that offsets can reach, the target in the middle.
    settings : PairsSettings
    optics : OpticsSettings

    Returns
    -------
    list of Pair
        In the order of ``settings.offsets_um``.

    Raises
    ------
    ValueError
        If the stack has other planes.
    """
    if len(stack) != 2 * settings.reach_planes + 1:
        raise ValueError(f"{len(stack)} planes; offsets reach {2 * settings.reach_planes + 1}")
    pairs = []
    for n_um in settings.offsets_um:
        middle = settings.reach_planes + round(n_um / settings.z_step_um)
        low, high = stack[middle - settings.delta_planes], stack[middle + settings.delta_planes]
        pairs.append(Pair(low, high, settings.delta_um, optics, n_um))
    return pairs


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
        A row a target and pair: `n_um`, `pair` (place in `pairs`), `target`, `psnr_db` (NaN if identical), `ssim`,
        `identical` (0 or 1), `seconds` (of restoring one pair).
    """
    began = time.perf_counter()
    restored = method(pairs)
    seconds = round((time.perf_counter() - began) / len(pairs), 6)
    tables = []
    for name, target in targets.items():
        repeated = np.broadcast_to(target, restored.shape)
        psnr = psnr_db(restored, repeated)
        tables.append(pd.DataFrame({
            "n_um": [pair.n_um for pair in pairs], "pair": range(len(pairs)), "target": name, "psnr_db": psnr,
            "ssim": ssim(restored, repeated), "identical": np.isnan(psnr).astype(int), "seconds": seconds,
        }))  # fmt: skip
    return restored, pd.concat(tables, ignore_index=True)


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
