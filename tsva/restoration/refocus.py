"""Networks as methods: patches in batches, images of any size in tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsva.acquisition.pair import Pair, sharper_first
from tsva.acquisition.stack import eight_bits
from tsva.restoration.contract import Restoration, joined
from tsva.restoration.pair_network import Decision, PairNetwork
from tsva.restoration.runtime import Runtime
from tsva.settings.restoration import RefocusSettings


class NetworkMethod:
    """A network as a method (`tsva.restoration.contract.Method`).

    Parameters
    ----------
    network : PairNetwork
        In evaluation mode.
    settings : RefocusSettings
        Batch and tile size, which change no result.
    runtime : Runtime, optional
        What runs the network on images that need no tiles and no padding, in place of torch: worth its start where
        there are many. Of a network that decides nothing but which shot is Y1.
    """

    def __init__(self, network: PairNetwork[Any], settings: RefocusSettings, *, runtime: Runtime | None = None) -> None:
        self._network, self._settings, self._runtime = network, settings, runtime

    def __call__(self, pairs: Sequence[Pair]) -> Restoration:
        """Restore pairs of one size."""
        batch = self._settings.batch
        return joined([self._batch(pairs[start : start + batch]) for start in range(0, len(pairs), batch)])

    @torch.inference_mode()
    def _batch(self, pairs: Sequence[Pair]) -> Restoration:
        low, high = _tensors(pairs)
        decision = self._network.decide(low, high)
        if self._runtime is not None and self._is_whole(low):
            restored, sd = _run(self._runtime, *sharper_first(low, high, decision.high))
        else:
            restored, sd = restore(self._network, low, high, tile_px=self._settings.tile_px, decision=decision)
        offset = self._network.focal_offset(decision)
        focal_offset_um, focal_offset_sd_um = (_doubles(each) for each in offset) if offset else (None, None)
        return Restoration(
            eight_bits(restored.numpy().transpose(0, 2, 3, 1)),
            None if sd is None else sd[:, 0].numpy(),
            None if sd is None else _doubles(sd.square().mean(dim=(1, 2, 3)).sqrt()),
            focal_offset_um,
            focal_offset_sd_um,
        )

    def _is_whole(self, images: Tensor) -> bool:
        """Whether images go through in one piece and as they are."""
        return all(edge <= self._settings.tile_px and edge % self._network.multiple == 0 for edge in images.shape[-2:])


def _run(runtime: Runtime, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor | None]:
    """One pair after the other: on a CPU, the activations of more than one leave its caches."""
    found = [runtime(*(shot[None].contiguous().numpy() for shot in pair)) for pair in zip(first, second, strict=True)]
    restored, errors = zip(*found, strict=True)
    known = [torch.from_numpy(error) for error in errors if error is not None]
    return torch.cat([torch.from_numpy(image) for image in restored]), torch.cat(known) if known else None


@torch.inference_mode()
def restore(
    network: PairNetwork[Any], low: Tensor, high: Tensor, *, tile_px: int, decision: Decision | None = None
) -> tuple[Tensor, Tensor | None]:
    """Send images through a network, in tiles where they are larger than one.

    Each tile is a core and a halo as wide as the network can see, so that the cores side by side are what the whole
    image would have given. What a network decides (which shot is Y1, the focal offset) it decides for the whole image.

    Parameters
    ----------
    network : PairNetwork
    low, high : (B, C, Y, X) float tensors
        In [0, 1].
    tile_px : int
        Edge of the cores, rounded up to the network's ``multiple``.
    decision : Decision, optional
        Of the network's ``decide``, where it is known already.

    Returns
    -------
    restored : (B, C, Y, X) float tensor
        Not clipped.
    expected_error : (B, 1, Y, X) float tensor or None
        As of `PairNetwork.with_error`.
    """
    core = -(-tile_px // network.multiple) * network.multiple
    height, width = low.shape[-2:]
    decision = network.decide(low, high) if decision is None else decision
    if max(height, width) <= core:
        return network.with_error(low, high, decision)
    restored, sd = torch.empty_like(low), None
    for y, outer_y, inner_y in _cores(height, core, network.halo_px):
        for x, outer_x, inner_x in _cores(width, core, network.halo_px):
            shots = low[..., outer_y, outer_x], high[..., outer_y, outer_x]
            tile, tile_sd = network.with_error(*shots, decision.tile(outer_y, outer_x))
            restored[..., y, x] = tile[..., inner_y, inner_x]
            if tile_sd is not None:
                sd = torch.empty_like(low[:, :1]) if sd is None else sd
                sd[..., y, x] = tile_sd[..., inner_y, inner_x]
    return restored, sd


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


def _doubles(values: Tensor) -> np.ndarray:
    return np.asarray(values.double().numpy())
