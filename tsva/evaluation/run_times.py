"""Time and memory of each stage, from what was measured of its jobs."""

from __future__ import annotations

from typing import Any

import pandas as pd

COLUMNS = ("stage", "s", "max_rss", "cpu_time")


def run_times(jobs: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Sum up the jobs of each stage.

    Parameters
    ----------
    jobs : DataFrame or None
        A row a job: `stage`, `s` (seconds), `max_rss` (MB) and `cpu_time` (seconds); NaN where a job ended before it
        was measured (`tsva.storage.measured.measured_jobs`).

    Returns
    -------
    list of dict
        `stage`, `jobs`, `seconds` (sum over jobs), `longest_s`, `cpu_s` (sum) and `max_memory_mb` (of the largest job),
        the longest stage first. A number is None where no job of the stage has it.
    """
    if jobs is None or jobs.empty:
        return []
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
