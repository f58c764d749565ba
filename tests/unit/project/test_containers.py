"""Recipes for containers: what they copy is there and is all that the set-up needs, and both make the same thing."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "envs/Dockerfile").read_text(encoding="utf-8")
APPTAINER = (ROOT / "envs/apptainer.def").read_text(encoding="utf-8")
COPIED = dict(re.findall(r"^    (\S+) /opt/tsva/(\S+)$", APPTAINER, re.MULTILINE))


def test_apptainer_copies_what_is_there_under_its_own_name() -> None:
    assert COPIED
    for source, target in COPIED.items():
        assert source == target
        assert (ROOT / source).exists()


def test_apptainer_copies_all_that_set_up_and_workflow_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"pyproject.toml", "Snakefile", "workflow", "config", "envs", "profiles", project["name"]}
    assert wanted | {project["readme"], *project["license-files"]} <= set(COPIED)


def test_docker_leaves_out_nothing_that_apptainer_copies() -> None:
    left_out = (ROOT / "envs/Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert not set(left_out) & set(COPIED)
    assert {".git", "results", ".snakemake", ".venv"} <= set(left_out)


@pytest.mark.parametrize("recipe", [DOCKERFILE, APPTAINER], ids=["docker", "apptainer"])
def test_python_is_one_that_the_project_takes(recipe: str) -> None:
    (version,) = re.findall(r"^(?:FROM|From:) python:([\d.]+)", recipe, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(version)


def test_both_start_the_same_workflow_with_the_same_environment() -> None:
    for recipe in (DOCKERFILE, APPTAINER):
        assert "TSVA_VENV=/opt/venv bash envs/setup.sh" in recipe
        assert "PATH=/opt/venv/bin:$PATH" in recipe
        assert "/opt/tsva/Snakefile" in recipe
    assert re.findall(r"python:\S+", DOCKERFILE) == re.findall(r"python:\S+", APPTAINER)


def test_a_linter_of_dockerfiles_finds_nothing() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint has no build for this machine")
    done = subprocess.run([hadolint, str(ROOT / "envs/Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
