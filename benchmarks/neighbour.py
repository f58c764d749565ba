"""What the workflow costs beside the networks' own arithmetic, and how it behaves on a busy machine. Prints JSON.

    python benchmarks/neighbour.py [--run FOLDER] [--steps 12]

- ``training_step``: seconds of a training step of TSVA (16 pairs of 64 × 64 pixels, as many threads as cores), quiet
  and beside one busy process per core, with passive threads (what `tsva` sets) and with OpenMP's default.
- ``loop``: seconds of a step of the project's training over those of the same network in a bare torch loop.
- ``restoration``: seconds of `restore` on whole patches over those of the network called alone.
- ``stage_start``: seconds until each stage's command answers ``--help``, as a process of its own and as a fork of the
  run's server (`tsva.cli.fork_server`, its imports made), over those of an empty Python process.
- ``run``: shares of a finished run's core-seconds by rule, where FOLDER is its working directory.

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

from tsva.cli.fork_client import SOCKET
from tsva.cli.fork_server import THREADS, ForkServer

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
NETWORK_RULES = ("train", "refocus", "refocus_batch", "refocus_fields")
"""Rules whose time is the networks' own; the baselines' share of `refocus` counts as such too."""


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
        found["run"] = shares(arguments.run / ".snakemake/tsva/seconds.json")
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


def shares(measured: Path) -> dict[str, object]:
    """Core-seconds of each rule of a run, and the share that is neither training nor restoration."""
    rules = json.loads(measured.read_text(encoding="utf-8"))
    seconds = {rule: each["core_seconds"] * each["jobs"] for rule, each in rules.items() if each["jobs"]}
    total = sum(seconds.values())
    other = sum(value for rule, value in seconds.items() if rule not in NETWORK_RULES)
    by_size = sorted(seconds.items(), key=lambda item: -item[1])
    return {
        "core_seconds": {rule: round(value, 1) for rule, value in by_size},
        "total_core_seconds": round(total, 1),
        "neither_training_nor_restoration": round(other / total, 3),
    }


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
