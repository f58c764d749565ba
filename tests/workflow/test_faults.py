"""Full and read-only disks, damaged intermediates, wrong clocks: a message that names the place, or recovery."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stage_commands import Stage, forks, stages_of
from tiny_workflow import Workflow

pytestmark = pytest.mark.workflow
STAGES = (
    "simulate",
    "ingest_planes",
    "focus",
    "pairs",
    "split",
    "spectrum",
    "train",
    "refocus",
    "refocus_fields",
    "refocus_batch",
    "gather",
    "count",
    "advise",
    "evaluate",
    "report",
)
SMALL = ("focus", "split", "spectrum", "count", "advise")
"""Their outputs are tables of a page or two."""
QUICK = ("simulate", "pairs", "gather", "refocus_fields", "evaluate")
"""Those of the ordinary test run, one for each way of writing; all of them with TSVA_ENDURANCE=1."""
CHOSEN = STAGES if os.environ.get("TSVA_ENDURANCE") else QUICK


@pytest.fixture(scope="module")
def run_before(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A copy of the finished run that no test changes."""
    folder = tmp_path_factory.mktemp("faults") / "copy"
    subprocess.run(["cp", "-a", finished, folder], check=True)
    return Workflow(folder)


@pytest.fixture(scope="module")
def stages(run_before: Workflow) -> dict[str, Stage]:
    found = stages_of(run_before)
    # of a simulated slide ingest makes links to what there is
    found["ingest_planes"] = stages_of(run_before, "results/ingest/B1/fields.tsv")["ingest"]
    # slow methods are no part of the finished run, and their batches are temporary: the gather stage needs them again
    slow = "results/refocus/dataset1/denoise/scores.tsv"
    run_before.run(slow, "--notemp")
    found |= {name: stage for name, stage in stages_of(run_before, slow).items() if name in ("refocus_batch", "gather")}
    assert set(STAGES) <= set(found)
    assert set(found["refocus_batch"].outputs) <= set(found["gather"].inputs)
    return found


@pytest.fixture(scope="module")
def server(run_before: Workflow) -> Iterator[dict[str, str]]:
    """Variables with which a stage becomes a fork, as in a run; it is a process of its own without, or under limits."""
    with forks(run_before.folder) as found:
        yield found


@pytest.fixture
def place(run_before: Workflow) -> Iterator[Path]:
    """A folder for outputs among the results, as paths in tables are relative to these."""
    folder = run_before.folder / "results/elsewhere"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed stage ends in."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("tsva: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def _writing(stage: Stage, folder: Path, command: str, out: Path) -> subprocess.Popen[bytes]:
    """A stage that has begun to write; tables take it a millisecond, so that some trials come too late."""
    for _ in range(20):
        process = stage.start(folder, command)
        while process.poll() is None and not list(out.glob("**/*.part*")):
            time.sleep(0.0005)
        if process.poll() is None:
            return process
        shutil.rmtree(out)
    pytest.fail("it was over before it could be killed, each time")


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[None]:
    """A file system of its own at a folder; skips where this user may not mount one."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def with_outputs_in(stage: Stage, place: Path) -> str:
    """The command with its outputs elsewhere."""
    return re.sub(r"(--out\S*) \S*/(\S+)", rf"\1 {place}/\2", stage.command)


@pytest.mark.parametrize("name", CHOSEN)
def test_full_disk(
    run_before: Workflow, stages: dict[str, Stage], server: dict[str, str], place: Path, name: str
) -> None:
    # four pages: a folder and the beginning of a file, but no stage's outputs
    with small_disk(place, "size=16k"):
        if name in SMALL:
            (place / "others.part").write_bytes(bytes(2**14))
        command = with_outputs_in(stages[name], place)
        done = stages[name].run(run_before.folder, command=command, environment=server)
        assert "wanted room for the outputs" in told(done)
        left = [path for path in place.glob("*") if ".part" not in path.name]
        assert not left, "an output under its own name is whole"


@pytest.mark.parametrize("name", CHOSEN)
def test_full_disk_without_mounting(run_before: Workflow, stages: dict[str, Stage], place: Path, name: str) -> None:
    done = stages[name].run(run_before.folder, "ulimit -f 1", with_outputs_in(stages[name], place))
    assert "wanted room for the outputs" in told(done)
    assert not [path for path in place.glob("*") if ".part" not in path.name]


@pytest.mark.parametrize("name", CHOSEN[:1])
def test_read_only_results(
    run_before: Workflow, stages: dict[str, Stage], server: dict[str, str], place: Path, name: str
) -> None:
    with small_disk(place, "ro,size=1m"):
        command = with_outputs_in(stages[name], place)
        done = stages[name].run(run_before.folder, command=command, environment=server)
        assert "Read-only file system" in told(done)


@pytest.mark.parametrize("name", CHOSEN)
def test_killed_stage_is_made_again(
    run_before: Workflow, stages: dict[str, Stage], server: dict[str, str], place: Path, name: str
) -> None:
    """Killed as soon as it writes: nothing has an output's name; the next run removes the rest and ends well."""
    out, command = place, with_outputs_in(stages[name], place)
    process = _writing(stages[name], run_before.folder, command, out)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not [path for path in out.rglob("*") if path.is_file() and ".part" not in str(path.relative_to(out))]

    done = stages[name].run(run_before.folder, command=command, environment=server)
    assert done.returncode == 0, done.stderr
    assert not list(out.glob("**/*.part*"))
    origin = re.search(r"--out\S* (\S*)/\S+", stages[name].command)
    assert origin
    for made in out.rglob("*"):
        if made.suffix in (".npy", ".tif"):  # tables hold measured times
            assert made.read_bytes() == (run_before.folder / origin[1] / made.relative_to(out)).read_bytes(), made.name


