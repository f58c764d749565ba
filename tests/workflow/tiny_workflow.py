"""Snakemake on tiny data: the settings, the sheet, and a working directory to run it in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml
from forked_snakemake import run_snakemake

PROJECT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "profiles", "config", "envs", "tsva")
TINY = {
    "seed": 3,
    "slides": "slides.tsv",
    "optics": {"bandwidth_um": 0.0},
    "simulate": {
        "field_px": [128, 128],
        "fields": {"train": 2, "dataset1": 1, "dataset2": 1, "refocus": 1},
        "draws": {"train": 1, "dataset1": 2, "dataset2": 2},
    },
    "acquisition": {"offset_max_um": 1.5},
    "pairs": {"patch_px": 64},
    "train": {
        "networks": ["tsva", "unet"],
        "width": 4,
        "levels": 2,
        "crop_px": 32,
        "steps": 6,
        "verifications": 2,
        "fusion": {"width": 8, "depth": 1, "crop_px": 64, "batch": 4, "offset_steps": 20, "microscopes": 2},
    },
    "methods": {"baselines": ["mean", "wiener_blind"], "sample_per_offset": 1},
    "baselines": {"kernel_px": 7, "section_thickness_um": 0.0, "offset_reach_um": 2.0},
    "advise": {
        "deltas_um": [0.25, 0.5, 0.75],
        "tissues": ["glandular"],
        "specimens": 2,
        "offsets": 1,
        "field_px": 64,
    },
    "report": {"examples": 1, "first_look": False},
}
ONE_THREAD = ("--set-threads", "refocus_fields=1")
"""In the run's fork server, as a process of its own imports torch for four seconds."""
SHEET = """slide\tpatient\tsample\trole\tsource\tpath\tpixel_um\tpattern\ttissue
A1\tA\tglandular\ttrain\tsimulated\t\t\t\tglandular
B1\tB\tstromal\ttrain\tplanes\tscans/B1\t0.345\tB1_{field}_z{z}um.png\t
C1\tC\tSample1\tdataset1\tsimulated\t\t\t\tepithelial
D1\tD\tSample7\tdataset2\tsimulated\t\t\t\tglandular
E1\tE\tE1\trefocus\tstack\tscans/E1.ome.tif\t\t\t
"""


def jobs_of(text: str) -> Counter[str]:
    """Jobs that a dry run's text announces, as rule or rule:wildcard values, without the default target."""
    jobs: Counter[str] = Counter()
    for block in re.split(r"\n(?=(?:local)?rule )", text)[1:]:
        name = re.match(r"(?:local)?rule (\w+):", block)
        assert name
        values = re.search(r"wildcards: (.*)", block)
        parts = [part.split("=")[1] for part in values[1].split(", ")] if values else []
        if not name[1].endswith("default"):
            jobs[":".join([name[1], *parts])] += 1
    return jobs


class Workflow:
    """A working directory in which Snakemake can be run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run snakemake with the copied package in front of the installed one."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "NO_COLOR": "1"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        done = run_snakemake(
            self.folder, environment, ["--cores", "2", *arguments, *ONE_THREAD, "--configfile", "tiny.yaml"]
        )
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done

    def planned(self, *arguments: str) -> Counter[str]:
        """Jobs that a dry run announces, as rule or rule:wildcard values."""
        done = self.run("--dry-run", *arguments)
        return jobs_of(done.stdout + done.stderr)

    def edit_settings(self, section: str, **values: object) -> None:
        """Change settings in place."""
        file = self.folder / "tiny.yaml"
        settings = yaml.safe_load(file.read_text())
        settings.setdefault(section, {}).update(values)
        file.write_text(yaml.safe_dump(settings))
