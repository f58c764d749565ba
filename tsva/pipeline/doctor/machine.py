"""Cores, memory and disk, as far as this process may use them."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tsva.pipeline.doctor.finding import Finding

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
MOST_MEMORY_MB = 8000
"""What the hungriest rule asks for (train)."""
LEAST_MEMORY_MB = 2000
"""What most rules ask for; with less, ingest is likely to be killed."""
ROOM_TO_SPARE = 1.2
LEAST_INODES = 10_000


@dataclass(frozen=True)
class Cores:
    """How many cores there are: in the machine, allowed by affinity, and by the cgroup's quota (None: no quota)."""

    machine: int
    affinity: int
    quota: float | None


def check_cores(cores: Cores, environment: Mapping[str, str]) -> list[Finding]:
    """Whether Snakemake's `--cores all` and the threads of libraries fit what this process may use.

    Parameters
    ----------
    cores : Cores
        As found.
    environment : mapping of str to str
        Of the process.
    """
    usable = cores.affinity if cores.quota is None else min(cores.affinity, max(1, math.floor(cores.quota)))
    out = []
    if usable < cores.affinity:
        out.append(
            Finding(
                "cores",
                "note",
                f"a quota of {cores.quota:g} cores, where {cores.affinity} can be seen: "
                "--cores all would take all of them",
                f"Run with --cores {usable}",
            )
        )
    elif cores.affinity < cores.machine:
        out.append(Finding("cores", "ok", f"{usable} of the machine's {cores.machine}"))
    else:
        out.append(Finding("cores", "ok", str(usable)))
    for name in THREADS:
        value = environment.get(name)
        if value is None:
            continue
        if not value.isdigit() or int(value) < 1:
            out.append(Finding("threads", "bad", f"{name}={value} is no number of threads", f"unset {name}"))
        elif int(value) > usable:
            what = f"{name}={value} is more than the {usable} cores there are: threads would wait for each other"
            out.append(Finding("threads", "note", what, f"export {name}={usable}, or unset it"))
        else:
            out.append(Finding("threads", "ok", f"{name}={value}"))
    return out


def check_memory(available_mb: float | None) -> Finding:
    """Whether there is as much memory as rules ask for."""
    if available_mb is None:
        return Finding("memory", "note", "not known on this machine", "Check that 8 GB are free")
    text = f"{available_mb / 1000:.1f} GB available"
    most = f"{MOST_MEMORY_MB / 1000:g} GB"
    if available_mb < LEAST_MEMORY_MB:
        return Finding(
            "memory",
            "bad",
            f"{text}; jobs take up to {most} and would be killed",
            "End what else runs here, or go to a larger machine",
        )
    if available_mb < MOST_MEMORY_MB:
        return Finding(
            "memory",
            "note",
            f"{text}; training at the paper's scale asks for {most}",
            f"Enough for the embedded default; --resources mem_mb={available_mb:.0f} keeps jobs apart",
        )
    return Finding("memory", "ok", text)


def check_disk(
    folder: Path, free_bytes: int, free_inodes: int | None, writable: bool, needed_bytes: int | None
) -> Finding:
    """Whether results fit where they will be written.

    Parameters
    ----------
    folder : Path
        Of the results.
    free_bytes, free_inodes : int
        Of its file system; None where that has no inodes to run out of.
    writable : bool
        Whether files can be made there.
    needed_bytes : int or None
        By the plan; None without settings.
    """
    text = f"{free_bytes / 1e9:.1f} GB free for {folder}"
    elsewhere = "Make room, or run with --directory on a larger disk"
    if not writable:
        return Finding(
            "disk", "bad", f"{folder} can't be written to", "Correct its permissions, or run with --directory"
        )
    if free_inodes is not None and free_inodes < LEAST_INODES:
        return Finding("disk", "bad", f"room for {free_inodes} files alone in {folder}", elsewhere)
    if needed_bytes is None:
        return Finding("disk", "ok", text)
    text += f"; this run takes about {needed_bytes / 1e9:.1f} GB"
    if free_bytes < needed_bytes:
        return Finding("disk", "bad", text, elsewhere)
    if free_bytes < ROOM_TO_SPARE * needed_bytes:
        return Finding("disk", "note", text, "Watch it: little is left beside")
    return Finding("disk", "ok", text)


def cores_here(cgroup: Path = Path("/sys/fs/cgroup")) -> Cores:
    """Of this process."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Cores(os.cpu_count() or 1, affinity, cgroup_cores(cgroup, own_cgroup()))


def own_cgroup(table: Path = Path("/proc/self/cgroup")) -> str:
    """Path of this process's cgroup below the root, by version 2's line; empty for the root."""
    with contextlib.suppress(OSError):
        for line in table.read_text(encoding="utf-8").splitlines():
            if line.startswith("0::"):
                return line[3:].strip("/")
    return ""


def cgroup_cores(root: Path, own: str) -> float | None:
    """The smallest CPU quota on the way from this process's cgroup up; version 2's, else version 1's."""
    found = []
    for folder in _upwards(root, own):
        with contextlib.suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
            if quota != "max":
                found.append(int(quota) / int(period))
    with contextlib.suppress(OSError, ValueError):
        quota_us = int((root / "cpu/cpu.cfs_quota_us").read_text(encoding="utf-8"))
        if quota_us > 0:
            found.append(quota_us / int((root / "cpu/cpu.cfs_period_us").read_text(encoding="utf-8")))
    return min(found, default=None)


def memory_mb(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Memory that is available: by the kernel, and by the cgroup's limit less what is used of it."""
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in meminfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024 / 1e6)
    places = [(folder / "memory.max", folder / "memory.current") for folder in _upwards(cgroup, own_cgroup())]
    places.append((cgroup / "memory/memory.limit_in_bytes", cgroup / "memory/memory.usage_in_bytes"))
    for limit, used in places:
        with contextlib.suppress(OSError, ValueError):
            found.append((int(limit.read_text(encoding="utf-8")) - int(used.read_text(encoding="utf-8"))) / 1e6)
    return min(found, default=None)


def _upwards(root: Path, own: str) -> list[Path]:
    here = root / own
    return [here, *(folder for folder in here.parents if folder.is_relative_to(root))]


def look(results: Path, needed_bytes: int | None) -> list[Finding]:
    """All of it, of this machine."""
    place = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.exists())
    status = os.statvfs(place)
    return [
        *check_cores(cores_here(), os.environ),
        check_memory(memory_mb()),
        check_disk(
            results,
            shutil.disk_usage(place).free,
            status.f_favail if status.f_files else None,
            os.access(place, os.W_OK),
            needed_bytes,
        ),
    ]