TRUNCATED = [
    ("ingest", "results/simulate/A1/fields.tsv"),
    ("focus", "results/ingest/A1/stacks"),
    ("pairs", "results/ingest/A1/stacks"),
    ("pairs", "results/focus/A1/patches.tsv"),
    ("split", "results/pairs/A1/patches.tsv"),
    ("spectrum", "results/pairs/A1/patches.npy"),
    ("train", "results/pairs/A1/patches.npy"),
    ("train", "results/pairs/train.tsv"),
    ("refocus", "results/pairs/C1/patches.npy"),
    ("refocus", "results/train/tsva/model.ckpt"),
    ("refocus_batch", "results/spectrum/signal.tsv"),
    ("count", "restored.npy"),
    ("count", "scores.tsv"),
    ("evaluate", "results/pairs/A1/patches.npy"),
    ("evaluate", "results/train/tsva/summary.json"),
    ("report", "results/evaluate/report/summary.json"),
]
SOME_TRUNCATED = TRUNCATED if os.environ.get("TSVA_ENDURANCE") else TRUNCATED[1:2] + TRUNCATED[8:9] + TRUNCATED[14:]


@pytest.mark.parametrize(("name", "file"), SOME_TRUNCATED, ids=lambda part: part.rsplit("/", 1)[-1])
def test_truncated_intermediate(
    run_before: Workflow,
    stages: dict[str, Stage],
    server: dict[str, str],
    place: Path,
    tmp_path: Path,
    name: str,
    file: str,
) -> None:
    """Half of it is gone, in the middle of a line or of pixels."""
    found = [part for part in stages[name].inputs if part.startswith(file) or part.endswith(file)]
    assert found, stages[name].inputs
    source = run_before.folder / found[0]
    victim = min(source.glob("[!.]*")) if source.is_dir() else source
    kept = tmp_path / "kept"
    shutil.copy2(victim, kept)
    whole = victim.read_bytes()
    try:
        victim.write_bytes(whole[: len(whole) // 2].rstrip(b"\n\t"))
        command = with_outputs_in(stages[name], place)
        done = stages[name].run(run_before.folder, command=command, environment=server)
        line = told(done)
        assert victim.name in line, line
    finally:
        shutil.copy2(kept, victim)
    assert not [path for path in place.glob("*") if ".part" not in path.name]


def test_clocks_that_go_wrong(workflow: Workflow) -> None:
    """Scans from tomorrow count by content; a result from a node whose clock is ahead counts as new, never as old."""
    for file in (workflow.folder / "scans").rglob("*.*"):
        os.utime(file, (time.time() + 86_400,) * 2)
    table = workflow.folder / "results/ingest/E1/fields.tsv"
    os.utime(table, (time.time() - 3600,) * 2)
    assert not workflow.planned()
    os.utime(table, (time.time() + 3600,) * 2)
    assert set(workflow.planned()) <= {"refocus_fields:E1"}


def test_second_run_in_the_same_directory_is_reported(workflow: Workflow) -> None:
    locks = workflow.folder / ".snakemake/locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.output.lock").write_text("results/report/index.html\n")
    done = workflow.run("--forcerun", "report", ok=False)
    assert "cannot be locked" in done.stderr
    assert "Traceback" not in done.stderr
