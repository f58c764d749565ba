"""Pairs that a network is trained on and verified with: each draw is a function of the seed and the pair's number."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tsva.acquisition.draws import bin_weights, offset_at_um, rng
from tsva.settings.acquisition import PairsSettings
from tsva.settings.train import TrainSettings
from tsva.training.patches import PatchStacks

GOLDEN_RATIO = 0.6180339887498949
"""Its multiples fill [0, 1) evenly, so that any run of them holds the offsets' quotas."""
Sample = tuple[Tensor, Tensor, Tensor, float]
"""low, high, target: (C, Y, X) uint8; focal_offset_um."""


class TrainingPairs(Dataset[Sample]):
    """Training pairs: all patches in a new order each epoch, each turned, cropped and given an offset.

    Parameters
    ----------
    patches : PatchStacks
    settings : TrainSettings
    seed : int
    """

    def __init__(self, patches: PatchStacks, settings: TrainSettings, seed: int) -> None:
        self._patches, self._settings, self._seed = patches, settings, seed
        self._order = lru_cache(maxsize=2)(self._new_order)
        # a shot that is the target would teach to copy its noise
        self._quotas = {True: _Quotas(patches.pairs.offsets_um, patches.pairs)}
        self._quotas[False] = _Quotas(patches.pairs.strict_offsets_um, patches.pairs)

    @property
    def patches(self) -> int:
        """Of an epoch."""
        return len(self._patches)

    @property
    def steps(self) -> int:
        """Of the optimiser."""
        settings = self._settings
        return settings.steps or -(-settings.epochs * len(self._patches) // settings.batch)  # type: ignore[operator]

    def __len__(self) -> int:
        return self.steps * self._settings.batch

    def __getitem__(self, pair: int) -> Sample:
        if pair >= len(self):
            raise IndexError(pair)
        epoch, place = divmod(pair, len(self._patches))
        patch, random = int(self._order(epoch)[place]), rng(self._seed, "pair", pair)
        focal_offset_um = self._offset_um(patch, pair, random)
        where = self._crop(self._patches.size_px(patch), random)
        turns, mirror = int(random.integers(4)), self._settings.flips and bool(random.integers(2))
        if self._settings.offsets == "continuous":
            views = self._patches.between(patch, focal_offset_um, random, where)
        else:
            low, high, target = self._patches.views(patch, focal_offset_um)
            views = low[where], high[where], target[where]
        return (
            _turned(views[0], turns, mirror),
            _turned(views[1], turns, mirror),
            _turned(views[2], turns, mirror),
            self._patches.from_focus_um(patch, focal_offset_um),
        )

    def _new_order(self, epoch: int) -> np.ndarray:
        return rng(self._seed, "order", epoch).permutation(len(self._patches))

    def _offset_um(self, patch: int, pair: int, random: np.random.Generator) -> float:
        if self._settings.offsets == "drawn":
            return float(self._patches.focal_offset_um[patch])
        u = (pair * GOLDEN_RATIO + 0.01 * random.random()) % 1
        if self._settings.offsets == "continuous":
            return float(offset_at_um(u, self._patches.pairs))
        return self._quotas[self._patches.clean(patch) is not None].at(u)

    def _crop(self, size: tuple[int, int], random: np.random.Generator) -> tuple[slice, slice]:
        edge = self._settings.crop_px
        if edge is None:
            return slice(None), slice(None)
        corners = [int(random.integers(max(length - edge, 0) + 1)) for length in size]
        return slice(corners[0], corners[0] + edge), slice(corners[1], corners[1] + edge)


class _Quotas:
    """Offsets of the grid by their Gaussian shares."""

    def __init__(self, offsets_um: tuple[float, ...], pairs: PairsSettings) -> None:
        self._offsets_um = offsets_um
        self._cumulated = np.cumsum(bin_weights(offsets_um, pairs.offset_sd_um, pairs.z_step_um))

    def at(self, share: float) -> float:
        """The offset that a share in [0, 1) falls to."""
        found = int(np.searchsorted(self._cumulated, share, side="right"))
        return self._offsets_um[min(found, len(self._offsets_um) - 1)]


class VerificationPairs(Dataset[Sample]):
    """Whole patches at fixed offsets of Gaussian density: at most so many, all of one weight, spread over patches.

    Simulated slides have such pairs, taken between the planes, and in-focus images without noise. Of real slides the
    shots are interpolated from planes other than the in-focus one, so that they share no noise with it.

    Parameters
    ----------
    patches : PatchStacks
    most : int
    """

    def __init__(self, patches: PatchStacks, most: int) -> None:
        self._patches = patches
        turns = -(-most // max(len(patches), 1))
        drawn = [patches.draws(patch) for patch in range(len(patches))]
        # turn by turn, so that no patch comes again before all have come
        self._pairs = [(p, turn) for turn in range(turns) for p in range(len(patches)) if turn < (drawn[p] or turns)]
        self._pairs = self._pairs[:most]

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, pair: int) -> Sample:
        if pair >= len(self):
            raise IndexError(pair)
        patch, turn = self._pairs[pair]
        if self._patches.draws(patch):
            low, high, target, focal_offset_um = self._patches.drawn(patch, turn)
        else:
            focal_offset_um = float(offset_at_um((pair + 0.5) * GOLDEN_RATIO % 1, self._patches.pairs))
            low, high, target = self._patches.between(patch, focal_offset_um, rng(0, "verification", pair))
            focal_offset_um = self._patches.from_focus_um(patch, focal_offset_um)
        return _turned(low, 0, False), _turned(high, 0, False), _turned(target, 0, False), focal_offset_um


def _turned(view: np.ndarray, turns: int, mirror: bool) -> Tensor:
    """A copy as (C, Y, X), turned by quarters and perhaps mirrored."""
    image = np.rot90(view, turns)
    if mirror:
        image = image[:, ::-1]
    # always a copy: a grey image is laid out right as it is, and patches can't be written to
    return torch.from_numpy(image.transpose(2, 0, 1).copy())
