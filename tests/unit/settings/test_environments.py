"""Environment files agree: project, lock, conda's and the set-up script."""

from __future__ import annotations

import fcntl
import os
import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
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


def test_uv_looks_where_pip_is_configured_to_look() -> None:
    tools = runpy.run_path(str(PROJECT / "envs/pip_for_uv.py"))
    settings = tools["configured"](
        [
            ":env:.find-links='/wheels /more'",
            "global.cert='/certificates.pem'",
            "global.extra-index-url='file:///one/simple\\nfile:///two/simple'",
            "global.find-links='/not/these'",
            "global.index-url='file:///general/simple'",
            "install.index-url='file:///of-install/simple'",
            "install.no-index='true'",
            "list.format='columns'",
        ]
    )
    lines = tools["shell_lines"](settings, {})
    asked = subprocess.run(
        ["bash", "-c", "\n".join([*lines, 'printf "%s\\n" "$SSL_CERT_FILE" "${where[@]}"'])],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert asked.stdout.split() == [
        "/certificates.pem",
        *("--default-index", "file:///of-install/simple"),
        *("--index", "file:///one/simple", "--index", "file:///two/simple"),
        *("--find-links", "/wheels", "--find-links", "/more", "--no-index"),
    ]
    assert tools["shell_lines"](settings, {"SSL_CERT_FILE": "/own.pem"}) == lines[1:], "what is set already stays"
    assert tools["shell_lines"]({}, {}) == ["where=()"]


def test_second_set_up_waits_for_the_first(tmp_path: Path) -> None:
    """With an interpreter that only says that it was asked to make the environment."""
    if shutil.which("flock") is None:
        pytest.skip("flock is not installed")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] || exit 0\necho "made $3" >>{tmp_path}/asked\nexit 1\n')
    python.chmod(0o755)
    venv = tmp_path / "venv"
    environment = {**os.environ, "PYTHON": str(python), "TSVA_VENV": str(venv), "TSVA_TORCH": "cpu"}
    with (tmp_path / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(
            ["bash", PROJECT / "envs/setup.sh"], env=environment, stderr=subprocess.PIPE, text=True
        )
        assert second.stderr is not None
        assert "waiting for it" in second.stderr.readline()
        assert second.poll() is None and not (tmp_path / "asked").exists()
    _, said = second.communicate(timeout=60)
    assert "Setting up" in said, "the first one has not made it"
    assert (tmp_path / "asked").read_text() == f"made {venv}\n"
