"""A copy of the project with tiny data of its own, and one that has been run; tests work on copies of these."""

from __future__ import annotations

import compileall
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_project import make_project
from tiny_workflow import Workflow


def _once(name: str, make: Callable[[Path], object], factory: pytest.TempPathFactory, config: pytest.Config) -> Path:
    """A folder made once for all processes of the test run, and changed by none."""
    place = factory.getbasetemp()
    if hasattr(config, "workerinput"):
        place = place.parent
    folder, outcome = place / name, place / f"{name}.txt"
    with FileLock(place / f"{name}.lock"):
        if not outcome.exists():
            try:
                make(folder)
            except Exception as error:
                outcome.write_text(f"failed: {error}")
                raise
            outcome.write_text("done")
    said = outcome.read_text()
    assert said == "done", said
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The project's parts, tiny settings, a sheet and its scans; nothing of it has run."""

    def make(folder: Path) -> None:
        make_project(folder)
        # now, as nobody may write beside the code while it is copied
        compileall.compile_dir(folder / "tsva", quiet=2)

    return _once("project", make, tmp_path_factory, request.config)


@pytest.fixture(scope="session")
def finished(project: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The tiny workflow, run from end to end."""

    def make(folder: Path) -> None:
        copied(project, folder)
        Workflow(folder).run()

    return _once("finished", make, tmp_path_factory, request.config)


def copied(source: Path, folder: Path) -> Path:
    """A copy with its time stamps."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["cp", "-a", source, folder], check=True)
    return folder


@pytest.fixture
def workflow(finished: Path, tmp_path: Path) -> Workflow:
    """A copy of the finished run, to change at will."""
    return Workflow(copied(finished, tmp_path / "copy"))
