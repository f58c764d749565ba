"""Kill whole runs many times at random moments, and compare those that end with a run that was never disturbed.

    python tests/endurance/kills.py --kills 30

A run that ends before the next kill is compared, removed, and begun anew, until all kills have struck; then one more is
left to its end. Prints a JSON object: where the kills struck, and what differs (nothing should). Measured times are
left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from tiny_project import make_project
from tiny_workflow import Workflow

FOR_EVER_S = 3600.0
TIMES = re.compile(r"seconds|rate$|_s$")
"""Names of columns and keys that hold measured times."""


def main() -> int:
    """Compare both runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest-s", type=float, default=15, help="Between the start of a run and its kill.")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        calm, disturbed = Path(place) / "calm", Path(place) / "disturbed"
        calm.mkdir()
        make_project(calm)
        shutil.copytree(calm, disturbed, symlinks=True)
        Workflow(calm).run()
        found = disturb(disturbed, calm, told)
        files = sum(path.is_file() for path in (calm / "results").rglob("*"))
    print(json.dumps({**found, "files_compared": files}, indent=1))
    return bool(found["differing"] or found["planned_afterwards"])


def disturb(folder: Path, calm: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Strike until all kills are used up and a run has ended; compare every run that ends."""
    struck: list[list[str]] = []
    differing, ended, again, draw = [], 0, 0, random.Random(told.seed)
    while len(struck) < told.kills or not ended:
        hit = kill_one(folder, draw.uniform(3, told.longest_s) if len(struck) < told.kills else FOR_EVER_S)
        if hit is not None:
            struck.append(hit)
            print(f"kill {len(struck)}: {', '.join(hit) or 'no job'}", file=sys.stderr, flush=True)
            continue
        ended += 1
        again += sum(Workflow(folder).planned().values())
        differing += [f"run {ended}: {name}" for name in differences(calm / "results", folder / "results")]
        if len(struck) < told.kills:
            shutil.rmtree(folder / "results")
            shutil.rmtree(folder / ".snakemake")
    return {
        "kills": len(struck),
        "struck": dict(Counter(rule for rules in struck for rule in rules)),
        "before_any_job": sum(not rules for rules in struck),
        "runs_that_ended": ended,
        "differing": differing,
        "planned_afterwards": again,
    }


def kill_one(folder: Path, after_s: float) -> list[str] | None:
    """Start the workflow, kill all of it after a while, and say which stages ran; None if it ended before."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = ["snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
    subprocess.run([*command, "--unlock"], cwd=folder, env=environment, capture_output=True, check=True)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if status := process.wait(after_s):
            raise SystemExit(f"the run ended by itself with status {status}: {folder}/.snakemake/log")
    except subprocess.TimeoutExpired:
        running = _stages(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return running
    return None


def _stages(session: int) -> list[str]:
    """Subcommands of tsva that run in a session."""
    lines = subprocess.run(
        ["ps", "-o", "args=", "--sid", str(session)], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    found = (re.search(r"python\S* \S*/tsva --log \S+ (\S+)", line) for line in lines)
    return sorted({match[1] for match in found if match})


def differences(calm: Path, disturbed: Path) -> Iterator[str]:
    """Files that only one run has, or whose contents differ in anything but times."""
    names = [{path.relative_to(root) for path in root.rglob("*") if path.is_file()} for root in (calm, disturbed)]
    for name in sorted(names[0] ^ names[1]):
        yield f"{name}: only in {'the calm run' if name in names[0] else 'the disturbed run'}"
    for name in sorted(names[0] & names[1]):
        if meaning(calm / name) != meaning(disturbed / name):
            yield str(name)


def meaning(path: Path) -> Any:
    """What a file says, without times."""
    if path.suffix in (".tsv", ".csv"):
        rows = [re.split(r"[\t,]" if path.suffix == ".csv" else r"\t", line) for line in path.read_text().splitlines()]
        kept = [number for number, column in enumerate(rows[0]) if not TIMES.search(column)]
        return [[row[number] for number in kept] for row in rows]
    if path.suffix == ".json":
        return _without_times(json.loads(path.read_text()))
    if path.suffix == ".ckpt":
        import torch

        held = torch.load(path, weights_only=True)
        return {**held, "weights": {name: value.tolist() for name, value in held["weights"].items()}}
    if path.suffix == ".html":
        return ""  # made of the tables and summary.json, and tells times in words
    return path.read_bytes()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(part) for key, part in value.items() if not TIMES.search(key)}
    return [_without_times(part) for part in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
