"""A copy of the project with tiny data of its own, run once; tests work on copies of that."""

from __future__ import annotations

import compileall
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
    folder, outcome = place / "finished", place / "finished.txt"
    with FileLock(place / "finished.lock"):
        if not outcome.exists():
            try:
                make_project(folder)
                # now, as nobody may write beside the code while it is copied
                compileall.compile_dir(folder / "tsva", quiet=2)
                Workflow(folder).run()
            except Exception as error:
                outcome.write_text(f"failed: {error}")
                raise
            outcome.write_text("done")
    said = outcome.read_text()
    assert said == "done", said
    return folder


@pytest.fixture
def workflow(finished: Path, tmp_path: Path) -> Workflow:
    """A copy of the finished run, to change at will."""
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-a", finished, folder], check=True)
    return Workflow(folder)
