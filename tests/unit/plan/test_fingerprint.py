"""What changes a stage's fingerprint, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tsva.pipeline import fingerprint

PACKAGES_WITH_IMPORTS = {
    "evaluation/statistics/__init__.py",
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


def test_template_changes_the_report_alone(package: Path) -> None:
    template = next(path for path in (package / "report" / "templates").iterdir() if path.is_file())
    focus = fingerprint.code_digest("tsva.cli.focus")
    before, after = edited(template, lambda text: text + "<!-- more -->", "tsva.cli.report")
    assert before != after
    assert fingerprint.code_digest("tsva.cli.focus") == focus


def test_packages_import_nothing_of_this_one() -> None:
    """A fingerprint holds a module's packages, so that what they import is behind each of their modules."""
    found = {
        path.relative_to(fingerprint.ROOT).as_posix()
        for path in fingerprint.ROOT.rglob("__init__.py")
        if "from tsva" in path.read_text(encoding="utf-8") or "import tsva" in path.read_text(encoding="utf-8")
    }
    assert found <= PACKAGES_WITH_IMPORTS
