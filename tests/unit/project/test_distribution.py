"""What is handed on: licence, version and data in the wheel, the citation file, the changelog."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement

from tsva.cli.commands import cli

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SHIPPED = ("czi", "export", "slurm")
"""Extras that users install; what developers use is not handed on."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The package's wheel, built from a copy so that nothing is left in the checkout."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "tsva", copy / "tsva", ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(copy)], cwd=copy, check=True, capture_output=True)
    return zipfile.ZipFile(next(copy.glob("*.whl")))


def test_wheel_says_version_and_licence(wheel: zipfile.ZipFile) -> None:
    info = f"tsva-{PROJECT['version']}.dist-info"
    said = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert (said["Name"], said["Version"]) == ("tsva", PROJECT["version"])
    assert said["License-Expression"] == "MIT"
    assert said.get_all("License-File") == ["LICENSE"]
    assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_wheel_holds_every_module_and_template(wheel: zipfile.ZipFile) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tsva").rglob("*.py")}
    wanted |= {
        path.relative_to(ROOT).as_posix()
        for folder in (ROOT / "tsva").rglob("templates")
        for path in folder.iterdir()
        if path.is_file()
    }
    assert wanted <= set(wheel.namelist())


def test_the_command_says_its_version() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert result.output == f"tsva {metadata.version('tsva')}\n"


def test_citation_names_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["preferred-citation"]["authors"][0]["family-names"] == "Li"
    assert citation["preferred-citation"]["doi"].startswith("10.")


def test_changelog_has_this_version() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert PROJECT["version"] in versions


def licence_of(name: str) -> str:
    """What an installed distribution says of its licence."""
    told = metadata.metadata(name)
    classifiers = [line for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    return told["License-Expression"] or "; ".join(classifiers) or (told["License"] or "").split("\n")[0]


def forbids(licence: str) -> bool:
    """Whether a licence would bind this package too: the GPL where there is no choice; the LGPL doesn't."""
    parts = re.split(r";|\bAND\b", re.sub(r"\([^()]*\bOR\b[^()]*\)", "", licence))
    copyleft = re.compile(r"(?<!Lesser )(?<!L)(GPL|General Public License)", re.IGNORECASE)
    return any(copyleft.search(part) and "Lesser" not in part for part in parts)


def test_what_the_check_of_licences_takes_and_refuses() -> None:
    taken = ["MIT", "LGPL-2.1-only AND BSD-2-Clause", "MIT AND (BSD-3-Clause OR GPL-2.0-only)"]
    taken += ["License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"]
    refused = ["GPL-3.0-or-later", "AGPL-3.0", "MIT AND GPL-2.0-only"]
    refused += ["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"]
    assert not any(map(forbids, taken))
    assert all(map(forbids, refused))


def test_no_dependency_forbids_the_licence() -> None:
    lines = [*PROJECT["dependencies"], *(line for extra in SHIPPED for line in PROJECT["optional-dependencies"][extra])]
    names = [Requirement(line).name for line in lines]
    licences = {name: licence_of(name) for name in names if is_installed(name)}
    assert len(licences) > 15
    assert not {name: licence for name, licence in licences.items() if forbids(licence)}


def is_installed(name: str) -> bool:
    """Whether a distribution is here; extras may not be."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
