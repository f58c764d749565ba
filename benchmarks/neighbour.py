"""What the workflow costs beside the networks' own arithmetic, and how it behaves on a busy machine. Prints JSON.

    python benchmarks/neighbour.py [--run FOLDER] [--steps 12]

- ``training_step``: seconds of a training step of TSVA (16 pairs of 64 × 64 pixels, as many threads as cores), quiet
  and beside one busy process per core, with passive threads (what `tsva` sets) and with OpenMP's default.
- ``loop``: seconds of a step of the project's training over those of the same network in a bare torch loop.
- ``restoration``: seconds of `restore` on whole patches over those of the network called alone.
- ``stage_start``: seconds until each stage's command answers ``--help``, as a process of its own and as a fork of the
  run's server (`tsva.cli.fork_server`, its imports made), over those of an empty Python process.
- ``run``: what a finished run took by stage, where FOLDER is its working directory. ``cpu_seconds`` is the processor
  time of its jobs, which other work on the machine hardly changes; ``core_seconds`` is the clock's time of each job
  times its cores, which other work lengthens. The share of what is neither training nor restoration is of the former.

All figures are from one run on one machine and are printed as ratios beside the seconds. Five minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tsva.cli.fork_server import ForkServer
from tsva.cli.main import SOCKET, THREADS
from tsva.pipeline.run_times import measured_jobs

STEP = """
import sys, time
{policy}
import tsva, torch
from tsva.restoration.pair_network import build
from tsva.settings.train import TrainSettings
torch.manual_seed(1)
network = build("tsva", TrainSettings(), 3)
optimiser = torch.optim.Adam(network.parameters(), 2e-3)
low, high, target = (torch.rand(16, 3, 64, 64).contiguous(memory_format=torch.channels_last) for _ in range(3))
seconds = []
for _ in range({steps}):
    began = time.perf_counter()
    optimiser.zero_grad()
    (network(low, high) - target).square().mean().backward()
    optimiser.step()
    seconds.append(time.perf_counter() - began)
print(sorted(seconds[2:])[len(seconds[2:]) // 2])
"""
RESTORE = """
import time, torch, tsva
from tsva.restoration.pair_network import build
from tsva.restoration.refocus import restore
from tsva.settings.train import TrainSettings
network = build("tsva", TrainSettings(), 3).eval()
low, high = (torch.rand(4, 3, 224, 224).contiguous(memory_format=torch.channels_last) for _ in range(2))
found = {"bare": [], "restore": []}
with torch.inference_mode():
    for _ in range(8):
        calls = {"bare": lambda: network(low, high), "restore": lambda: restore(network, low, high, tile_px=512)}
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            found[name].append(time.perf_counter() - began)
print(min(found["restore"]) / min(found["bare"]))
"""
STAGES = ("simulate", "ingest", "focus", "pairs", "split", "spectrum", "train", "refocus", "count", "advise", "report")
NETWORK_STAGES = ("train", "refocus", "refocus_fields", "refocus_slide")
"""Stages whose time is the networks' own; the baselines' share of `refocus` counts as such too."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="working directory of a finished run")
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    found = {
        "cores": len(os.sched_getaffinity(0)),
        "training_step": training_steps(arguments.steps),
        "restoration": {"over_bare_network": round(float(_python(RESTORE)), 3)},
        "stage_start": stage_starts(),
    }
    if arguments.run:
        found["run"] = shares(arguments.run)
    print(json.dumps(found, indent=1))


def training_steps(steps: int) -> dict[str, float]:
    """Median seconds of a step, and the ratios that matter."""
    policies = {"passive": "", "default": "import os; os.environ['OMP_WAIT_POLICY'] = 'ACTIVE'"}
    seconds = {}
    for name, policy in policies.items():
        script = STEP.format(policy=policy, steps=steps)
        seconds[f"{name}_quiet_s"] = float(_python(script))
        with busy(len(os.sched_getaffinity(0))):
            seconds[f"{name}_busy_s"] = float(_python(script))
    rounded = {name: round(value, 3) for name, value in seconds.items()}
    return {
        **rounded,
        "passive_over_default_quiet": round(seconds["passive_quiet_s"] / seconds["default_quiet_s"], 3),
        "busy_over_quiet_passive": round(seconds["passive_busy_s"] / seconds["passive_quiet_s"], 3),
        "busy_over_quiet_default": round(seconds["default_busy_s"] / seconds["default_quiet_s"], 3),
    }


def stage_starts() -> dict[str, dict[str, float]]:
    """Seconds until a stage's command answers, the median of three, and over those of an empty process."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    empty = _median(lambda: _run([sys.executable, "-c", ""]))
    server = ForkServer()
    server.start()
    where = os.environ.pop(SOCKET)
    found = {}
    for stage in STAGES:
        command = [str(Path(sys.executable).with_name("tsva")), stage, "--help"]
        alone = _median(lambda command=command: _run(command))
        os.environ[SOCKET] = where
        _run(command)
        forked = _median(lambda command=command: _run(command))
        del os.environ[SOCKET]
        found[stage] = {
            "seconds": round(alone, 2),
            "over_empty": round(alone / empty, 1),
            "forked_seconds": round(forked, 2),
            "forked_over_empty": round(forked / empty, 1),
        }
    server.end()
    return {"empty": {"seconds": round(empty, 3), "over_empty": 1.0}, **found}


def shares(folder: Path) -> dict[str, object]:
    """Processor time of each stage and core-seconds of each rule, and the share that is no network's."""
    jobs = measured_jobs(folder / "results")
    if jobs is None:
        raise SystemExit(f"{folder}: no benchmark files of a finished run")
    cpu = {str(stage): float(seconds) for stage, seconds in jobs.groupby("stage")["cpu_time"].sum().items()}
    rules = json.loads((folder / ".snakemake/tsva/seconds.json").read_text(encoding="utf-8"))
    cores = {rule: each["core_seconds"] * each["jobs"] for rule, each in rules.items() if each["jobs"]}
    other = sum(value for stage, value in cpu.items() if stage not in NETWORK_STAGES)
    return {
        "cpu_seconds": _by_size(cpu),
        "total_cpu_seconds": round(sum(cpu.values()), 1),
        "jobs_without_cpu_seconds": int(jobs["cpu_time"].isna().sum()),
        "neither_training_nor_restoration": round(other / sum(cpu.values()), 3),
        "core_seconds": _by_size(cores),
        "total_core_seconds": round(sum(cores.values()), 1),
    }


def _by_size(seconds: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in sorted(seconds.items(), key=lambda item: -item[1])}


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def _median(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _python(script: str) -> str:
    return _run([sys.executable, "-c", script])


def _run(command: list[str]) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


if __name__ == "__main__":
    main()
