"""Snakemake's cache between working directories: what one has made, another takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tiny_workflow import Workflow

pytestmark = pytest.mark.workflow
CACHED = ("--cache", "simulate", "ingest", "focus", "pairs", "train")
SLIDES = ("A1", "B1")
MADE = [f"results/{stage}/{slide}" for stage in ("ingest", "focus", "pairs") for slide in SLIDES]


def two_slides(project: Path, folder: Path) -> Workflow:
    """Two training slides of the tiny data."""
    subprocess.run(["cp", "-a", project, folder], check=True)
    lines = (folder / "slides.tsv").read_text().splitlines()
    (folder / "slides.tsv").write_text("\n".join([*lines[:3], ""]))
    return Workflow(folder)


def files(folder: Path, *parts: str) -> dict[str, bytes]:
    """Contents of all files, links followed."""
    roots = [folder / part for part in parts]
    found = [file for root in roots for file in sorted(root.rglob("*")) if file.is_file()]
    # what lies in a linked folder isn't found by rglob
    found += [file for root in roots for link in root.iterdir() if link.is_dir() for file in link.iterdir()]
    # Snakemake's own mark is put where a job has run, and not where the cache has been used
    return {str(file.relative_to(folder)): file.read_bytes() for file in found if file.name != ".snakemake_timestamp"}


def test_second_directory_takes_what_the_first_made(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))
    one, other = (two_slides(project, tmp_path / name) for name in ("one", "other"))
    one.run(*CACHED)
    other.run(*CACHED)
    wrote = [
        path.relative_to(other.folder / "logs")
        for path in (other.folder / "logs").rglob("*.log")
        if path.stat().st_size
    ]
    assert wrote == [Path("split.log")], "nothing ran but what isn't cached"
    trained = [f"results/train/{network}" for network in ("tsva", "unet")]
    assert files(one.folder, *MADE, *trained) == files(other.folder, *MADE, *trained)
    models = [(other.folder / place / "model.ckpt").read_bytes() for place in trained]
    assert models[0] != models[1], "jobs that differ by wildcards alone are distinguished"
    assert not other.planned(*CACHED)

    # another seed is another slide, but the same scan
    (other.folder / "tiny.yaml").write_text((other.folder / "tiny.yaml").read_text().replace("seed: 3", "seed: 4"))
    before = files(one.folder, "results/ingest/A1")
    other.run("ingested", *CACHED)
    assert files(one.folder, "results/ingest/A1") == before, "the cache is not written through"
    assert files(other.folder, "results/ingest/A1") != before
    assert not one.planned(*CACHED)
