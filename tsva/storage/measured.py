"""Time, processor time and memory of a run's jobs: Snakemake's benchmark files and the fork server's records."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import pandas as pd

log = logging.getLogger(__name__)
MEASURED = ("s", "max_rss", "cpu_time")
"""Columns of Snakemake's benchmark files that are used."""
USAGE = ".usage.json"
"""End of the records that forked stages leave beside their logs (`tsva.cli.fork_client`)."""


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
