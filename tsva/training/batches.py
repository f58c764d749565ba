"""Batches of training pairs: in order, from any step on, shared among processes, read ahead, and augmented."""

from __future__ import annotations

import os
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from tsva.settings.train import TrainSettings
from tsva.training.dataset import Sample, TrainingPairs, VerificationPairs

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
