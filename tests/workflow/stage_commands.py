"""The commands that Snakemake would run, to be run alone: under a fault, for a second instead of for a workflow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tiny_workflow import Workflow

from tsva.cli.main import SOCKET, THREADS


@dataclass(frozen=True)
class Stage:
    """A job of the workflow.

    Attributes
    ----------
    rule : str
    inputs, outputs : tuple of str
        Relative to the working directory.
    command : str
        For the shell.
    """

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    command: str

    def run(
        self, folder: Path, before: str = "", command: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command (or another in its place) in a working directory, after shell words such as ``ulimit``."""
        return subprocess.run(
            ["bash", "-c", f"{before}\n{command or self.command}"],
            cwd=folder,
            env=_environment(folder) | (environment or {}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, folder: Path, command: str) -> subprocess.Popen[bytes]:
        """Start a command as a session of its own, so that it can be killed with its children."""
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def forks(folder: Path) -> Iterator[dict[str, str]]:
    """The fork server of the package in a working directory, and the variables by which `tsva` finds it."""
    where = str(Path(tempfile.mkdtemp(prefix="tsva-")) / "socket")  # short, as the path of a socket has to be
    found = {SOCKET: where, **dict.fromkeys(THREADS, "1")}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "tsva.cli.fork_server", where],
        env=_environment(folder) | found,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout and server.stdout.readline()
        yield found


def _environment(folder: Path) -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return environment


def stages_of(workflow: Workflow, *targets: str) -> dict[str, Stage]:
    """One job of each rule (the one whose outputs come first in the alphabet), by the rule's name."""
    text = workflow.run("--dry-run", "--printshellcmds", "--forceall", *targets).stdout
    found: dict[str, Stage] = {}
    for block in re.split(r"\n(?=rule )", text)[1:]:
        rule = re.match(r"rule (\w+):", block)
        files = {key: re.search(rf"^    {key}: (.*)$", block, re.MULTILINE) for key in ("input", "output")}
        command = re.search(r"^\s*(?:Shell command: )?(tsva .*)$", block, re.MULTILINE)
        if rule and command:
            names = {key: tuple(match[1].split(", ")) if match else () for key, match in files.items()}
            stage = Stage(rule[1], names["input"], names["output"], command[1])
            found[stage.rule] = min(stage, found.get(stage.rule, stage), key=lambda one: one.outputs)
    return found
