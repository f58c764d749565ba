"""Time and memory of each stage, from the benchmark files that Snakemake writes beside its jobs."""

from __future__ import annotations

from typing import Any

import pandas as pd

COLUMNS = ("stage", "s", "max_rss", "cpu_time")
LOST = 0.01
"""Share of a job's time. Snakemake samples memory and processor time, and can lose the process soon after its start.
A job of more than `SHORT_S` seconds with less processor time than this has been lost: its samples say nothing."""
SHORT_S = 10


def run_times(jobs: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Sum up the jobs of each stage.

    Parameters
    ----------
    jobs : DataFrame or None
        A row a job: `stage`, and Snakemake's `s` (seconds), `max_rss` (MB) and `cpu_time` (seconds); NaN where a job
        ended before it was measured. Memory and processor time of jobs that Snakemake lost are left out.

    Returns
    -------
    list of dict
        `stage`, `jobs`, `seconds` (sum over jobs), `longest_s`, `cpu_s` (sum) and `max_memory_mb` (of the largest job),
        the longest stage first. A number is None where no job of the stage has it.
    """
    if jobs is None or jobs.empty:
        return []
    lost = (jobs["s"] > SHORT_S) & (jobs["cpu_time"] < LOST * jobs["s"])
    jobs = jobs.assign(**{name: jobs[name].mask(lost) for name in ("max_rss", "cpu_time")})
    rows = []
    for stage, part in jobs.groupby("stage", sort=True):
        known = {name: part[name].dropna() for name in COLUMNS[1:]}
        seconds, memory, cpu = (known[name] for name in ("s", "max_rss", "cpu_time"))
        rows.append(
            {
                "stage": str(stage),
                "jobs": len(part),
                "seconds": float(seconds.sum()) if len(seconds) else None,
                "longest_s": float(seconds.max()) if len(seconds) else None,
                "cpu_s": float(cpu.sum()) if len(cpu) else None,
                "max_memory_mb": float(memory.max()) if len(memory) else None,
            }
        )
    return sorted(rows, key=lambda row: -(row["seconds"] or 0))
