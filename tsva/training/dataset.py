"""Pairs that a network is trained on and verified with, and their batches.

Each draw is a function of the seed and the pair's number. Batches come in order, from any step on, shared among
processes, read ahead, and augmented.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tsva.acquisition.draws import bin_weights, offset_at_um, rng
from tsva.restoration.networks.parts import single_precision
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

    def patch_of(self, pair: int) -> int:
        """Number of a pair's patch."""
        return self._pairs[pair][0]

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
    images = torch.stack([low, high, target])  # (3, B, C, Y, X): a copy, which is changed in place
    size, channels = low.shape[:2]
    if settings.stain_jitter:
        # Beer-Lambert: optical densities add up, so that another stain is a linear map of them.
        scales = torch.exp(settings.stain_jitter * torch.randn(size, channels, device=low.device))
        mixing = settings.stain_jitter / 4 * torch.randn(size, channels, channels, device=low.device)
        logarithms = images.clamp_(min=DARKEST).log_().flatten(3)
        with single_precision(low.device):  # eight bits of bfloat16 would be the target's noise
            mixed = (torch.diag_embed(scales) + mixing) @ logarithms
        images = mixed.clamp_(max=0).exp_().view_as(images)
    if settings.lamp_jitter:
        images *= 1 + settings.lamp_jitter * _symmetric(size, low.device)
    if settings.noise_jitter:
        noise = torch.randn(images[:2].shape, device=low.device)  # randn_like of channels last takes six times as long
        images[:2] += noise.mul_(settings.noise_jitter * _symmetric(size, low.device))
    images.clamp_(0, 1)
    low, high, target = (image.contiguous(memory_format=torch.channels_last) for image in images)
    return low, high, target


def _symmetric(size: int, device: torch.device) -> Tensor:
    """(B, 1, 1, 1) numbers, even between -1 and 1."""
    return 2 * torch.rand(size, 1, 1, 1, device=device) - 1


VERIFICATION_BATCH = 8
MOST_WORKERS = 8
PREFETCH = 4
"""Batches that each worker reads ahead."""


class Batches(Sampler[list[int]]):
    """Numbers of training pairs, a step's at a time: process `rank` of `world` takes its even share of every batch.

    Parameters
    ----------
    first, last : int
        Steps first, …, last - 1.
    batch : int
        Pairs a step, of all processes together; a multiple of `world`.
    rank, world : int
    """

    def __init__(self, first: int, last: int, batch: int, rank: int = 0, world: int = 1) -> None:
        if batch % world:
            raise ValueError(f"{batch} pairs a step can't be shared evenly by {world} processes")
        self._steps, self._batch, self._share, self._rank = range(first, last), batch, batch // world, rank

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps:
            begin = step * self._batch + self._rank * self._share
            yield list(range(begin, begin + self._share))


def training_batches(pairs: TrainingPairs, batches: Batches, workers: int) -> DataLoader[Sample]:
    """Batches of training pairs.

    Each pair is a function of its number, so that neither the number of workers nor of processes, nor where a resumed
    training begins, changes what a step sees.

    Parameters
    ----------
    pairs : TrainingPairs
    batches : Batches
    workers : int
        Processes that read ahead; 0: this one reads.
    """
    return DataLoader(
        pairs,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=PREFETCH if workers else None,
        generator=_own_generator(),
    )


def verification_batches(pairs: VerificationPairs) -> DataLoader[Sample]:
    """All verification pairs."""
    return DataLoader(pairs, batch_size=VERIFICATION_BATCH, generator=_own_generator())


def sensible_workers(devices: int) -> int:
    """Processes that read ahead for each device.

    A pair takes about a millisecond to read and turn, its share of a step of the smallest network on a CPU core a
    hundred times as long: there a worker would only take the core away. On a GPU both take about as long, so that
    reading has to go on beside it.
    """
    if not torch.cuda.is_available():
        return 0
    return max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) // devices - 1))


def _own_generator() -> torch.Generator:
    """Where a loader draws its workers' seeds from, so that it leaves the global generator alone."""
    return torch.Generator().manual_seed(0)
