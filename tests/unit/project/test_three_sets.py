"""Training, development and test sets have nothing in common but the code that draws them (docs/protocol.md)."""

from __future__ import annotations

import json
import runpy
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tsva.restoration.baselines.offset_search import microscopes as searched
from tsva.restoration.fusion.microscopes import SPHERICAL_SD_UM, Microscopes
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.root import Settings, parse_settings
from tsva.settings.sheet import parse_sheet
from tsva.simulation.phantom.tissue import STAINS

CONFIG = Path(__file__).parents[3] / "config"
TEST_ROLES = ["dataset1", "dataset2"]
ELSEWHERE = ("jiang2018.yaml", "paper.yaml", "multislice.yaml", "report.yaml")
"""Real slides; another seed and size, for the paper's tables alone; the default's training slides, other test sets."""
TRAINING = sorted(path.name for path in CONFIG.glob("*.yaml") if path.name not in ELSEWHERE)
OWN_OPTICS = ("na", "wavelengths_um", "bandwidth_um", "mountant_index", "condenser_ratio")
"""What test set 2's microscope has and no other microscope's may have. Debye's model is everybody's."""


def merged(base: dict, over: dict) -> dict:
    """As Snakemake lays one configuration over another."""
    both = dict(base)
    for key, value in over.items():
        deeper = isinstance(base.get(key), dict) and isinstance(value, dict)
        both[key] = merged(base[key], value) if deeper else value
    return both


@cache
def settings_of(name: str) -> Settings:
    given = yaml.safe_load((CONFIG / "config.yaml").read_text(encoding="utf-8"))
    if name != "config.yaml":
        given = merged(given, yaml.safe_load((CONFIG / name).read_text(encoding="utf-8")))
    return parse_settings(given, name)


def sheet_of(name: str, roles: list[str], slides: str | None = None) -> pd.DataFrame:
    sheet = pd.read_csv(CONFIG.parent / (slides or str(settings_of(name).slides)), sep="\t", dtype=str)
    return sheet[sheet["role"].isin(roles)]


def optics_of(name: str, sheet: pd.DataFrame) -> list[tuple[OpticsSettings, float]]:
    """Optics and spherical aberration of the microscopes that a sheet's slides are taken with."""
    settings = settings_of(name)
    found = [settings.simulate.microscopes[one] for one in sorted(set(sheet["microscope"]))]
    return [(one.optics or settings.optics, one.spherical_um) for one in found]


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*slides.tsv")), ids=lambda path: path.name)
def test_every_committed_sheet_is_accepted(path: Path) -> None:
    assert parse_sheet(path.read_text(encoding="utf-8"), path.name)


@pytest.mark.parametrize(
    ("slides", "foreign"),  # the further slides have the training laboratory's stain, as test set 1 has
    [("config/development_slides.tsv", TEST_ROLES), ("config/development_further_slides.tsv", ["dataset2"])],
)
def test_development_slides_are_no_test_slides(slides: str, foreign: list[str]) -> None:
    tests = sheet_of("config.yaml", TEST_ROLES)
    development = sheet_of("development.yaml", ["train", *TEST_ROLES], slides)
    assert settings_of("development.yaml").seed != settings_of("config.yaml").seed
    assert not set(tests["patient"]) & set(development["patient"]) and not set(tests["slide"]) & set(
        development["slide"]
    )
    tested = development[development["role"].isin(TEST_ROLES)]
    assert not set(tests[tests["role"].isin(foreign)]["stain"]) & set(tested["stain"])
    assert not set(tests["microscope"]) & set(tested["microscope"])


@pytest.mark.parametrize("name", TRAINING)
def test_no_training_slide_has_the_other_laboratorys_stain_or_microscope(name: str) -> None:
    other = sheet_of("config.yaml", ["dataset2"])
    training = sheet_of(name, ["train"])
    assert not set(other["stain"]) & set(training["stain"])
    (theirs, spherical_um), *more = optics_of("config.yaml", other)
    assert not more
    for optics, own_spherical_um in optics_of(name, training):
        assert own_spherical_um != spherical_um
        for key in OWN_OPTICS:
            assert getattr(optics, key) != getattr(theirs, key), key
    if name != "config.yaml":
        assert settings_of(name).seed != settings_of("config.yaml").seed
    assert not set(sheet_of("config.yaml", TEST_ROLES)["patient"]) & set(training["patient"])


def test_the_reports_test_sets_are_large_and_of_the_same_laboratories() -> None:
    for role in TEST_ROLES:
        small, large = sheet_of("config.yaml", [role]), sheet_of("report.yaml", [role])
        assert large["patient"].nunique() >= 20 and not set(large["slide"]) & set(small["slide"])
        for column in ("stain", "microscope"):
            assert set(large[column]) == set(small[column])
    same = [sheet_of(name, ["train"]).reset_index(drop=True) for name in ("config.yaml", "report.yaml")]
    pd.testing.assert_frame_equal(*same)


def test_stains_of_test_laboratories_are_their_own() -> None:
    (other,) = set(sheet_of("config.yaml", ["dataset2"])["stain"])
    for name, stain in STAINS.items():
        apart = np.abs(stain.vectors - STAINS[other].vectors).max()
        assert name == other or apart > 0.02, f"{name} and {other} have the same vectors"


def test_families_of_the_methods_hold_no_test_laboratorys_optics() -> None:
    """Fusion is shown other microscopes in training, the blind filters search among some."""
    nominal = settings_of("config.yaml").optics
    ((theirs, spherical_um),) = optics_of("config.yaml", sheet_of("config.yaml", ["dataset2"]))
    for one in searched(nominal):
        assert one.spherical_um != spherical_um
        assert all(getattr(one.optics, key) != getattr(theirs, key) for key in OWN_OPTICS)
    assert spherical_um != SPHERICAL_SD_UM
    drawn = [optics for optics, *_ in Microscopes.draw(nominal, 40, np.random.default_rng(0))]
    assert all(getattr(optics, key) != getattr(theirs, key) for optics in drawn for key in OWN_OPTICS)
    for key in ("na", "condenser_ratio"):
        values = [getattr(optics, key) or 1.0 for optics in drawn]
        assert not min(values) <= getattr(theirs, key) <= max(values), f"{key} of test set 2 lies within the family"


def test_simulated_slides_are_those_of_the_freeze() -> None:
    frozen = json.loads((CONFIG.parent / "docs/results/frozen.json").read_text(encoding="utf-8"))
    found = runpy.run_path(str(CONFIG.parent / "benchmarks/frozen.py"))["definition"]()
    assert found == frozen["definition_sha256"], (
        "a setting or the sheet of the default's slides differs from the freeze: undo it, or draw them anew for all"
        " results of the docs, then write `python benchmarks/frozen.py` and the date to docs/results/frozen.json"
    )
