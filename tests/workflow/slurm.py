"""A private Slurm of one node with pretended GPUs, for the tests: no root, no cgroups; database if asked."""

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
ACCOUNTANTS = ("mariadbd", "mariadb-install-db", "mariadb", "slurmdbd", "sacctmgr", "sacct")
PORTS = ("control_port", "node_port", "accounts_port", "database_port")
ACCOUNT = "microscopy"
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
{accounting}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""
WITHOUT = "AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none"
WITH = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={accounts_port}
AccountingStoragePass={state}/munge.socket
JobAcctGatherType=jobacct_gather/linux"""
ACCOUNTS_CONFIG = """AuthType=auth/munge
AuthInfo=socket={state}/munge.socket
DbdHost=localhost
DbdPort={accounts_port}
SlurmUser={user}
PidFile={state}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass=private
StorageLoc=slurm_acct_db
"""
DATABASE = """create database slurm_acct_db; create user 'slurm'@'127.0.0.1' identified by 'private';
create user 'slurm'@'localhost' identified by 'private';
grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1'; grant all on slurm_acct_db.* to 'slurm'@'localhost';"""


def missing(accounting: bool = False) -> list[str]:
    """Programs that aren't installed."""
    return [name for name in DAEMONS + (ACCOUNTANTS if accounting else ()) if _which(name) is None]


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{PLACES}")


class Slurm:
    """The cluster; start it with ``with``.

    Parameters
    ----------
    accounting : bool
        With slurmdbd and a database of its own.
    cpus, gpus, memory_mb : int
        What the node claims to have. GPUs are empty files; memory limits are not enforced, as there are no cgroups.

    Attributes
    ----------
    environment : dict
        Variables with which sbatch, squeue and snakemake find it.
    """

    def __init__(self, accounting: bool = False, cpus: int = 8, gpus: int = 1, memory_mb: int = 64_000) -> None:
        # short, as the path of a socket has 108 characters, and open to reading, as munged wants it
        self.state = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.state.chmod(0o755)
        self._accounting = accounting
        self._facts = {"cpus": cpus, "gpus": gpus, "memory_mb": memory_mb}
        self._user = subprocess.check_output(["id", "-un"], text=True).strip()
        self._ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "SLURM_CONF": str(self.state / "slurm.conf"),
            "PATH": f"{self.state}/bin:{os.environ['PATH']}",
        }

    def __enter__(self) -> Slurm:
        try:
            self._configure()
            munged = [f"--socket={self.state}/munge.socket", f"--key-file={self.state}/munge.key", "--foreground"]
            munged += [f"--pid-file={self.state}/munged.pid", f"--seed-file={self.state}/munge.seed"]
            self._start("munged", *munged, f"--log-file={self.state}/munged.log")
            _until(lambda: (self.state / "munge.socket").exists(), "munged")
            if self._accounting:
                self._keep_accounts()
            self._start("slurmctld", "-D", "-f", f"{self.state}/slurm.conf")
            self._start("slurmd", "-D", "-f", f"{self.state}/slurm.conf", "-N", socket.gethostname().split(".")[0])
            _until(lambda: self.ask("sinfo", "-h", "-o", "%T") == "idle", "a node", self._logs)
            if self._accounting:
                self.ask("sacctmgr", "-i", "add", "account", ACCOUNT, "Cluster=private")
                self.ask("sacctmgr", "-i", "add", "user", self._user, f"account={ACCOUNT}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if len(self._running) >= len(DAEMONS):
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
        """What a Slurm command prints; nothing if it hangs, as some do before the daemons are up."""
        environment = {**os.environ, **self.environment}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that Slurm remembers, ended ones too, as `scontrol show job` tells of them."""
        lines = self.ask("scontrol", "--oneliner", "show", "job").splitlines()
        found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
        return [job for job in found if "JobState" in job]  # "No jobs in the system" is a line too

    def _keep_accounts(self) -> None:
        """Start a database and slurmdbd, and tell it of this cluster."""
        data, files = self.state / "database", ["--no-defaults", f"--socket={self.state}/mysql.socket"]
        make = ["mariadb-install-db", "--no-defaults", f"--user={self._user}", f"--datadir={data}"]
        subprocess.run([*make, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
        self._start(
            "mariadbd",
            *files,
            f"--user={self._user}",
            f"--datadir={data}",
            f"--port={self._ports['database_port']}",
            "--bind-address=127.0.0.1",
            "--innodb-buffer-pool-size=64M",
            "--innodb-lock-wait-timeout=900",
        )
        _until(lambda: self.ask("mariadb", *files, "-uroot", "-Ne", "select 1") == "1", "a database", self._logs)
        self.ask("mariadb", *files, "-uroot", "-e", DATABASE)
        config = self.state / "slurmdbd.conf"
        config.write_text(ACCOUNTS_CONFIG.format(state=self.state, user=self._user, **self._ports))
        config.chmod(0o600)
        self._start("slurmdbd", "-D")
        _until(lambda: "Cluster" in self.ask("sacctmgr", "show", "cluster"), "slurmdbd", self._logs)
        self.ask("sacctmgr", "-i", "add", "cluster", "private")

    def _configure(self) -> None:
        for folder in ("control", "node", "bin", "log"):
            (self.state / folder).mkdir()
        key = self.state / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        host, told = socket.gethostname().split(".")[0], {"state": self.state, "user": self._user, **self._ports}
        accounting = (WITH if self._accounting else WITHOUT).format(**told)
        (self.state / "slurm.conf").write_text(CONFIG.format(host=host, accounting=accounting, **told, **self._facts))
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
    """SIGKILL to a process that was started as a session of its own, and to its children; nothing if it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
