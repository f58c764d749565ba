"""The workflow on a Slurm of its own: jobs are cancelled, lack memory, and lose the process that submitted them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from slurm import ACCOUNT, Slurm, kill, missing
from tiny_workflow import SHEET, TINY

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.waits,
    pytest.mark.skipif(bool(missing()), reason=f"Slurm is not installed: no {', '.join(missing())} (envs/system.sh)"),
]
SNAKEMAKE = [sys.executable, "-P", str(Path(__file__).with_name("prompt_snakemake.py"))]
RUN = [*SNAKEMAKE, "--workflow-profile", "profile", "--configfile", "tiny.yaml"]
GPU = "gres:gpu:1"
SLIDES = ("A1", "B1", "C1")
LIMITED = """#!/bin/sh
# memory limits as a cluster with cgroups has them, for the stage that the test wants to fail
case " $* " in *" split "*)
  told=$(scontrol --oneliner show job "$SLURM_JOB_ID" | sed 's/.*MinMemoryNode=\\([0-9]*\\)\\([MG]\\).*/\\1 \\2/')
  ulimit -v $(echo "$told" | awk '{print $1 * ($2 == "G" ? 1048576 : 1024)}')
esac
exec {tsva} "$@"
"""


@dataclass(frozen=True)
class Told:
    """What is left when the run is over."""

    folder: Path
    jobs: list[dict[str, str]]
    cancelled: str
    locked: subprocess.CompletedProcess[str]
    accounts: str | None


@pytest.fixture(scope="session")
def runs() -> dict[bool, Told | Exception]:
    """What came of the runs so far, without and with accounting; pytest may ask for both in turns."""
    return {}


@pytest.fixture(params=[False, True], ids=["alone", "slurmdbd"])
def told(
    runs: dict[bool, Told | Exception],
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Told:
    """Three slides, a network and a report by way of Slurm, without and with accounting; each run once."""
    accounting: bool = request.param
    if missing(accounting):
        pytest.skip(f"Slurm's accounting is not installed: no {', '.join(missing(True))} (envs/system.sh accounting)")
    if accounting not in runs:
        try:
            runs[accounting] = _run(accounting, project, tmp_path_factory.mktemp("cluster"))
        except Exception as error:
            runs[accounting] = error
    found = runs[accounting]
    if isinstance(found, Exception):
        raise found
    return found


def _run(accounting: bool, project: Path, folder: Path) -> Told:
    """A job is cancelled, the process that submits is killed, and the next one ends."""
    for part in ("Snakefile", "workflow", "config", "envs", "tsva", "scans"):
        (folder / part).symlink_to(project / part)
    _configure(folder, accounting)
    with Slurm(accounting) as slurm:
        environment = _environment(folder, slurm)
        with _started(folder, environment, "first.txt") as first:
            slide_job = _wait(
                slurm, first, lambda job: job["JobState"] == "RUNNING" and rule(job).startswith("group_slide")
            )
            slurm.ask("scancel", slide_job["JobId"])
            _wait(slurm, first, lambda job: job.get("TresPerJob") == GPU and job["JobState"] == "RUNNING")
            kill(first)
        locked = _ask(RUN, folder, environment)
        _ask([*RUN, "--unlock"], folder, environment)
        with _started(folder, environment, "second.txt") as second:
            assert second.wait(600) == 0, (folder / "second.txt").read_text()
        accounts = slurm.ask("sacct", "-XPno", "jobid,account,state") if accounting else None
        return Told(folder, slurm.jobs(), slide_job["JobId"], locked, accounts)


def _configure(folder: Path, accounting: bool) -> None:
    """The project's profile, asked more often how jobs are; the split stage at first with too little memory."""
    profile = yaml.safe_load((Path(__file__).parents[2] / "profiles/slurm/config.yaml").read_text())
    profile |= {"latency-wait": 10, "slurm-init-seconds-before-status-checks": 1}
    profile["set-resources"]["split"] = {"mem_mb": "64 * 64 ** (attempt - 1)"}
    if accounting:  # the lines of docs/hpc.md
        profile["slurm-no-account"] = False
        profile["default-resources"]["slurm_account"] = ACCOUNT
    (folder / "profile").mkdir()
    (folder / "profile/config.yaml").write_text(yaml.safe_dump(profile))
    tiny = {**TINY, "train": {**TINY["train"], "networks": ["tsva"]}, "methods": {**TINY["methods"], "baselines": []}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    header, *rows = SHEET.splitlines()
    (folder / "slides.tsv").write_text("\n".join([header, *(row for row in rows if row[:2] in SLIDES), ""]))


def _environment(folder: Path, slurm: Slurm) -> dict[str, str]:
    limited = folder / "bin/tsva"
    limited.parent.mkdir()
    tsva = shutil.which("tsva", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    limited.write_text(LIMITED.replace("{tsva}", str(tsva)))
    limited.chmod(0o755)
    path = f"{limited.parent}:{Path(sys.executable).parent}:{slurm.environment['PATH']}"
    return {**os.environ, **slurm.environment, "PATH": path, "PYTHONPATH": str(folder), "NO_COLOR": "1"}


@contextmanager
def _started(folder: Path, environment: dict[str, str], log: str) -> Iterator[subprocess.Popen[str]]:
    """The workflow's process, which ends with the block."""
    with (folder / log).open("w") as file:
        process = subprocess.Popen(
            RUN, cwd=folder, env=environment, stdout=file, stderr=file, text=True, start_new_session=True
        )
    try:
        yield process
    finally:
        kill(process)


def _ask(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def _wait(
    slurm: Slurm, process: subprocess.Popen[str], fits: Callable[[dict[str, str]], bool], seconds: float = 400
) -> dict[str, str]:
    """The first job of this kind; an error if the workflow ends before there is one."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        for job in slurm.jobs():
            if fits(job):
                return job
        time.sleep(0.3)
    raise TimeoutError(f"no such job; there are {slurm.jobs()}")


def rule(job: dict[str, str]) -> str:
    """The rule behind a job; Slurm's log of it lies in a folder of the rule's or group's name."""
    return Path(job["StdOut"]).relative_to(Path(job["WorkDir"]) / "logs/slurm").parts[0].removeprefix("rule_")


def jobs_of(told: Told, name: str) -> list[dict[str, str]]:
    return [job for job in told.jobs if rule(job).startswith(name)]


def test_whole_run_gives_what_a_local_run_gives(told: Told, request: pytest.FixtureRequest) -> None:
    finished: Path = request.getfixturevalue("finished")  # now: Slurm's run does not wait for the local one
    assert (told.folder / "results/report/index.html").is_file()
    for slide in SLIDES:
        for file in ("patches.tsv", "patches.npy", "continuous.npy"):
            part = f"results/pairs/{slide}/{file}"
            assert (told.folder / part).read_bytes() == (finished / part).read_bytes(), part


def test_jobs_ask_for_what_profile_and_rules_say(told: Told) -> None:
    for name in ("train", "refocus"):
        job = jobs_of(told, name)[0]
        assert job["TresPerJob"] == GPU
        assert job["NumCPUs"] == "4"
    assert all("TresPerJob" not in job for name in ("split", "report") for job in jobs_of(told, name))
    assert {job["MinMemoryNode"] for job in jobs_of(told, "train")} == {"8000M"}
    assert {job["TimeLimit"] for job in jobs_of(told, "train")} == {"1-00:00:00"}
    assert {job["Partition"] for job in told.jobs} == {"cpu"}, "the default partition, as the profile names none"


def test_slides_and_counts_are_grouped(told: Told) -> None:
    assert not [job for name in ("simulate", "ingest", "focus", "pairs") for job in jobs_of(told, name)]
    assert len(jobs_of(told, "group_slide")) == 2, "four stages of three slides, and a second attempt"
    assert len(jobs_of(told, "group_count")) == 1


def test_cancelled_job_is_submitted_anew_with_twice_the_memory(told: Told) -> None:
    before, after = sorted(jobs_of(told, "group_slide"), key=lambda job: int(job["JobId"]))
    assert before["JobId"] == told.cancelled
    assert (before["JobState"], after["JobState"]) == ("CANCELLED", "COMPLETED")
    assert _mb(after) == 2 * _mb(before)


def test_job_without_memory_is_submitted_anew_with_more(told: Told) -> None:
    before, after = sorted(jobs_of(told, "split"), key=lambda job: int(job["JobId"]))
    assert (before["JobState"], _mb(before)) == ("FAILED", 64)
    assert (after["JobState"], _mb(after)) == ("COMPLETED", 4096)


def test_killed_workflow_says_that_it_is_locked_and_goes_on(told: Told) -> None:
    assert "cannot be locked" in told.locked.stderr
    assert told.locked.returncode != 0
    assert len(jobs_of(told, "group_slide")) == 2, "slides that were done are not done again"
    assert {job["JobState"] for job in jobs_of(told, "train")} == {"COMPLETED"}


def test_accounting_has_every_job(told: Told) -> None:
    if told.accounts is None:
        assert {job["Account"] for job in told.jobs} == {"(null)"}
        return
    rows = [line.split("|") for line in told.accounts.splitlines()]
    assert {number for number, _, _ in rows} == {job["JobId"] for job in told.jobs}
    assert {account for _, account, _ in rows} == {ACCOUNT}
    assert {state.split()[0] for _, _, state in rows} >= {"COMPLETED", "CANCELLED", "FAILED"}


def _mb(job: dict[str, str]) -> float:
    size = job["MinMemoryNode"]
    return float(size[:-1]) * {"M": 1, "G": 1024}[size[-1]]
