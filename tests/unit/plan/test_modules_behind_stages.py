"""What a stage's fingerprint may hold: a change elsewhere must not run the stage again."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tsva.pipeline import fingerprint
from tsva.pipeline.plan import STAGES

EVERYWHERE = ("errors", "storage", "cli.common", "settings.base")
ONE_STACK = ("readers.stack_file", "readers.ome", "readers.pixels", "readers.stored", "readers.tiff", "readers.ahead")
"""What reads the stacks that the ingest stage has written; all other readers are the user's formats."""
USER_FILES = ("readers", "acquisition.resample", "acquisition.stack")
FUSION = ("restoration.networks", "optics.otf", "optics.pupil", "settings.optics", "settings.train")
TESTING = ("evaluation.metrics", "evaluation.scoring", "acquisition.pair", "acquisition.stack", "cli.patches")
SIMULATION = ("simulation", "optics", "settings.simulate", "settings.sheet", "settings.optics")
PROTOCOL = ("settings.pairs", "acquisition.offsets", "acquisition.seeds")
ALLOWED = {
    "fetch": (*USER_FILES, "acquisition.grid", "pipeline", "settings.fetch"),
    "simulate": (*USER_FILES, *SIMULATION, *PROTOCOL, "acquisition.sharpness"),
    "ingest": (*USER_FILES, "acquisition.ingest", "settings.ingest", "settings.optics", "settings.sheet", *PROTOCOL),
    "focus": (*ONE_STACK, "acquisition", "settings.focus", *PROTOCOL),
    "pairs": (*ONE_STACK, "acquisition.pairs", "acquisition.stack", "settings.sheet", *PROTOCOL),
    "split": ("acquisition.split", *PROTOCOL),
    "spectrum": ("acquisition.spectrum",),
    "train": ("training", "pipeline.fingerprint", *FUSION, *PROTOCOL),
    "refocus": ("restoration.refocus", "settings.refocus", *FUSION, *TESTING, *PROTOCOL),
    "refocus_slide": (
        *ONE_STACK,
        "cli.refocus",
        "restoration.refocus",
        "settings.refocus",
        *FUSION,
        *TESTING,
        *PROTOCOL,
    ),
    "baseline": (
        "restoration",
        "settings.baselines",
        "settings.methods",
        "settings.refocus",
        "acquisition.sample",
        "acquisition.sharpness",
        "optics.psf",
        *FUSION,
        *TESTING,
        *PROTOCOL,
    ),
    "gather": (),
    "count": ("evaluation.counting", "settings.count"),
    "advise": (
        *SIMULATION,
        *PROTOCOL,
        "restoration.baselines",
        "evaluation",
        "acquisition",
        "settings.advise",
        "settings.baselines",
        "settings.report",
    ),
    "report": ("report", "evaluation", "acquisition", "optics", "settings", *PROTOCOL),
    "export": ("restoration", "settings.export", *FUSION),
}
PACKAGES_WITH_IMPORTS = {
    "__init__.py",
    "evaluation/statistics/__init__.py",
    "restoration/baselines/dark_channel/__init__.py",
    "restoration/baselines/graph/__init__.py",
    "restoration/networks/__init__.py",
    "simulation/phantom/__init__.py",
}
"""Whoever imports a module of these gets all of what they import; no others may join."""


def modules_behind(stage: str) -> set[str]:
    """Dotted names below the package, without packages and data files."""
    files = [path for path in fingerprint.files_behind(f"tsva.cli.{stage}") if path.suffix == ".py"]
    names = [path.relative_to(fingerprint.ROOT).with_suffix("").parts for path in files]
    return {".".join(parts) for parts in names if parts[-1] != "__init__"}


def crept_in(stage: str) -> list[str]:
    """Modules behind a stage that have no business there."""
    allowed = (f"cli.{stage}", *EVERYWHERE, *ALLOWED[stage])
    return sorted(
        name for name in modules_behind(stage) if not any(f"{name}.".startswith(f"{one}.") for one in allowed)
    )


def test_every_stage_is_looked_at() -> None:
    assert set(STAGES) <= set(ALLOWED)


@pytest.mark.parametrize("stage", ALLOWED)
def test_a_stage_depends_on_nothing_else(stage: str) -> None:
    assert not crept_in(stage)


def test_a_module_that_creeps_in_is_named(package: Path) -> None:
    file = package / "acquisition/sharpness.py"
    file.write_text(file.read_text() + "\nfrom tsva.settings.count import CountSettings\n")
    assert crept_in("focus") == ["settings.count"]
    assert crept_in("count") == []


def test_packages_import_nothing() -> None:
    """The fingerprint follows a module's packages, so that what they import is behind each of their modules."""
    found = {
        path.relative_to(fingerprint.ROOT).as_posix()
        for path in fingerprint.ROOT.rglob("__init__.py")
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert found <= PACKAGES_WITH_IMPORTS
