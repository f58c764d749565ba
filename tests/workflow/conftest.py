"""A copy of the project with tiny data of its own, run once; tests work on copies of that."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tiny_project import make_project
from tiny_workflow import Workflow


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny workflow, run from end to end."""
    folder = tmp_path_factory.mktemp("finished")
    make_project(folder)
    Workflow(folder).run()
    return folder


@pytest.fixture
def workflow(finished: Path, tmp_path: Path) -> Workflow:
    """A copy of the finished run, to change at will."""
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-a", finished, folder], check=True)
    return Workflow(folder)
