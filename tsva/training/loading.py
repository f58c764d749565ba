"""How visits become batches: in order, from any step on, shared among processes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import lightning
import torch
from torch.utils.data import DataLoader, Sampler

from tsva.training.visits import Sample, VerificationPairs, Visits

VERIFICATION_BATCH = 8
MOST_WORKERS = 8


class Batches(Sampler[list[int]]):
    """Numbers of visits, a step's at a time: process `rank` of `world` takes its even share of every batch.

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


class Loading(lightning.LightningDataModule):
    """Training batches from one verification to the next, and all verification pairs in every process.

    Each visit is a function of its number, so that neither the number of workers nor of processes, nor where a resumed
    training begins, changes what a step sees.

    Parameters
    ----------
    visits : Visits
    pairs : VerificationPairs
    batch, interval : int
        Pairs a step, and steps between verifications.
    workers : int
        Processes that read ahead; 0: this one reads.
    """

    def __init__(self, visits: Visits, pairs: VerificationPairs, *, batch: int, interval: int, workers: int) -> None:
        super().__init__()
        self._visits, self._pairs = visits, pairs
        self._batch, self._interval, self._workers = batch, interval, workers

    def train_dataloader(self) -> DataLoader[Sample]:
        assert self.trainer is not None
        first = int(self.trainer.lightning_module.step)  # type: ignore[arg-type]
        last = min((first // self._interval + 1) * self._interval, self._visits.steps)
        batches = Batches(first, last, self._batch, self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(
            self._visits,
            batch_sampler=batches,
            num_workers=self._workers,
            pin_memory=torch.cuda.is_available(),
            prefetch_factor=4 if self._workers else None,
            generator=_own_generator(),
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        return DataLoader(self._pairs, batch_size=VERIFICATION_BATCH, generator=_own_generator())


def sensible_workers(devices: int) -> int:
    """Processes that read ahead for each device.

    A visit takes 0.15 ms to read and turn (64 pixels) or 0.44 ms (224 pixels), its share of a step of the smallest
    network on a CPU core 130 or 750 times as long: there a worker would only take the core away. On a GPU both take
    about as long, so that reading has to go on beside it.
    """
    if not torch.cuda.is_available():
        return 0
    return max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) // devices - 1))


def _own_generator() -> torch.Generator:
    """Where a loader draws its workers' seeds from, so that it leaves the global generator alone."""
    return torch.Generator().manual_seed(0)
