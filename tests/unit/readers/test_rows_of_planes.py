"""Arrays written by rows come out as if they had been in memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tsva.stage_files import Rows

FULL = """
import resource, sys, numpy as np
from pathlib import Path
from tsva.stage_files import Rows
rows = Rows(Path(sys.argv[1]), (4, 1000))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
rows.write([3], np.ones((1, 1000), np.uint8))
"""


@pytest.mark.parametrize("axes", [1, 2])
def test_rows_in_any_order(tmp_path: Path, axes: int) -> None:
    wanted = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 2), dtype=np.uint8)
    rows = Rows(tmp_path / "a.npy", wanted.shape, axes)
    flat = wanted.reshape(-1, *wanted.shape[axes:])
    order = np.random.default_rng(1).permutation(len(flat))
    for some in np.array_split(order, 3):
        rows.write(some, flat[some])
    assert np.array_equal(np.load(tmp_path / "a.npy"), wanted)


def test_what_is_not_written_is_zero(tmp_path: Path) -> None:
    Rows(tmp_path / "a.npy", (2, 3)).write([1], np.ones((1, 3), np.uint8))
    assert np.load(tmp_path / "a.npy", mmap_mode="r").tolist() == [[0, 0, 0], [1, 1, 1]]


def test_no_rows(tmp_path: Path) -> None:
    Rows(tmp_path / "a.npy", (0, 3, 2))
    assert np.load(tmp_path / "a.npy").shape == (0, 3, 2)


@pytest.mark.parametrize(
    ("index", "values"),
    [
        ([2], np.ones((1, 3), np.uint8)),
        ([-1], np.ones((1, 3), np.uint8)),
        ([0], np.ones((1, 4), np.uint8)),
        ([0], np.ones((1, 3), float)),
        ([0, 1], np.ones((1, 3), np.uint8)),
    ],
)
def test_rows_that_do_not_fit(tmp_path: Path, index: list[int], values: np.ndarray) -> None:
    with pytest.raises(ValueError):
        Rows(tmp_path / "a.npy", (2, 3)).write(index, values)


def test_a_full_disk_is_an_error_and_no_signal(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.npy")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "OSError: [Errno 27]" in done.stderr
