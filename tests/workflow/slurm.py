"""A private Slurm of one node with pretended GPUs, for the tests: no root, no cgroups, no database."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
PLACES = "/usr/local/sbin:/usr/sbin:/sbin"
CONFIG = """ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={state}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={state}/control
SlurmdSpoolDir={state}/node
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,defer
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=3600
JobRequeue=0
SlurmdParameters=config_overrides
KillWait=2
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Daemons that aren't installed."""
    return [name for name in DAEMONS if _which(name) is None]


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{PLACES}")


class Slurm:
    """The cluster; start it with ``with``.

    Parameters
    ----------
    cpus, gpus, memory_mb : int
        What the node claims to have. GPUs are empty files; memory limits are not enforced, as there are no cgroups.

    Attributes
    ----------
    environment : dict
        Variables with which sbatch, squeue and snakemake find it.
    """

    def __init__(self, cpus: int = 8, gpus: int = 1, memory_mb: int = 64_000) -> None:
        # short, as the path of a socket has 108 characters, and open to reading, as munged wants it
        self.state = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.state.chmod(0o755)
        self._facts = {"cpus": cpus, "gpus": gpus, "memory_mb": memory_mb}
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "SLURM_CONF": str(self.state / "slurm.conf"), "PATH": f"{self.state}/bin:{os.environ['PATH']}",
        }  # fmt: skip

    def __enter__(self) -> Slurm:
        try:
            self._configure()
            munged = [f"--socket={self.state}/munge.socket", f"--key-file={self.state}/munge.key", "--foreground"]
            munged += [f"--pid-file={self.state}/munged.pid", f"--seed-file={self.state}/munge.seed"]
            self._start("munged", *munged, f"--log-file={self.state}/munged.log")
            _until(lambda: (self.state / "munge.socket").exists(), "munged")
            self._start("slurmctld", "-D", "-f", f"{self.state}/slurm.conf")
            self._start("slurmd", "-D", "-f", f"{self.state}/slurm.conf", "-N", socket.gethostname().split(".")[0])
            _until(lambda: self.ask("sinfo", "-h", "-o", "%T") == "idle", "a node", self._logs)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if len(self._running) == len(DAEMONS):
            self.ask("scancel", "--me")
            self.ask("scancel", "--signal=KILL", "--me")
        for daemon in reversed(self._running):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.state, ignore_errors=True)

    def ask(self, *command: str) -> str:
        """What a Slurm command prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that Slurm remembers, ended ones too, as `scontrol show job` tells of them."""
        lines = self.ask("scontrol", "--oneliner", "show", "job").splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def _configure(self) -> None:
        for folder in ("control", "node", "bin", "log"):
            (self.state / folder).mkdir()
        key = self.state / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        host, user = socket.gethostname().split(".")[0], subprocess.check_output(["id", "-un"], text=True).strip()
        ports = dict(zip(("control_port", "node_port"), _free_ports(2), strict=True))
        (self.state / "slurm.conf").write_text(
            CONFIG.format(host=host, user=user, state=self.state, **ports, **self._facts)
        )
        gpus = [self.state / f"gpu{number}" for number in range(self._facts["gpus"])]
        for gpu in gpus:
            gpu.touch()
        lines = [f"NodeName={host} Name=gpu File={gpu}" for gpu in gpus]
        (self.state / "gres.conf").write_text("\n".join([*lines, ""]))
        # Snakemake's job step drops every SLURM_ variable before its srun, the path of the configuration too
        shim = self.state / "bin/srun"
        shim.write_text(f'#!/bin/sh\nSLURM_CONF={self.state}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        shim.chmod(0o755)

    def _start(self, name: str, *arguments: str) -> None:
        program = _which(name)
        assert program is not None
        log = (self.state / f"log/{name}").open("wb")
        # they end with this process, however it ends
        command = ["setpriv", "--pdeathsig", "TERM", program, *arguments]
        environment = {**os.environ, **self.environment}
        self._running.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True))
        log.close()

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-800:] for path in sorted((self.state / "log").iterdir()))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _until(holds: Callable[[], bool], what: str, logs: Callable[[], str] | None = None, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} did not come up\n{logs() if logs else ''}")
        time.sleep(0.1)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a process that was started as a session of its own, and to its children."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
