"""Snakemake as the command runs it, but from a process that has loaded Snakemake's own modules already.

Run as a program, it reads a request a line (JSON: folder, environment, arguments, files for what is printed),
runs each in a fork of itself and answers with the exit status. Nothing of the project is loaded before the fork.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path


@cache
def _server() -> subprocess.Popen[str]:
    # in a folder without the project, which must come from the copy
    server = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    atexit.register(server.kill)
    return server


def run_snakemake(folder: Path, environment: dict[str, str], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run ``snakemake`` with arguments in a folder; what it printed is in the result."""
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.TemporaryDirectory() as place:
        files = [str(Path(place) / name) for name in ("stdout", "stderr")]
        request = {"folder": str(folder), "environment": environment, "arguments": arguments, "files": files}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        printed = [Path(file).read_text() for file in files]
    return subprocess.CompletedProcess(["snakemake", *arguments], status, *printed)


def _serve() -> None:
    import smart_open  # noqa: F401 (with which Snakemake opens its files)
    import snakemake.cli
    import snakemake.report.html_reporter
    import snakemake.workflow

    snakemake.cli.get_argument_parser()  # loads all plugins
    assert "tsva" not in sys.modules
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(snakemake.cli.main, request)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(main: Callable[[], object], request: dict) -> None:
    """In the fork: become the command, and end."""
    status = 1
    try:
        os.setsid()
        signal.alarm(1800)
        for number, file in enumerate(request["files"], start=1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.path[:0] = [request["environment"]["PYTHONPATH"]]
        sys.argv = ["snakemake", *request["arguments"]]
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
