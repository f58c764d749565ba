"""Restore images from pairs of shots: patches in batches, images of any size in tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tsva.acquisition.pair import Pair
from tsva.acquisition.stack import eight_bits
from tsva.restoration.networks.decision import decide, part_of
from tsva.restoration.networks.fusion import Fusion
from tsva.restoration.networks.sharper import high_is_sharper
from tsva.settings.refocus import RefocusSettings


@dataclass(frozen=True)
class Outcome:
    """What a method made of some pairs.

    Attributes
    ----------
    images : (N, Y, X, C) uint8 array
    facts : mapping of str to sequence of N values
        What it says of each pair beside that, by names of `tsva.evaluation.scoring.FACTS`.
    """

    images: np.ndarray
    facts: Mapping[str, Sequence[float | str | None]] = field(default_factory=dict)


Method = Callable[[Sequence[Pair]], Outcome]
"""Pairs of one size, in."""


def as_captured(pairs: Sequence[Pair]) -> Outcome:
    """The sharper shot of each pair by Brenner, untouched: the "y1" row.

    Parameters
    ----------
    pairs : sequence of Pair
        All of one size.

    Returns
    -------
    Outcome
    """
    swap = [bool(high_is_sharper(*_tensors([pair]))) for pair in pairs]
    return Outcome(np.stack([pair.high if swapped else pair.low for pair, swapped in zip(pairs, swap, strict=True)]))


def with_network(network: nn.Module, settings: RefocusSettings) -> Method:
    """A network as a method.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode; see `tsva.restoration.networks.build`.
    settings : RefocusSettings
        Batch and tile size, which change no result.
    """

    def method(pairs: Sequence[Pair]) -> Outcome:
        done = [
            _outcome(network, pairs[start : start + settings.batch], settings.tile_px)
            for start in range(0, len(pairs), settings.batch)
        ]
        facts = {name: [value for some in done for value in some.facts[name]] for name in done[0].facts}
        return Outcome(np.concatenate([some.images for some in done]), facts)

    return method


@torch.inference_mode()
def _outcome(network: nn.Module, pairs: Sequence[Pair], tile_px: int) -> Outcome:
    """One batch."""
    low, high = _tensors(pairs)
    decision = decide(network, low, high)
    facts: dict[str, Sequence[float]] = {}
    if isinstance(network, Fusion) and max(low.shape[-2:]) <= tile_px:
        restored, sd = network.with_spread(low, high, decision)
        focal_offset_um, sd_um = (
            each.flatten(1).mean(1) if each.ndim > 1 else each for each in (decision.focal_offset_um, decision.sd_um)
        )
        rmse = sd.square().mean(dim=(1, 2, 3)).sqrt()
        facts = {
            "estimated_focal_offset_um": focal_offset_um.tolist(),
            "estimated_focal_offset_sd_um": sd_um.tolist(),
            "predicted_rmse": rmse.tolist(),
        }
    else:
        restored = restore(network, low, high, tile_px=tile_px, decision=decision)
    return Outcome(eight_bits(restored.numpy().transpose(0, 2, 3, 1)), facts)


@torch.inference_mode()
def restore(network: nn.Module, low: Tensor, high: Tensor, *, tile_px: int, decision: Any = None) -> Tensor:
    """Send images through a network, in tiles where they are larger than one.

    Each tile is a core and a halo as wide as the network can see, so that the cores side by side are what the whole
    image would have given. What a network decides (which shot is Y1, the focal offset) it decides for the whole image.

    Parameters
    ----------
    network : nn.Module
        With ``multiple`` and ``halo_px``.
    low, high : (B, C, Y, X) float tensors
        In [0, 1].
    tile_px : int
        Edge of the cores, rounded up to the network's ``multiple``.
    decision : optional
        Of `tsva.restoration.networks.decision.decide`, where it is known already.

    Returns
    -------
    (B, C, Y, X) float tensor
    """
    multiple, halo = int(network.multiple), int(network.halo_px)  # type: ignore[arg-type]
    core = -(-tile_px // multiple) * multiple
    height, width = low.shape[-2:]
    decision = decide(network, low, high) if decision is None else decision
    if max(height, width) <= core:
        whole: Tensor = network(low, high, decision)
        return whole
    restored = torch.empty_like(low)
    for y, outer_y, inner_y in _cores(height, core, halo):
        for x, outer_x, inner_x in _cores(width, core, halo):
            shots = low[..., outer_y, outer_x], high[..., outer_y, outer_x]
            tile = network(*shots, part_of(decision, outer_y, outer_x))
            restored[..., y, x] = tile[..., inner_y, inner_x]
    return restored


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
