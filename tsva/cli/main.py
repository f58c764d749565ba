"""The `tsva` command: in the run's fork server where there is one, otherwise here. It loads no more than it has to.

Imports take a second or two of each short stage, and a run has a hundred of them. `tsva` therefore asks first whether
there is a server (`fork_server.py`), and is then no more than its terminal end: it passes on its arguments, folder,
environment and open files, sends on the signals that it gets, and ends as the stage ended. Without a server, or with
one of another environment, the command runs here.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import json
import os
import resource
import signal
import socket
import struct
import sys

SOCKET = "TSVA_FORK_SERVER"
"""Environment variable: where the server listens."""
READ_AT_IMPORT = (
    "OMP_",
    "GOMP_",
    "KMP_",
    "OPENBLAS_",
    "GOTO_",
    "MKL_",
    "VECLIB_",
    "NUMEXPR_",
    "MALLOC_",
    "LD_",
    "PYTHON",
)
"""Beginnings of variables that libraries, or Python itself, read when they are loaded."""
THREADS = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What Snakemake sets for a job: the server serves those of one thread, and others run as processes of their own."""
PROCESSES = ("evaluate", "report")
"""Stages whose cores are processes of one thread each."""
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
REFUSED = 1 << 16
"""Answer of a server that was started under other circumstances; all others are exit statuses."""
LENGTH = struct.Struct("!I")
STATUS = struct.Struct("!i")
ANSWER = struct.Struct("!idd")
"""Status, and of a stage that has ended its processor time in seconds and its largest memory in bytes."""
USAGE = ".usage.json"
"""End of the file beside a stage's log that says what its fork used; Snakemake measures this process alone."""


LIMITS = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_STACK")


def circumstances() -> list[object]:
    """What has to be the same for a fork to do what a process of its own would do; lists, numbers and text.

    Python and this package, variables that libraries read when they are loaded, limits of memory, cores and priority,
    control group and name spaces (of containers).
    """
    read = sorted([name, value] for name, value in os.environ.items() if name.startswith(READ_AT_IMPORT))
    limits = [list(resource.getrlimit(getattr(resource, name))) for name in LIMITS]
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:  # noqa: PTH123 (pathlib loads as long as this runs)
            group = file.read()
        spaces = [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net", "pid", "user")]  # noqa: PTH115
    except OSError:
        group, spaces = "", []
    here = [sys.executable, os.path.realpath(__file__)]
    return [*here, read, limits, sorted(os.sched_getaffinity(0)), os.nice(0), group, spaces]


def run_in_fork() -> int | None:
    """Run this process's command in a fork of the server.

    Returns
    -------
    int or None
        Exit status, negative for the signal that ended the stage; None if it has to run here.
    """
    if set(PROCESSES).intersection(sys.argv[1:4]):  # before or after --log FILE
        os.environ.update(dict.fromkeys(set(THREADS).intersection(os.environ), "1"))
    where, record = os.environ.get(SOCKET), _record()
    if record:
        with contextlib.suppress(OSError):
            os.unlink(record)  # noqa: PTH108 (of an earlier run)
    if not where:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.connect(where)
            _ask(server)
        except OSError:
            return None  # no such server any more, or none within this container
        before = {number: signal.getsignal(number) for number in PASSED_ON if number not in ignored()}
        for number in before:
            signal.signal(number, lambda caught, _: server.sendall(STATUS.pack(caught)))
        status, cpu_s, memory_bytes = _answer(server)
        for number, handler in before.items():
            signal.signal(number, handler)
    if record and status != REFUSED:
        with contextlib.suppress(OSError), open(record, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump({"cpu_s": round(cpu_s, 3), "max_memory_mb": round(memory_bytes / 1e6, 1)}, file)
    return None if status == REFUSED else status


def _record() -> str:
    """Where the fork's usage is written: beside the log that the command line names; empty without one."""
    if "--log" not in sys.argv[1:-1]:
        return ""
    return os.path.splitext(sys.argv[sys.argv.index("--log", 1) + 1])[0] + USAGE  # noqa: PTH122


def end_as(status: int) -> None:
    """End this process as the stage ended: with its exit status, or by its signal."""
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def ignored() -> list[int]:
    """Signals that this process was started to ignore, as by nohup."""
    return [int(number) for number in PASSED_ON if signal.getsignal(number) == signal.SIG_IGN]


def _ask(server: socket.socket) -> None:
    mask = os.umask(0)
    os.umask(mask)
    request = {
        "circumstances": circumstances(),
        "arguments": sys.argv,
        "folder": os.getcwd(),  # noqa: PTH109
        "environment": dict(os.environ),
        "mask": mask,
        "ignored": ignored(),
    }
    text = json.dumps(request).encode()
    files = array.array("i", [0, 1, 2])
    server.sendmsg([LENGTH.pack(len(text))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    server.sendall(text)


def _answer(server: socket.socket) -> tuple[int, float, float]:
    """Status, processor time and memory; the status of a killed process where the server itself has ended."""
    received = b""
    while len(received) < ANSWER.size:
        try:
            part = server.recv(ANSWER.size - len(received))
        except ConnectionError:
            part = b""
        if not part:
            return -signal.SIGKILL, 0.0, 0.0
        received += part
    status, cpu_s, memory_bytes = ANSWER.unpack(received)
    return status, cpu_s, memory_bytes


COMMANDS = {
    "fetch": "tsva.cli.fetch",
    "simulate": "tsva.cli.simulate",
    "ingest": "tsva.cli.ingest",
    "focus": "tsva.cli.focus",
    "pairs": "tsva.cli.pairs",
    "split": "tsva.cli.split",
    "advise": "tsva.cli.advise",
    "spectrum": "tsva.cli.spectrum",
    "train": "tsva.cli.train",
    "refocus": "tsva.cli.refocus",
    "gather": "tsva.cli.gather",
    "refocus-fields": "tsva.cli.refocus_fields",
    "refocus-slide": "tsva.cli.refocus_slide",
    "edof": "tsva.cli.slide_planes",
    "focus-map": "tsva.cli.slide_planes",
    "count": "tsva.cli.count",
    "evaluate": "tsva.cli.evaluate",
    "report": "tsva.cli.report",
    "compare": "tsva.cli.compare",
    "slides-page": "tsva.cli.slides_page",
    "first-look": "tsva.cli.first_look",
    "inspect": "tsva.cli.inspect",
    "doctor": "tsva.cli.doctor",
    "export": "tsva.cli.export",
    "calibrate": "tsva.cli.calibrate",
    "plan-scan": "tsva.cli.plan_scan",
}


def main() -> None:
    """Run the command that the arguments name, and end with its exit status."""
    status = run_in_fork()
    if status is not None:
        end_as(status)
    importlib.import_module("tsva.cli.commands").run()
