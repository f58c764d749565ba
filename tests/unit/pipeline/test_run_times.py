"""Time and memory of the stages: sums, largest values, and where they are read from."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tsva.cli import main
from tsva.pipeline.run_times import USAGE, measured_jobs, run_times


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


def benchmark(results: Path, job: str, cells: str) -> None:
    """A file as Snakemake writes it."""
    file = results / f"benchmarks/{job}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{cells}\n")


def test_a_fork_s_own_record_stands_for_what_snakemake_cannot_see(tmp_path: Path) -> None:
    results, logs = tmp_path / "results", tmp_path / "logs"
    benchmark(results, "focus/A1", "9.5\t0:00:09\t12.2\t0.04")
    benchmark(results, "focus/B1", "2.5\t0:00:02\t310.0\t2.25")
    benchmark(results, "split/split", "0.1\t0:00:00\tNA\tNA")
    (logs / "focus").mkdir(parents=True)
    (logs / f"focus/A1{USAGE}").write_text('{"cpu_s": 8.75, "max_memory_mb": 420.5}')
    (logs / f"split{USAGE}").write_text('{"cpu_s": 0.08, "max_memory_mb": 90.0}')
    assert run_times(measured_jobs(results)) == [
        {"stage": "focus", "jobs": 2, "seconds": 12.0, "longest_s": 9.5, "cpu_s": 11.0, "max_memory_mb": 420.5},
        {"stage": "split", "jobs": 1, "seconds": 0.1, "longest_s": 0.1, "cpu_s": 0.08, "max_memory_mb": 90.0},
    ]


def test_a_damaged_record_is_no_measurement(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    benchmark(tmp_path / "results", "report/report", "46.5\t0:00:46\t12.2\t0.06")
    (tmp_path / "logs/report").mkdir(parents=True)
    (tmp_path / f"logs/report/report{USAGE}").write_text('{"cpu_s": 44')
    (row,) = run_times(measured_jobs(tmp_path / "results"))
    assert row["seconds"] == 46.5 and row["max_memory_mb"] is None and row["cpu_s"] is None
    assert "report.usage.json: not read" in caplog.text


def test_every_rule_s_log_and_benchmark_name_the_same_job() -> None:
    assert main.USAGE == USAGE
    rules = Path(__file__).parents[3] / "workflow/rules"
    pairs = [
        found
        for file in rules.glob("*.smk")
        for found in re.findall(
            r'log:\s+"logs/([^"]+)\.log".*?benchmark:\s+"results/benchmarks/([^"]+)\.tsv"', file.read_text(), re.DOTALL
        )
    ]
    assert len(pairs) > 15
    for log, job in pairs:
        stage, name = job.split("/")
        assert log == job or log == stage == name


def test_without_files_there_are_no_rows() -> None:
    assert measured_jobs(Path("nowhere")) is None
    assert run_times(None) == run_times(pd.DataFrame({"stage": [], "s": [], "max_rss": [], "cpu_time": []})) == []
