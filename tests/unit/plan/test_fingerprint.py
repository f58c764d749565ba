"""What changes a stage's fingerprint, and what must not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tsva.cli.main import COMMANDS
from tsva.pipeline import fingerprint
from tsva.pipeline.plan import NAMING

PACKAGES_WITH_IMPORTS = {
    "restoration/baselines/dark_channel/__init__.py",
    "restoration/baselines/graph/__init__.py",
    "restoration/networks/__init__.py",
    "simulation/phantom/__init__.py",
}
"""Whoever imports a module of these gets all of what they import; no others may join."""


def edited(path: Path, edit: Callable[[str], str], module: str) -> tuple[str, str]:
    """Digests before and after an edit."""
    before = fingerprint.code_digest(module)
    path.write_text(edit(path.read_text()))
    fingerprint.code_digest.cache_clear()
    return before, fingerprint.code_digest(module)


def test_comment_docstring_and_layout_change_nothing(package: Path) -> None:
    def edit(text: str) -> str:
        return "# a comment\n" + text.replace('"""Brenner gradient', '"""The Brenner gradient') + "\n\n# the end\n"

    before, after = edited(package / "acquisition/sharpness.py", edit, "tsva.cli.focus")
    assert before == after


def test_code_of_an_imported_module_changes_it(package: Path) -> None:
    before, after = edited(package / "acquisition/sharpness.py", lambda text: text + "\nEXTRA = 1\n", "tsva.cli.focus")
    assert before != after


def test_code_imported_inside_a_function_changes_it(package: Path) -> None:
    before, after = edited(
        package / "restoration/pair_network.py", lambda text: text + "\nEXTRA = 1\n", "tsva.cli.train"
    )
    assert before != after


def test_another_stage_changes_nothing(package: Path) -> None:
    before, after = edited(package / "cli" / "report.py", lambda text: text + "\nEXTRA = 1\n", "tsva.cli.focus")
    assert before == after


def test_a_row_of_the_registry_changes_no_code(package: Path) -> None:
    def row(text: str) -> str:
        return text.replace(
            "METHODS: Registry = {\n", 'METHODS: Registry = {\n    "more": MethodEntry("More", "x:y"),\n'
        )

    methods = package / "settings/methods.py"
    before, after = edited(methods, row, "tsva.cli.train")
    assert before == after and '"more"' in methods.read_text()
    before, after = edited(methods, lambda text: text + "\nEXTRA = 1\n", "tsva.cli.train")
    assert before != after


def test_stages_that_name_methods_are_those_that_import_titles() -> None:
    rules = "".join(path.read_text() for path in (fingerprint.ROOT.parent / "workflow").rglob("*.smk"))
    stages = {name.replace("-", "_"): module for name, module in COMMANDS.items()}
    naming = {
        stage
        for stage, module in stages.items()
        if f'code("{stage}")' in rules and fingerprint.ROOT / "evaluation/names.py" in fingerprint.files_behind(module)
    }
    assert naming == set(NAMING)


@pytest.mark.parametrize("stage", ["focus", "evaluate", "export"])
def test_template_changes_the_report_alone(package: Path, stage: str) -> None:
    template = next(path for path in (package / "report" / "templates").iterdir() if path.is_file())
    other = fingerprint.code_digest(f"tsva.cli.{stage}")
    before, after = edited(template, lambda text: text + "<!-- more -->", "tsva.cli.report")
    assert before != after
    assert fingerprint.code_digest(f"tsva.cli.{stage}") == other


def forget() -> None:
    """As a new process begins."""
    for name in ("code_digest", "_parsed", "_known"):
        getattr(fingerprint, name).cache_clear()


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 3}', '{"a": ["b"]}'])
def test_a_memory_of_another_kind_is_made_anew(
    text: str, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered changes no digest, and an edit is seen whatever is remembered."""
    monkeypatch.setattr(fingerprint, "MEMORY", tmp_path / "cache/memory.json")
    forget()
    cold = fingerprint.code_digest("tsva.cli.split")
    known = json.loads((tmp_path / "cache/memory.json").read_text())
    assert len(known) > 10
    forget()
    assert fingerprint.code_digest("tsva.cli.split") == cold
    (tmp_path / "cache/memory.json").write_text(text)
    forget()
    assert fingerprint.code_digest("tsva.cli.split") == cold
    assert json.loads((tmp_path / "cache/memory.json").read_text()) == known
    forget()
    before, after = edited(package / "cli/split.py", lambda code: code + "\nEXTRA = 1\n", "tsva.cli.split")
    assert before == cold != after
    forget()


def test_report_imports_no_statistics() -> None:
    behind = {path.relative_to(fingerprint.ROOT).as_posix() for path in fingerprint.files_behind("tsva.cli.report")}
    of_evaluation = {name for name in behind if name.startswith("evaluation/") and name.endswith(".py")}
    assert of_evaluation == {"evaluation/__init__.py", "evaluation/names.py"}
    others = ("restoration/", "training/", "simulation/", "readers/", "optics/", "acquisition/", "pipeline/")
    assert not [name for name in behind if name.startswith(others)]


def test_evaluation_imports_no_rendering() -> None:
    behind = {path.relative_to(fingerprint.ROOT).as_posix() for path in fingerprint.files_behind("tsva.cli.evaluate")}
    assert "evaluation/statistics/intervals.py" in behind and not [n for n in behind if n.startswith("report/")]


def test_packages_import_nothing_of_this_one() -> None:
    """A fingerprint holds a module's packages, so that what they import is behind each of their modules."""
    found = {
        path.relative_to(fingerprint.ROOT).as_posix()
        for path in fingerprint.ROOT.rglob("__init__.py")
        if "from tsva" in path.read_text(encoding="utf-8") or "import tsva" in path.read_text(encoding="utf-8")
    }
    assert found <= PACKAGES_WITH_IMPORTS
