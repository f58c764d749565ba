"""A process that keeps what stages import in memory and runs each stage in a fork of itself, for one run of Snakemake.

    python -m tsva.cli.fork_server SOCKET

It imports a stage's command when the stage is first asked for. A fork is a process group of its own with the
environment, folder and open files of the process that asks (`main.py`); it ends when that process ends, and
when this one does. The server itself ends when its standard input does, that is when whoever started it ends, and the
stages under way have ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsva.cli.main import ANSWER, COMMANDS, LENGTH, PASSED_ON, REFUSED, SOCKET, STATUS, THREADS, circumstances

LOADED_LATER = {
    "simulate": ("tsva.simulation.phantom.tissue",),
    "train": ("tsva.training.fit", "tsva.restoration.checkpoint", "torch._dynamo"),
    "refocus": (
        "tsva.evaluation.scoring",
        "tsva.restoration.refocus",
        "tsva.restoration.checkpoint",
        "tsva.restoration.runtime",
        "tsva.restoration.baselines.classics",
        "tsva.restoration.baselines.learned_linear",
        "tsva.restoration.baselines.wiener",
    ),
    "count": ("tsva.evaluation.counting.table",),
}
"""What these stages import only when they run, and what takes seconds: torch, of which optimisers load a further part
when they are first used, SciPy's larger parts."""
PR_SET_PDEATHSIG = 1


class ForkServer:
    """The server beside this process: what a run of Snakemake starts before its first job and ends after its last.

    Where it does not start, jobs run as processes of their own, as they do where this is not used at all.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and announce it to jobs by this process's environment."""
        where = str(Path(tempfile.mkdtemp(prefix="tsva-")) / "socket")  # a folder for this user alone
        environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tsva.cli.fork_server", where],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        if self._process.stdout.readline():
            os.environ[SOCKET] = where

    def end(self) -> None:
        """End it, once stages under way have ended."""
        if self._process is None:
            return
        os.environ.pop(SOCKET, None)
        self._process.communicate()  # closes its standard input
        self._process = None


@dataclass
class Job:
    """A stage under way: its process, a file descriptor that reports its end, and who asked for it."""

    pid: int
    end: int
    client: socket.socket


class Server:
    """Answers requests one after the other; the stages themselves run side by side."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(sys.stdin, selectors.EVENT_READ, self._leave)
        self._jobs: set[int] = set()
        self._ends = False
        self._own = circumstances()

    def serve(self) -> None:
        """Until the starter has gone and the last stage has ended."""
        while not self._ends or self._jobs:
            for key, _ in self._selector.select():
                key.data()

    def _leave(self) -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            self._ends = True
            self._selector.unregister(sys.stdin)
            self._selector.unregister(self._listener)
            self._listener.close()  # who asks now runs by itself

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            request, files = _received(client)
        except (OSError, ValueError, EOFError):  # it ended before it had asked
            client.close()
            return
        try:
            if request["circumstances"] != self._own:
                client.sendall(ANSWER.pack(REFUSED, 0.0, 0.0))
                client.close()
                return
            _import_stage(request["arguments"])
            self._fork(client, request, files)
        finally:
            for file in files:
                os.close(file)

    def _fork(self, client: socket.socket, request: dict[str, Any], files: list[int]) -> None:
        gc.collect()
        gc.freeze()  # what is here now stays: the collector would copy its pages into every fork
        # a signal sent on before the fork has handlers of its own would be ignored, as the server ignores it
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        pid = os.fork()
        if pid == 0:
            _become(request, files)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        job = Job(pid, os.pidfd_open(pid), client)
        self._jobs.add(pid)
        self._selector.register(job.end, selectors.EVENT_READ, lambda: self._ended(job))
        self._selector.register(client, selectors.EVENT_READ, lambda: self._on_status(job))

    def _on_status(self, job: Job) -> None:
        """A signal to send on; or the end of who asked, and with it of the stage."""
        try:
            answer = job.client.recv(STATUS.size)
        except OSError:
            answer = b""
        number = STATUS.unpack(answer)[0] if len(answer) == STATUS.size else signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, number)
        if len(answer) != STATUS.size:
            self._selector.unregister(job.client)

    def _ended(self, job: Job) -> None:
        _, status, used = os.wait4(job.pid, 0)  # with the processes that it waited for itself
        answer = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024.0
        with contextlib.suppress(OSError):
            job.client.sendall(ANSWER.pack(*answer))
        with contextlib.suppress(KeyError):
            self._selector.unregister(job.client)
        self._selector.unregister(job.end)
        job.client.close()
        os.close(job.end)
        self._jobs.discard(job.pid)


def _received(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request, and the sender's standard files."""
    head, files, _, _ = socket.recv_fds(client, LENGTH.size, 3)
    if len(head) < LENGTH.size:
        raise EOFError
    left, parts = LENGTH.unpack(head)[0], []
    while left:
        parts.append(client.recv(min(left, 1 << 20)))
        if not parts[-1]:
            raise EOFError
        left -= len(parts[-1])
    return json.loads(b"".join(parts)), files


def _import_stage(arguments: list[str]) -> None:
    """Import the command that arguments name. What fails here fails again, and says why, in the fork."""
    named = [word for word in arguments[1:] if word in COMMANDS]
    with contextlib.suppress(Exception):
        importlib.import_module("tsva.cli.commands")
        importlib.import_module(COMMANDS[named[0]])
        # a GPU that was looked at before a fork can't be used after it
        for name in LOADED_LATER.get(named[0], ()) if shutil.which("nvidia-smi") is None else ():
            importlib.import_module(name)


def _become(request: dict[str, Any], files: list[int]) -> None:
    """In the fork: be the command, and end as it ends."""
    status = 1
    try:
        os.setpgid(0, 0)
        _end_with_parent()
        for target, file in enumerate(files):
            os.dup2(file, target)
        for number in set(PASSED_ON) - set(request["ignored"]):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        # whatever else is open is the server's: the socket of another stage must close when that stage ends
        os.closerange(3, max(int(name) for name in os.listdir("/proc/self/fd")) + 1)  # noqa: PTH208
        os.chdir(request["folder"])
        os.umask(request["mask"])
        os.environ.clear()
        os.environ.update(request["environment"])
        tempfile.tempdir = None
        sys.argv = request["arguments"]
        _open_standard_files()
        importlib.import_module("tsva.cli.commands").run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    finally:
        _finish(status)


def _open_standard_files() -> None:
    """As the interpreter opens them."""
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")


def _finish(status: int) -> None:
    """What the interpreter does at its end, without what it would do to the server's objects."""
    import atexit
    import threading

    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def _end_with_parent() -> None:
    """Be killed when the server is: nobody would wait for this stage."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    """Listen at the socket that the command line names, and say so."""
    for number in PASSED_ON:
        # a terminal sends these to all that it runs; stages get them from those who asked
        signal.signal(number, signal.SIG_IGN)
    place = Path(sys.argv[1])
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(place))
            listener.listen(64)
            print("ready", flush=True)
            Server(listener).serve()
    finally:
        shutil.rmtree(place.parent, ignore_errors=True)


if __name__ == "__main__":
    main()
