"""Time and memory of the stages: sums, largest values, and samples that say nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsva.evaluation.run_times import run_times


def test_stages_are_summed_up_the_longest_first() -> None:
    jobs = pd.DataFrame(
        {
            "stage": ["focus", "focus", "train"],
            "s": [2.0, 3.0, 100.0],
            "max_rss": [100.0, 300.0, np.nan],
            "cpu_time": [1.5, 2.5, 90.0],
        }
    )
    assert run_times(jobs) == [
        {"stage": "train", "jobs": 1, "seconds": 100.0, "longest_s": 100.0, "cpu_s": 90.0, "max_memory_mb": None},
        {"stage": "focus", "jobs": 2, "seconds": 5.0, "longest_s": 3.0, "cpu_s": 4.0, "max_memory_mb": 300.0},
    ]


def test_samples_of_a_lost_process_are_left_out() -> None:
    jobs = pd.DataFrame({"stage": "report", "s": [46.5], "max_rss": [12.2], "cpu_time": [0.06]})
    (row,) = run_times(jobs)
    assert row["seconds"] == 46.5 and row["max_memory_mb"] is None and row["cpu_s"] is None


def test_without_files_there_are_no_rows() -> None:
    assert run_times(None) == run_times(pd.DataFrame({"stage": [], "s": [], "max_rss": [], "cpu_time": []})) == []
