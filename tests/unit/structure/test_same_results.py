"""The comparison of runs: what counts as a difference, and what is left out."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Results of a run."""
    results = tmp_path / "results"
    for name in ("refocus", "benchmarks"):
        (results / name).mkdir(parents=True)
        (results / name / "scores.tsv").write_text("patch\tpsnr_db\tseconds\n007\t31.5\t0.25\n")
    np.save(results / "refocus/restored.npy", np.arange(6, dtype=np.uint8))
    (results / "refocus/log.txt").write_text("18:02")
    return results


def test_tables_and_arrays_count(same_results: ModuleType, run: Path) -> None:
    before = same_results.digests(run)
    assert set(before) == {"refocus/scores.tsv", "refocus/restored.npy"}
    (run / "refocus/scores.tsv").write_text("patch\tpsnr_db\tseconds\n007\t31.50\t0.25\n")
    np.save(run / "refocus/restored.npy", np.arange(6, dtype=np.uint8)[::-1])
    assert same_results.differing(before, same_results.digests(run)) == set(before)


def test_measured_times_do_not_count(same_results: ModuleType, run: Path) -> None:
    before = same_results.digests(run)
    for name in ("refocus", "benchmarks"):
        (run / name / "scores.tsv").write_text("patch\tpsnr_db\tseconds\n007\t31.5\t0.75\n")
    (run / "refocus/log.txt").write_text("18:03")
    assert not same_results.differing(before, same_results.digests(run))


def test_a_file_that_one_run_lacks_is_a_difference(same_results: ModuleType, run: Path) -> None:
    before = same_results.digests(run)
    (run / "refocus/restored.npy").unlink()
    assert same_results.differing(same_results.digests(run), before) == {"refocus/restored.npy"}
