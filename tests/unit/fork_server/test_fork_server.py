"""Stages in forks of the server: the same words and statuses as processes of their own, and the same ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tsva.cli.fork_server import LOADED_LATER, ForkServer
from tsva.cli.main import COMMANDS, SOCKET, THREADS, run_in_fork

TSVA = [sys.executable, "-c", "from tsva.cli.main import main; main()"]
ONE_THREAD = dict.fromkeys(THREADS, "1")


@pytest.fixture(scope="module")
def shared_server() -> Iterator[tuple[int, str]]:
    """Process id of a server, and where it listens."""
    one = ForkServer()
    one.start()
    assert one._process is not None
    yield one._process.pid, os.environ.pop(SOCKET)
    one.end()


@pytest.fixture
def server(shared_server: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Process id of a server that this process's environment names."""
    monkeypatch.setenv(SOCKET, shared_server[1])
    return shared_server[0]


def forks(server: int) -> list[str]:
    return Path(f"/proc/{server}/task/{server}/children").read_text().split()


def ran(*arguments: str, folder: Path, **environment: str) -> tuple[int, str, str]:
    """Status and words of a command."""
    told = {**os.environ, **ONE_THREAD, **environment}
    done = subprocess.run([*TSVA, *arguments], cwd=folder, env=told, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@contextmanager
def waits(folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A stage that waits for its settings, which nobody writes; killed at the end, whatever a test has found."""
    if not (folder / "never.json").exists():
        os.mkfifo(folder / "never.json")
    with subprocess.Popen(
        [*TSVA, "advise", "--settings", "never.json", "--out", "out"],
        cwd=folder,
        env={**os.environ, **ONE_THREAD, **environment},
        stderr=subprocess.DEVNULL,
    ) as stage:
        try:
            yield stage
        finally:
            stage.kill()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "arguments",
    [("split", "--help"), ("--log", "split.log", "split", "--settings", "none.json"), ("no-such-stage",)],
    ids=["help", "mistake", "unknown"],
)
def test_a_fork_says_and_returns_the_same(server: int, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    alone = ran(*arguments, folder=tmp_path, **{SOCKET: ""})
    assert ran(*arguments, folder=tmp_path) == alone
    assert forks(server) == []


@pytest.mark.usefixtures("server")
def test_what_a_fork_used_lies_beside_its_log(tmp_path: Path) -> None:
    """Processor time and memory of the fork, of which the process that asks uses next to nothing."""
    record = tmp_path / "logs/advise.usage.json"
    advise = {"deltas_um": [0.25, 0.5, 0.75], "tissues": ["glandular"], "specimens": 2, "offsets": 1, "field_px": 64}
    (tmp_path / "advise.json").write_text(json.dumps({"advise": advise}))
    command = ("--log", "logs/advise.log", "advise", "--settings", "advise.json", "--seed", "1", "--out", "out")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    status, _, told = ran(*command, folder=tmp_path)
    assert status == 0, told
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = json.loads(record.read_text())
    assert used["cpu_s"] > 2 * (after.ru_utime - before.ru_utime) and used["max_memory_mb"] > 60
    # a run without a fork leaves no record of an earlier one
    assert ran(*command[:3], "--help", folder=tmp_path, **{SOCKET: ""})[0] == 0
    assert not record.exists()


def test_a_fork_has_the_environment_folder_and_mask_of_who_asks(server: int, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    os.mkfifo(folder / "never.json")
    with waits(folder, TSVA_MARK="here") as stage:
        until(lambda: bool(forks(server)))
        (fork,) = forks(server)
        until(lambda: Path(f"/proc/{fork}/cwd").readlink() == folder)
        assert os.getpgid(int(fork)) == int(fork)
        stage.kill()
    until(lambda: not forks(server))


@pytest.mark.parametrize(("name", "value"), [("OMP_NUM_THREADS", "2"), ("PYTHONPATH", "/elsewhere")])
def test_other_circumstances_are_refused(server: int, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    for variable in THREADS:
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv(name, value)
    assert run_in_fork() is None
    assert forks(server) == []


def test_stages_whose_cores_are_processes_are_served_with_any_number(
    server: int,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for variable in THREADS:
        monkeypatch.setenv(variable, "4")
    monkeypatch.setattr(sys, "argv", ["tsva", "report", "--help"])
    assert run_in_fork() == 0
    assert "--threads" in capfd.readouterr().out
    assert {os.environ[variable] for variable in THREADS} == {"1"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stage_ends_with_who_asked(server: int, tmp_path: Path, number: signal.Signals) -> None:
    with waits(tmp_path) as stage:
        until(lambda: bool(forks(server)))
        stage.send_signal(number)
        assert stage.wait(60) == -number
        until(lambda: not forks(server))


SLOW = """
import time
from tsva.cli import fork_server
become = fork_server._become
def later(*request):
    time.sleep(1)
    become(*request)
fork_server._become = later
fork_server.main()
"""
"""A server whose forks take a while to become a stage."""


def test_a_signal_during_the_fork_is_not_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    where = tmp_path / "of_its_own" / "socket"
    where.parent.mkdir()
    told = {**os.environ, **ONE_THREAD}
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, where], env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as slow:
        assert slow.stdin is not None and slow.stdout is not None
        assert slow.stdout.readline() == b"ready\n"
        monkeypatch.setenv(SOCKET, str(where))
        with waits(tmp_path) as stage:
            until(lambda: bool(forks(slow.pid)))
            stage.terminate()
            assert stage.wait(20) == -signal.SIGTERM
        slow.stdin.close()


def test_a_signal_that_who_asks_ignores_ends_no_stage(server: int, tmp_path: Path) -> None:
    """As under nohup, when the terminal is closed."""
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with waits(tmp_path) as stage:
        signal.signal(signal.SIGHUP, kept)
        until(lambda: bool(forks(server)))
        (fork,) = forks(server)
        until(lambda: Path(f"/proc/{fork}/cwd").readlink() == tmp_path)
        stage.send_signal(signal.SIGHUP)
        os.kill(int(fork), signal.SIGHUP)
        time.sleep(0.3)
        assert stage.poll() is None and forks(server) == [fork]
        stage.kill()
    until(lambda: not forks(server))


def test_the_end_of_the_server_is_the_end_of_its_stages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SOCKET, "")
    one = ForkServer()
    one.start()
    assert one._process is not None
    with waits(tmp_path) as stage:
        until(lambda: bool(forks(one._process.pid)))
        (fork,) = forks(one._process.pid)
        one._process.kill()
        assert stage.wait(60) == -signal.SIGKILL
        until(lambda: not Path(f"/proc/{fork}").exists() or "State:\tZ" in Path(f"/proc/{fork}/status").read_text())
    one.end()


def test_after_its_end_commands_run_by_themselves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SOCKET, "")
    one = ForkServer()
    one.start()
    where = os.environ[SOCKET]
    assert Path(where).is_socket()
    one.end()
    assert not Path(where).parent.exists()
    assert ran("--version", folder=tmp_path, **{SOCKET: where})[0] == 0
    one.end()  # twice does no harm


def test_what_is_loaded_before_it_is_needed_is_there() -> None:
    assert set(LOADED_LATER) <= set(COMMANDS)
    assert all(find_spec(name) for names in LOADED_LATER.values() for name in names)
