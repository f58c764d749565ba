"""Time from a changed number to the report that shows it, in a copy of a finished run. Prints one JSON object.

    python benchmarks/changed_number.py --run FOLDER [--cores 2] [--changes setting count score image] [-- OPTIONS]

FOLDER is the working directory of a run that has ended, such as a clone after ``bash envs/run.sh``; nothing in it is
changed. Each change is made in a copy, and Snakemake is called as a user would, with the OPTIONS of that run:

- ``nothing``: no change. How long Snakemake itself takes to find that out is the peer of all others.
- ``setting``: the confidence of the report's intervals.
- ``count``: one number of one method's table of counts.
- ``score``: one number of one method's table of scores, which that method's counts are read beside.
- ``image``: one grey level of one restored patch.

For each: the jobs that ran, seconds of the clock and of the processor, and the clock's as a multiple of ``nothing``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LINKED = ("Snakefile", "workflow", "profiles", "envs", "tsva", "docs", "tests", "benchmarks", "shared")
LEFT_OUT = (".git", ".venv", ".pytest_cache", ".ruff_cache", ".hypothesis", "site")


def main() -> None:
    """Time all changes that were asked for, one after the other, each run to its end."""
    arguments = parsed()
    with tempfile.TemporaryDirectory(dir=arguments.at) as place:
        folder = copied(arguments.run, Path(place) / "copy")
        found: dict[str, Any] = {"nothing": timed(folder, arguments.cores, *arguments.options)}
        assert not found["nothing"]["jobs"], f"{arguments.run} has not ended: {found['nothing']['jobs']}"
        for name in arguments.changes:
            options = CHANGES[name](folder, arguments.method)
            found[name] = timed(folder, arguments.cores, *options, *arguments.options)
            assert "report" in found[name]["jobs"], f"{name} reached no report"
    for of in found.values():
        of["of_nothing"] = round(of["seconds"] / found["nothing"]["seconds"], 1)
    print(json.dumps({"cores": arguments.cores, "load_before": os.getloadavg()[0], **found}, indent=1))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="Working directory of a finished run.")
    parser.add_argument("--at", type=Path, help="Where the copy is put; gigabytes, for the default.")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--method", default="dataset1/y1_matched", help="Data set and method whose files are changed.")
    parser.add_argument("options", nargs="*", help="For Snakemake, after --.")
    parser.add_argument("--changes", nargs="+", choices=[*CHANGES], default=[*CHANGES])
    return parser.parse_args()


def copied(run: Path, folder: Path) -> Path:
    """A working directory with the run's results, its settings and scans, and what Snakemake knows of its jobs."""
    folder.mkdir()
    for part in run.resolve().iterdir():
        if part.name in LINKED:
            (folder / part.name).symlink_to(part)
        elif part.name not in LEFT_OUT:
            subprocess.run(["cp", "-a", part, folder / part.name], check=True)
    return folder


def setting(_: Path, __: str) -> tuple[str, ...]:
    return "--config", "report={confidence: 0.9}"


def count(folder: Path, method: str) -> tuple[str, ...]:
    _raise_cell(folder / f"results/count/{method}.tsv", "count_restored", 1)
    return ()


def score(folder: Path, method: str) -> tuple[str, ...]:
    _raise_cell(folder / f"results/refocus/{method}/scores.tsv", "psnr_db", 0.5)
    return ()


def image(folder: Path, method: str) -> tuple[str, ...]:
    restored = np.lib.format.open_memmap(folder / f"results/refocus/{method}/restored.npy", mode="r+")
    restored[0, 0, 0, 0, 0] ^= 1
    restored.flush()
    return ()


CHANGES: dict[str, Callable[[Path, str], tuple[str, ...]]] = {
    "setting": setting,
    "count": count,
    "score": score,
    "image": image,
}


def _raise_cell(table: Path, column: str, by: float) -> None:
    """Raise one number of the first row, in place."""
    header, row, *others = table.read_text(encoding="utf-8").splitlines()
    cells, place = row.split("\t"), header.split("\t").index(column)
    cells[place] = f"{float(cells[place]) + by:g}"
    table.write_text("\n".join([header, "\t".join(cells), *others, ""]), encoding="utf-8")


def timed(folder: Path, cores: int, *options: str) -> dict[str, Any]:
    """Run Snakemake; seconds of the clock and of the processor, and how many jobs of which rule ran."""
    used, began = _processor_s(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", str(cores), *options],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    assert done.returncode == 0, done.stdout + done.stderr
    rules = re.findall(r"^(?:local)?rule (\w+):", done.stdout + done.stderr, re.MULTILINE)
    jobs = {rule: rules.count(rule) for rule in dict.fromkeys(rules) if not rule.endswith("default")}
    return {"seconds": round(seconds, 1), "processor_s": round(_processor_s() - used, 1), "jobs": jobs}


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
