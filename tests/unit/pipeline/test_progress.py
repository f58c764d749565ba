"""The estimate of the remaining time follows what jobs took."""

from __future__ import annotations

import io
import logging
from enum import Enum
from pathlib import Path

import pytest

from tsva.pipeline import progress
from tsva.pipeline.progress import RemainingTime, spoken


class Event(Enum):
    """Values of Snakemake's log events."""

    RUN_INFO = "run_info"
    JOB_INFO = "job_info"
    JOB_FINISHED = "job_finished"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def send(handler: RemainingTime, event: Event, **facts: object) -> None:
    handler.handle(logging.makeLogRecord({"event": event, **facts}))


def test_names_are_those_of_snakemake() -> None:
    from snakemake_interface_logger_plugins.common import LogEvent

    assert {event.value for event in Event} <= {event.value for event in LogEvent}


def test_jobs_left_are_shared_among_cores(tmp_path: Path, clock: Clock) -> None:
    stream = io.StringIO()
    handler = RemainingTime(2, tmp_path / "seconds.json", stream)
    send(handler, Event.RUN_INFO, stats={"pairs": 5, "default": 1, "total": 6})
    send(handler, Event.JOB_INFO, jobid=1, rule_name="pairs", threads=1)
    clock.now = 30.0
    send(handler, Event.JOB_FINISHED, job_id=1)
    assert handler.seconds_left() == pytest.approx(4 * 30 / 2)
    assert stream.getvalue() == "1 of 5 jobs done, about 1 min left\n"
    send(handler, Event.JOB_INFO, jobid=2, rule_name="pairs", threads=1)
    clock.now = 40.0
    assert handler.seconds_left() == pytest.approx((3 * 30 + 20) / 2)


def test_one_long_job_sets_the_time(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "seconds.json").write_text('{"train": {"core_seconds": 100, "jobs": 1}}')
    handler = RemainingTime(4, tmp_path / "seconds.json", io.StringIO())
    send(handler, Event.RUN_INFO, stats={"train": 1})
    send(handler, Event.JOB_INFO, jobid=1, rule_name="train", threads=1)
    clock.now = 30.0
    assert handler.seconds_left() == pytest.approx(70)


def test_the_next_run_knows_what_this_one_measured(tmp_path: Path, clock: Clock) -> None:
    memory = tmp_path / "kept" / "seconds.json"
    first = RemainingTime(1, memory, io.StringIO())
    send(first, Event.RUN_INFO, stats={"train": 1})
    send(first, Event.JOB_INFO, jobid=1, rule_name="train", threads=1)
    clock.now = 12.0
    send(first, Event.JOB_FINISHED, job_id=1)
    second = RemainingTime(1, memory, io.StringIO())
    send(second, Event.RUN_INFO, stats={"train": 1})
    assert second.seconds_left() == pytest.approx(12)


def test_damaged_memory_and_unknown_events_disturb_nothing(tmp_path: Path) -> None:
    (tmp_path / "seconds.json").write_text("[1, 2")
    handler = RemainingTime(1, tmp_path / "seconds.json", io.StringIO())
    send(handler, Event.JOB_FINISHED, job_id=7)
    handler.handle(logging.makeLogRecord({"msg": "no event"}))
    assert handler.seconds_left() == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(4, "10 s"), (38, "40 s"), (57, "1 min"), (290, "5 min"), (7800, "2 h 10 min")]
)
def test_durations_as_people_say_them(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
