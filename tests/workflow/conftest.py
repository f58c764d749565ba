"""A copy of the project with tiny data of its own, run once; tests work on copies of that."""

from __future__ import annotations

import compileall
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_project import make_project
from tiny_workflow import Workflow


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The tiny workflow, run from end to end; once for all processes of the test run, and changed by none."""
    place = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        place = place.parent
    folder, done = place / "finished", place / "finished.done"
    with FileLock(place / "finished.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make_project(folder)
            # now, as nobody may write beside the code while it is copied
            compileall.compile_dir(folder / "tsva", quiet=2)
            Workflow(folder).run()
            done.touch()
    return folder


@pytest.fixture
def workflow(finished: Path, tmp_path: Path) -> Workflow:
    """A copy of the finished run, to change at will."""
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-a", finished, folder], check=True)
    return Workflow(folder)
