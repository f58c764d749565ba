"""Cores, memory and disk."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tsva.pipeline.doctor.machine import (
    LEAST_MEMORY_MB,
    MOST_MEMORY_MB,
    Cores,
    cgroup_cores,
    check_cores,
    check_disk,
    check_memory,
    cores_here,
    look,
    memory_mb,
    own_cgroup,
)

PROJECT = Path(__file__).parents[3]


def test_what_rules_ask_for_is_what_is_checked() -> None:
    asked = [
        int(number)
        for file in (PROJECT / "workflow/rules").glob("*.smk")
        for number in re.findall(r"mem_mb=more\((\d+)\)", file.read_text())
    ]
    assert max(asked) == MOST_MEMORY_MB
    ingest = (PROJECT / "workflow/rules/ingest.smk").read_text()
    assert f"mem_mb=more({LEAST_MEMORY_MB})" in ingest


@pytest.mark.parametrize(
    ("cores", "level", "says"),
    [
        (Cores(8, 8, None), "ok", "8"),
        (Cores(64, 4, None), "ok", "4 of the machine's 64"),
        (Cores(64, 64, 2.5), "note", "a quota of 2.5 cores, where 64 can be seen"),
        (Cores(64, 4, 16.0), "ok", "4 of the machine's 64"),
        (Cores(2, 2, 0.5), "note", "a quota of 0.5 cores"),
    ],
)
def test_cores(cores: Cores, level: str, says: str) -> None:
    (found,) = check_cores(cores, {})
    assert (found.level, found.what.startswith(says)) == (level, True)


def test_a_quota_says_how_many_to_ask_for() -> None:
    assert check_cores(Cores(64, 64, 2.5), {})[0].do == "Run with --cores 2"
    assert check_cores(Cores(2, 2, 0.5), {})[0].do == "Run with --cores 1"


@pytest.mark.parametrize(
    ("value", "level"),
    [("4", "ok"), ("1", "ok"), ("5", "note"), ("many", "bad"), ("0", "bad"), ("-1", "bad"), ("", "bad")],
)
def test_threads(value: str, level: str) -> None:
    found = check_cores(Cores(64, 4, None), {"OMP_NUM_THREADS": value, "HOME": "x"})[1:]
    assert [finding.level for finding in found] == [level]


def test_memory() -> None:
    assert check_memory(MOST_MEMORY_MB).level == "ok"
    assert check_memory(MOST_MEMORY_MB - 1).level == "note"
    assert check_memory(LEAST_MEMORY_MB - 1).level == "bad"
    assert check_memory(None).level == "note"


def test_disk(tmp_path: Path) -> None:
    def level(free: int, needed: int | None, *, inodes: int | None = 10**6, writable: bool = True) -> str:
        return check_disk(tmp_path, free, inodes, writable, needed).level

    assert level(100, None) == "ok"
    assert level(120, 100) == "ok"
    assert level(119, 100) == "note"
    assert level(99, 100) == "bad"
    assert level(1000, 100, inodes=99) == "bad"
    assert level(1000, 100, inodes=None) == "ok"
    assert level(1000, 100, writable=False) == "bad"


def test_quotas_of_cgroups(tmp_path: Path) -> None:
    """The tightest one on the way up counts."""
    assert cgroup_cores(tmp_path, "") is None
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/cpu.max").write_text("max 100000\n")
    assert cgroup_cores(tmp_path, "a/b") is None
    (tmp_path / "a/cpu.max").write_text("250000 100000\n")
    assert cgroup_cores(tmp_path, "a/b") == 2.5
    assert cgroup_cores(tmp_path, "") is None
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert cgroup_cores(tmp_path, "a/b") == 1.0


@pytest.mark.parametrize(("quota", "cores"), [("-1", None), ("150000", 1.5)])
def test_quotas_of_the_first_version(tmp_path: Path, quota: str, cores: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert cgroup_cores(tmp_path, "") == cores


def test_own_cgroup(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("1:cpu:/x\n0::/user.slice/job_7\n")
    assert own_cgroup(tmp_path / "cgroup") == "user.slice/job_7"
    assert own_cgroup(tmp_path / "absent") == ""


def test_memory_is_what_the_tighter_of_both_leaves(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 4000000 kB\n")
    assert memory_mb(tmp_path / "meminfo", tmp_path) == pytest.approx(4096)
    (tmp_path / "memory.max").write_text("3000000000\n")
    (tmp_path / "memory.current").write_text("1000000000\n")
    assert memory_mb(tmp_path / "meminfo", tmp_path) == pytest.approx(2000)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_mb(tmp_path / "meminfo", tmp_path) == pytest.approx(4096)
    assert memory_mb(tmp_path / "absent", tmp_path / "absent") is None


def test_affinity_counts(tmp_path: Path) -> None:
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert cores_here(tmp_path).affinity == 1
    finally:
        os.sched_setaffinity(0, mine)


def test_the_folder_need_not_exist_yet(tmp_path: Path) -> None:
    disk = look(tmp_path / "a/results", 10**18)[-1]
    assert disk.level == "bad"
    assert f"free for {tmp_path}/a/results; this run takes about 1000000000.0 GB" in disk.what
