"""How long a run will still take, from how long its jobs took."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TextIO

TYPICAL_S = {
    "train": 150.0,
    "advise": 20.0,
    "report": 20.0,
    "evaluate": 15.0,
    "refocus": 25.0,
    "count": 10.0,
    "simulate": 4.0,
}
"""Seconds of a job on one core for rules that have not run here yet: the embedded default on two cores."""
OTHER_S = 2.0
EVERY_S = 10.0
"""A line is printed at most this often."""


class RemainingTime(logging.Handler):
    """Prints a line with the estimated remaining time as Snakemake's jobs end.

    A job is expected to take the mean of the jobs of its rule in this run, before that what the last run in this
    working directory measured, and before that a typical time. The sum over what is left is shared among the cores.

    Parameters
    ----------
    cores : int
        Jobs that run side by side, counted in cores.
    memory : Path
        Where the mean core-seconds and the number of jobs of each rule are kept for the next run.
    stream : text file, optional
        Where lines go (default: standard error).
    """

    def __init__(self, cores: int, memory: Path, stream: TextIO | None = None) -> None:
        super().__init__()
        self._cores, self._memory, self._stream = max(1, cores), memory, stream or sys.stderr
        self._before = _remembered(memory)
        self._left: Counter[str] = Counter()
        self._running: dict[int, tuple[str, float, int]] = {}
        self._measured: dict[str, list[float]] = {}
        self._total = self._done = 0
        self._printed_at = -EVERY_S

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one of Snakemake's events. Nothing that goes wrong here may disturb the run."""
        event = getattr(getattr(record, "event", None), "value", None)
        with contextlib.suppress(Exception):
            if event == "run_info":
                self._plan(getattr(record, "stats", {}))
            elif event == "job_info":
                self._begin(record)
            elif event == "job_finished":
                self._end(int(record.job_id))  # type: ignore[attr-defined]

    def seconds_left(self) -> float:
        """Estimated seconds until the last job ends."""
        now = time.monotonic()
        waiting = sum(count * self._core_seconds(rule) for rule, count in self._left.items())
        running = [
            (max(self._core_seconds(rule) / cores - (now - began), 1.0), cores)
            for rule, began, cores in self._running.values()
        ]
        shared = (waiting + sum(left * cores for left, cores in running)) / self._cores
        return max(shared, *(left for left, _ in running)) if running else shared

    def _plan(self, stats: dict[str, int]) -> None:
        self._left = Counter({rule: count for rule, count in stats.items() if rule not in ("total", "default")})
        self._total = sum(self._left.values())

    def _begin(self, record: logging.LogRecord) -> None:
        rule = str(record.rule_name)  # type: ignore[attr-defined]
        threads = int(getattr(record, "threads", 1) or 1)
        self._running[int(record.jobid)] = (rule, time.monotonic(), min(threads, self._cores))  # type: ignore[attr-defined]
        self._left[rule] -= 1

    def _end(self, job: int) -> None:
        if job not in self._running:
            return
        rule, began, cores = self._running.pop(job)
        self._measured.setdefault(rule, []).append((time.monotonic() - began) * cores)
        self._done += 1
        if self._done == self._total:
            self._keep()
        elif time.monotonic() - self._printed_at >= EVERY_S:
            self._printed_at = time.monotonic()
            print(
                f"{self._done} of {self._total} jobs done, about {spoken(self.seconds_left())} left", file=self._stream
            )

    def _core_seconds(self, rule: str) -> float:
        measured = self._measured.get(rule)
        if measured:
            return sum(measured) / len(measured)
        return self._before.get(rule, TYPICAL_S.get(rule, OTHER_S))

    def _keep(self) -> None:
        found = {
            rule: {"core_seconds": round(sum(each) / len(each), 2), "jobs": len(each)}
            for rule, each in self._measured.items()
        }
        before = {rule: {"core_seconds": seconds, "jobs": 0} for rule, seconds in self._before.items()}
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        self._memory.write_text(json.dumps({**before, **found}, indent=1), encoding="utf-8")


def spoken(seconds: float) -> str:
    """A duration as people say it: ``40 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 55:
        return f"{max(10, round(seconds, -1)):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _remembered(memory: Path) -> dict[str, float]:
    try:
        found = json.loads(memory.read_text(encoding="utf-8"))
        return {str(rule): float(each["core_seconds"]) for rule, each in found.items()}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}
