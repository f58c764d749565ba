"""Time, processor time and memory of a run's stages: from Snakemake's benchmark files and the fork server's records."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd

log = logging.getLogger(__name__)
MEASURED = ("s", "max_rss", "cpu_time")
"""Columns of Snakemake's benchmark files that are used."""
USAGE = ".usage.json"
"""End of the records that forked stages leave beside their logs (`tsva.cli.main`)."""


def measured_jobs(results: Path) -> pd.DataFrame | None:
    """What was measured of the jobs that have ended.

    A stage that ran in a fork is no child of its job: Snakemake measures the process that waits for it. Such a stage's
    processor time and memory come from the record beside its log.

    Parameters
    ----------
    results : Path
        Folder with ``benchmarks/<stage>/<job>.tsv``; the logs lie in ``logs`` beside it.

    Returns
    -------
    DataFrame or None
        A row a job: `stage`, `s` (seconds), `max_rss` (MB) and `cpu_time` (seconds), NaN where it was not measured.
        Files that cannot be read are left out. None without any.
    """
    rows = []
    for path in sorted((results / "benchmarks").glob("*/*.tsv")):
        try:
            row = _measured(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: not read (%s)", path, error)
            continue
        used = _used(results.parent / "logs", path.parent.name, path.stem)
        rows.append({"stage": path.parent.name, **row, **used})
    return pd.DataFrame(rows, columns=[*MEASURED, "stage"]) if rows else None


def _measured(text: str) -> dict[str, float]:
    """Columns of the last attempt; a benchmark file has a line an attempt."""
    *_, last = csv.DictReader(text.splitlines(), delimiter="\t")
    return {name: float("nan") if last[name] in ("-", "NA", "") else float(last[name]) for name in MEASURED}


def _used(logs: Path, stage: str, job: str) -> dict[str, float]:
    """Columns that a fork's record replaces; none for a job that was no fork."""
    # the log of a stage with a single job lies in no folder of its own
    places = [logs / stage / f"{job}{USAGE}", *([logs / f"{stage}{USAGE}"] if job == stage else [])]
    record = next((place for place in places if place.exists()), None)
    if record is None:
        return {}
    try:
        used = json.loads(record.read_text(encoding="utf-8"))
        return {"cpu_time": float(used["cpu_s"]), "max_rss": float(used["max_memory_mb"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: not read (%s)", record, error)
        return {"cpu_time": float("nan"), "max_rss": float("nan")}


def run_times(jobs: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Sum up the jobs of each stage.

    Parameters
    ----------
    jobs : DataFrame or None
        As `measured_jobs` returns; NaN where a job ended before it was measured.

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
        known = {name: part[name].dropna() for name in MEASURED}
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
