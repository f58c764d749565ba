"""Planning for many slides: how long `snakemake -n` takes, and what a job of this workflow costs beside an empty one.

    nice -n 15 python benchmarks/plan.py --slides 2000

Slides of role refocus with a given checkpoint: an ingest job and a refocus job each. Prints one JSON object; processor
seconds of all processes, user and system together. Jobs are compared in the same call: `our_job_ms` with a script in
place of `tsva` that only makes the outputs, `ingest_job_ms` with `tsva` itself on stacks of two planes of 32x32 pixels,
which leave it nothing to do but to start. `overhead` sets the latter beside an empty job and Python's imports.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tsva.acquisition.stack import Stack
from tsva.readers.stack_file import write_stack

PROJECT = Path(__file__).parents[1]
EMPTY = """rule all:
    input: expand("results/b/{{i}}", i=range({jobs}))
rule first:
    output: "results/a/{{i}}"
    log: "logs/a/{{i}}.log"
    shell: "touch {{output}}"
rule second:
    input: "results/a/{{i}}"
    output: "results/b/{{i}}"
    log: "logs/b/{{i}}.log"
    shell: "touch {{output}}"
"""
PRETENDED = """#!/bin/sh
# makes the outputs of both stages, and nothing else
case " $* " in
  *" ingest "*) out=${*##*--out }; mkdir -p "$out/stacks"; : > "$out/fields.tsv" ;;
  *" refocus-fields "*) out=${*##*--out }; mkdir -p "$out/images"; : > "$out/fields.tsv" ;;
esac
"""


def main() -> None:
    """Measure in a folder that is removed afterwards."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slides", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=100, help="Slides whose jobs are run; two jobs each.")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        plan_s, first_s = planning(folder / "many", told.slides)
        ours_s = jobs(folder / "ours", told.jobs)
        empty_s = empty_jobs(folder / "empty", told.jobs)
        start_s = cpu_seconds([sys.executable, "-c", "import tsva.cli.ingest, tifffile"], folder, 20) / 20
        ingest_s = ingest_jobs(folder / "ingest", told.jobs) / told.jobs
    print(
        json.dumps(
            {
                "slides": told.slides,
                "dry_run_first_cpu_s": round(first_s, 2),
                "dry_run_cpu_s": round(plan_s, 2),
                "jobs": 2 * told.jobs,
                "our_job_ms": round(1000 * ours_s / told.jobs / 2, 1),
                "empty_job_ms": round(1000 * empty_s / told.jobs / 2, 1),
                "ratio": round(ours_s / empty_s, 3),
                "python_and_imports_ms": round(1000 * start_s, 1),
                "ingest_job_ms": round(1000 * ingest_s, 1),
                "overhead": round(ingest_s / (empty_s / told.jobs / 2 + start_s), 3),
            }
        )
    )


def planning(folder: Path, slides: int) -> tuple[float, float]:
    """Seconds of a dry run that knows the files' digests, and of the first one, which reads all files."""
    project(folder, slides)
    first = cpu_seconds([*SNAKEMAKE, "--dry-run", "--quiet", "all"], folder)
    return cpu_seconds([*SNAKEMAKE, "--dry-run", "--quiet", "all"], folder), first


def jobs(folder: Path, slides: int) -> float:
    """Seconds of a run less those of its plan, with a pretended `tsva`."""
    project(folder, slides)
    pretended = folder / "bin/tsva"
    pretended.parent.mkdir()
    pretended.write_text(PRETENDED)
    pretended.chmod(0o755)
    plan = cpu_seconds([*SNAKEMAKE, "--dry-run", "--quiet", "all"], folder)
    return cpu_seconds([*SNAKEMAKE, "--quiet", "all"], folder) - plan


def ingest_jobs(folder: Path, slides: int) -> float:
    """Seconds of a run of true ingest jobs less those of its plan."""
    project(folder, slides)
    for number in range(slides):
        planes = np.full((2, 32, 32), number % 256, np.uint8)
        write_stack(folder / f"scans/{number}.ome.tif", Stack(planes[..., None], np.array([0, 0.5]), 0.345))
    plan = cpu_seconds([*SNAKEMAKE, "--dry-run", "--quiet", "all", "--", "ingested"], folder)
    return cpu_seconds([*SNAKEMAKE, "--quiet", "all", "--", "ingested"], folder) - plan


def empty_jobs(folder: Path, slides: int) -> float:
    """The same for two chained rules that do nothing."""
    folder.mkdir()
    (folder / "Snakefile").write_text(EMPTY.format(jobs=slides))
    command = ["snakemake", "--cores", "2", "--scheduler", "greedy"]
    plan = cpu_seconds([*command, "--dry-run", "--quiet", "all"], folder)
    return cpu_seconds([*command, "--quiet", "all"], folder) - plan


SNAKEMAKE = ["snakemake", "--cores", "2", "--configfile", "config/config.yaml", "--config", "slides=slides.tsv"]
SNAKEMAKE += ["checkpoint=model.ckpt"]


def project(folder: Path, slides: int) -> None:
    """The workflow with light slides: files of a page that nobody reads."""
    folder.mkdir()
    for part in ("Snakefile", "workflow", "profiles", "config", "envs", "tsva"):
        (folder / part).symlink_to(PROJECT / part)
    shutil.copy(PROJECT / "envs/tsva.yaml", folder / "model.ckpt")
    (folder / "scans").mkdir()
    rows = ["slide\tpatient\tsample\trole\tsource\tpath"]
    for number in range(slides):
        (folder / f"scans/{number}.ome.tif").write_bytes(b"%4096d" % number)
        rows.append(f"S{number}\tP{number}\tS\trefocus\tstack\tscans/{number}.ome.tif")
    (folder / "slides.tsv").write_text("\n".join([*rows, ""]))


def cpu_seconds(command: list[str], folder: Path, times: int = 1) -> float:
    """Processor seconds of a command and its children."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PATH"] = f"{folder}/bin:{Path(sys.executable).parent}:{environment['PATH']}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(times):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
