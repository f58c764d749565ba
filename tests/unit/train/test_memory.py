"""Patches stay on disk: what a training holds doesn't grow with the data."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from tsva.settings.acquisition import PairsSettings
from tsva.settings.train import TrainSettings
from tsva.training.dataset import Batches, TrainingPairs
from tsva.training.patches import PatchStacks, data_digest

PATCHES, EDGE = 24, 224
ARRAY_BYTES = PATCHES * 15 * EDGE * EDGE * 3  # 54 MB


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Path]:
    """An array of patches in a file; zeros, which take no room on it."""
    path = tmp_path / "patches.npy"
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(PATCHES, 15, EDGE, EDGE, 3))
    del array
    yield path
    path.unlink()


def own_bytes() -> int:
    """Memory of this process that no file is behind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def test_a_whole_epoch_holds_batches_and_no_data_set(on_disk: Path) -> None:
    patches = PatchStacks(
        (np.load(on_disk, mmap_mode="r"),),
        np.zeros(PATCHES, int),
        np.arange(PATCHES),
        np.zeros(PATCHES),
        PairsSettings(),
    )
    settings = TrainSettings(crop_px=None, batch=4, epochs=1, steps=None)
    visits = TrainingPairs(patches, settings, seed=1)
    batch_bytes = 4 * 3 * EDGE * EDGE * 3
    next(iter(DataLoader(visits, batch_sampler=Batches(0, 1, 4))))
    before = own_bytes()
    tracemalloc.start()
    for _ in DataLoader(visits, batch_sampler=Batches(0, visits.steps, 4)):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A batch as separate images and collated, the one before it, and room for the interpreter: 1.8 MB each.
    assert peak < 4 * batch_bytes < ARRAY_BYTES / 5
    assert own_bytes() - before < 8 * batch_bytes < ARRAY_BYTES / 3


def test_the_digest_of_data_reads_a_piece_at_a_time(on_disk: Path) -> None:
    import pandas as pd

    rows = pd.DataFrame({"array": [on_disk.name], "has_clean": [0], "draws": [0]})
    tracemalloc.start()
    data_digest(rows, on_disk.parent)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
