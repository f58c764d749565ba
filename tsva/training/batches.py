"""How training pairs become batches: in order, from any step on, shared among processes, read ahead of their use."""

from __future__ import annotations

import os
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Sampler

from tsva.training.dataset import Sample, TrainingPairs, VerificationPairs

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
