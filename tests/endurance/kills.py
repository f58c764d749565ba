"""Kill a whole run many times at random moments, let it end once, and compare it with a run that was never disturbed.

    nice -n 19 python tests/endurance/kills.py --kills 30

Prints a JSON object: where the kills struck, and what differs (nothing should). Measured times are left out.
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
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from tiny_project import make_project
from tiny_workflow import Workflow

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
        struck = [kill_one(disturbed, random.Random(f"{told.seed}-{number}"), told.longest_s)
                  for number in range(told.kills)]  # fmt: skip
        Workflow(disturbed).run("--unlock")
        Workflow(disturbed).run()
        again = sum(Workflow(disturbed).planned().values())
        differing = list(differences(calm / "results", disturbed / "results"))
        files = sum(path.is_file() for path in (calm / "results").rglob("*"))
    answer = {
        "kills": told.kills, "struck": dict(Counter(rule for rules in struck for rule in rules)),
        "before_any_job": sum(not rules for rules in struck), "files_compared": files, "differing": differing,
        "planned_afterwards": again,
    }  # fmt: skip
    print(json.dumps(answer, indent=1))
    return bool(differing or again)


def kill_one(folder: Path, draw: random.Random, longest_s: float) -> list[str]:
    """Start the workflow, kill all of it at a random moment, and say which stages were running."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = ["snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
    subprocess.run([*command, "--unlock"], cwd=folder, env=environment, capture_output=True, check=True)
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    time.sleep(draw.uniform(3, longest_s))
    running = _stages(process.pid)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


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
