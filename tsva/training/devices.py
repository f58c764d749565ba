"""What a training runs on: one device, or several processes that share every batch."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, distributed, nn

PORT = 29_400
"""Of the first process, where several nodes train together."""
Precision = Literal["bf16-mixed", "32-true"]


@dataclass(frozen=True)
class Machine:
    """What a training runs on; the same network comes out but for the rounding of sums and the draws of noise.

    Attributes
    ----------
    devices : int
        GPUs of a node, or processes where there is none; `visible_devices` says how many there are.
    nodes : int
    workers : int or None
        Processes that read ahead for each device; None: as many as pay.
    """

    devices: int = 1
    nodes: int = 1
    workers: int | None = None

    @property
    def processes(self) -> int:
        """Of all nodes."""
        return self.devices * self.nodes


@dataclass(frozen=True)
class Process:
    """One of the processes that train together.

    Attributes
    ----------
    rank, world : int
        Number of this one, and how many there are.
    device : torch.device
    precision : str
        Of products in training steps.
    """

    rank: int
    world: int
    device: torch.device
    precision: Precision = "32-true"

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def prepare(self, network: nn.Module) -> None:
        """Put a network on this device, in place, with the first process's weights.

        On several GPUs batch statistics are those of the whole batch, as one device has them.
        """
        network.to(self.device)
        if self.world == 1:
            return
        if self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(network)
        for value in network.state_dict().values():
            distributed.broadcast(value, 0)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the mean over all processes in the place of the gradients."""
        if self.world == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        joined = torch.cat([gradient.reshape(-1) for gradient in gradients]) / self.world
        distributed.all_reduce(joined)
        parts = joined.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def all_agree(self, decision: bool) -> bool:
        """Whether it is so in all processes: one that stopped alone would leave the others waiting for it."""
        if self.world == 1:
            return decision
        votes = torch.tensor([float(decision)], device=self.device)
        distributed.all_reduce(votes, distributed.ReduceOp.MIN)
        return bool(votes.item() > 0)

    def rounding(self) -> AbstractContextManager[object]:
        """Mixed precision, where that is this process's."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.precision == "bf16-mixed" else nullcontext()

    def to_device(self, shots: Tensor) -> Tensor:
        """(B, C, Y, X) uint8 to float in [0, 1] on this device, channels last in memory."""
        on_device = shots.to(self.device, non_blocking=True).to(memory_format=torch.channels_last)
        return on_device.float() / 255


def visible_devices() -> int:
    """GPUs that this process may use, or 1 where there is none."""
    return max(1, torch.cuda.device_count())


def precision(mixed: bool | None = None) -> Precision:
    """What this machine trains in: what the settings say, else bfloat16 where it multiplies that natively.

    Parameters
    ----------
    mixed : bool, optional
        Setting `train.mixed_precision`.
    """
    if mixed is not None:
        return "bf16-mixed" if mixed else "32-true"
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "32-true"


@contextmanager
def processes(machine: Machine, rounded: Precision) -> Iterator[Process]:
    """This process among those that train together; the first one of a node starts the others, unless Slurm has.

    Parameters
    ----------
    machine : Machine
        On several nodes, Slurm (or whoever starts them) has to start a task a device.
    rounded : str
        Precision of products in training steps.
    """
    if machine.processes == 1:
        yield Process(0, 1, _device(0), rounded)
        return
    place, helpers = _place(os.environ), []
    if place is None:
        place = {"RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        helpers = [_start(place, rank) for rank in range(1, machine.devices)]
    rank, device = int(place["RANK"]), _device(int(place["LOCAL_RANK"]))
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"tcp://{place['MASTER_ADDR']}:{place['MASTER_PORT']}",
        rank=rank,
        world_size=machine.processes,
    )
    try:
        yield Process(rank, machine.processes, device, rounded)
        distributed.barrier()
    finally:
        distributed.destroy_process_group()
        for helper in helpers:
            if sys.exc_info()[0] is not None:
                helper.terminate()
            helper.wait()


def _place(environment: Mapping[str, str]) -> dict[str, str] | None:
    """Rank and meeting point as the environment has them: of processes started before, or of several Slurm tasks."""
    if "RANK" in environment and "MASTER_ADDR" in environment:
        return {name: environment[name] for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")}
    if int(environment.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in environment:
        return {
            "RANK": environment["SLURM_PROCID"],
            "LOCAL_RANK": environment["SLURM_LOCALID"],
            "MASTER_ADDR": first_host(environment["SLURM_NODELIST"]),
            "MASTER_PORT": str(PORT + int(environment.get("SLURM_JOB_ID", "0")) % 1000),
        }
    return None


def first_host(nodes: str) -> str:
    """The first of Slurm's list of nodes, such as ``gpu[03-05,9],login``."""
    found = re.match(r"([^\[,]+)(?:\[([^\],-]+))?", nodes)
    return nodes if found is None else found[1] + (found[2] or "")


def _start(place: dict[str, str], rank: int) -> subprocess.Popen[bytes]:
    """This very command once more, as another process of the same node."""
    environment = {**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)}
    return subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environment)


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
