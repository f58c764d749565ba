"""Environment files agree: project, lock, conda's and the set-up script."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).parents[3]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
LOCK = (PROJECT / "envs/requirements.lock").read_text()
BY_SETUP = "torch"
"""In no lock, as its build is chosen where the environment is made."""


def locked() -> dict[str, Version]:
    return {
        canonicalize_name(name): Version(version)
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", LOCK, re.MULTILINE)
    }


def wanted() -> list[Requirement]:
    """Of the package and all its extras; extras of the package itself count as what they stand for."""
    extras = PYPROJECT["optional-dependencies"]
    lines = [*PYPROJECT["dependencies"], *(line for extra in extras.values() for line in extra)]
    return [requirement for line in lines if (requirement := Requirement(line)).name != PYPROJECT["name"]]


def test_lock_satisfies_the_project() -> None:
    versions = locked()
    missing = {
        str(requirement)
        for requirement in wanted()
        if requirement.name != BY_SETUP
        and not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), Version("0")))
    }
    assert not missing


def test_every_locked_package_has_a_hash() -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK)
    assert all("--hash=sha256:" in entry for entry in entries if re.match(r"[A-Za-z0-9._-]+==", entry))


def test_torch_has_one_version_and_no_place_in_the_lock() -> None:
    (torch,) = (requirement for requirement in wanted() if requirement.name == BY_SETUP)
    assert re.fullmatch(r"==\d+\.\d+\.\d+", str(torch.specifier))
    assert BY_SETUP not in locked()
    for script in ("setup.sh", "tsva.post-deploy.sh"):
        assert "pyproject.toml" in (PROJECT / "envs" / script).read_text(), "the version is read, not repeated"


def test_conda_brings_a_python_that_the_project_takes_and_the_lock_the_rest() -> None:
    conda = yaml.safe_load((PROJECT / "envs/tsva.yaml").read_text())
    (python,) = (line for line in conda["dependencies"] if line.startswith("python="))
    assert SpecifierSet(PYPROJECT["requires-python"]).contains(python.partition("=")[2] + ".0")
    assert set(conda["dependencies"]) == {python, "pip"}, "versions are the lock's business"
    deploy = (PROJECT / "envs/tsva.post-deploy.sh").read_text()
    assert "--no-deps --require-hashes -r envs/requirements.lock" in deploy
    assert "--no-deps --require-hashes -r envs/requirements.lock" in (PROJECT / "envs/setup.sh").read_text()
    assert "uv" in locked(), "the deploy script takes torch by it"
