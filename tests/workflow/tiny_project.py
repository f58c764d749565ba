"""A copy of the project with tiny data of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml
from PIL import Image
from tiny_workflow import PARTS, PROJECT, SHEET, TINY, Workflow

from tsva.readers.stack_file import read_stack, write_stack


def make_project(folder: Path) -> None:
    """Fill a folder with the project's parts, tiny settings, a sheet and scans; nothing has run."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "slides.tsv").write_text(SHEET)
    _scan(folder)


def _scan(folder: Path) -> None:
    """Scans for the sheet's files: digital slides taken out of a first run, as planes and as a stack."""
    sheet = "slide\tpatient\tsample\trole\tsource\ttissue\nS1\tS\tS\trefocus\tsimulated\tstromal\n"
    (folder / "scan.tsv").write_text(sheet)
    scan = Workflow(folder)
    config = ["--config", "slides=scan.tsv", "checkpoint=scan.tsv", "simulate={fields: {refocus: 3}}"]
    scan.run("ingested", *config)
    stacks = sorted((folder / "results/ingest/S1/stacks").glob("*.tif"))
    (folder / "scans/B1").mkdir(parents=True)
    for number, file in enumerate(stacks[:2], start=1):
        stack = read_stack(file)
        for plane, z_um in zip(stack.planes, stack.z_um, strict=True):
            Image.fromarray(plane).save(folder / f"scans/B1/B1_f{number}_z{z_um:+.2f}um.png")
    write_stack(folder / "scans/E1.ome.tif", read_stack(stacks[2]))
    for made in ("results", "logs", ".snakemake"):
        shutil.rmtree(folder / made)
