"""The ways in: the clone's root, ``-s workflow/Snakefile``, another working directory, and a module of a workflow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml
from forked_snakemake import run_snakemake
from tiny_workflow import PROJECT, SHEET, TINY, jobs_of

pytestmark = pytest.mark.workflow
MODULE = """
configfile: "config/config.yaml"

module tsva:
    snakefile: "{project}/workflow/Snakefile"
    config: config
    {prefix}

use rule * from tsva{names}
"""
CONFIG = yaml.safe_load((PROJECT / "config/config.yaml").read_text(encoding="utf-8"))


def snakemake(folder: Path, *arguments: str) -> str:
    """What Snakemake prints, with this project's package in front of any installed one."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "NO_COLOR": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = run_snakemake(folder, environment, ["--cores", "2", *arguments])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def clone(folder: Path) -> Path:
    """The project's files without its results."""
    folder.mkdir()
    for part in ("Snakefile", "workflow", "config", "profiles", "envs", "tsva"):
        (folder / part).symlink_to(PROJECT / part)
    return folder


def deployed(folder: Path, *, prefix: str = "", names: str = "", config: dict | None = None) -> Path:
    """A workflow of somebody else that uses this one as a module, as the workflow catalogue deploys it."""
    (folder / "workflow").mkdir(parents=True)
    (folder / "config").mkdir()
    text = MODULE.format(project=PROJECT, prefix=f'prefix: "{prefix}"' if prefix else "", names=names)
    (folder / "workflow/Snakefile").write_text(text)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config or CONFIG))
    (folder / "config/slides.tsv").write_bytes((PROJECT / "config/slides.tsv").read_bytes())
    return folder


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Jobs of the embedded default, planned in the clone's root."""
    jobs = jobs_of(snakemake(clone(tmp_path_factory.mktemp("root") / "clone"), "-n"))
    assert {"report:report", "train:fusion"} <= set(jobs)
    return jobs


def test_from_the_root_by_the_inner_snakefile(tmp_path: Path, wanted: dict[str, int]) -> None:
    assert jobs_of(snakemake(clone(tmp_path / "clone"), "-n", "-s", "workflow/Snakefile")) == wanted


@pytest.mark.parametrize("file", ["Snakefile", "workflow/Snakefile"])
def test_from_an_empty_directory(tmp_path: Path, wanted: dict[str, int], file: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    text = snakemake(clone(tmp_path / "clone"), "-n", "-s", file, "--directory", str(tmp_path / "elsewhere"))
    assert jobs_of(text) == wanted


@pytest.mark.parametrize(("prefix", "names"), [("", ""), ("focus", " as tsva_*")])
def test_as_a_module(tmp_path: Path, wanted: dict[str, int], prefix: str, names: str) -> None:
    text = snakemake(deployed(tmp_path / "study", prefix=prefix, names=names), "-n", "--printshellcmds")
    found = {name.removeprefix("tsva_"): number for name, number in jobs_of(text).items()}
    assert found == wanted
    if prefix:
        words = [word for line in text.splitlines() if "tsva --log" in line for word in line.split()]
        assert not [word for word in words if word.startswith(("results", "logs"))]


def test_a_module_with_a_prefix_runs(tmp_path: Path) -> None:
    """Results lie below the prefix, and the user's files and sheet where they are."""
    study = deployed(tmp_path / "study", prefix="focus", config={**TINY, "slides": "config/slides.tsv"})
    header, first, *_ = SHEET.splitlines()
    scan = "E1\tE\tE1\trefocus\tstack\tscans/E1.ome.tif\t0.345\t\t"
    (study / "config/slides.tsv").write_text("\n".join([header, first, ""]))
    snakemake(study, "focused")
    assert (study / "focus/results/focus/A1/fields.tsv").is_file() and not (study / "results").exists()
    (study / "config/scans").mkdir()
    stack = next((study / "focus/results/ingest/A1/stacks").glob("*.tif"))
    stack.rename(study / "config/scans/E1.ome.tif")
    (study / "config/slides.tsv").write_text("\n".join([header, scan, ""]))
    (study / "config/config.yaml").write_text(
        yaml.safe_dump({**TINY, "slides": "config/slides.tsv", "checkpoint": "config/config.yaml"})
    )
    snakemake(study, "ingested")
    assert (study / "focus/results/ingest/E1/fields.tsv").is_file()


def test_own_settings_in_another_directory(tmp_path: Path) -> None:
    """Settings of the working directory come before the embedded ones, as does its sheet."""
    folder = tmp_path / "own"
    (folder / "config").mkdir(parents=True)
    (folder / "config/config.yaml").write_text(yaml.safe_dump({"seed": 5, "slides": "config/slides.tsv"}))
    (folder / "config/slides.tsv").write_text("\n".join([*SHEET.splitlines()[:2], ""]))
    text = snakemake(
        PROJECT, "-n", "-s", "workflow/Snakefile", "--directory", str(folder), "--printshellcmds", "focused"
    )
    assert dict(jobs_of(text)) == {"simulate:A1": 1, "ingest:A1": 1, "focus:A1": 1, "focused": 1}
    assert "--seed 5" in text
