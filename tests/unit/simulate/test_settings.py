"""Settings of simulate: defaults that fill in, and physics across keys."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from tsva.settings.acquisition import OpticsSettings
from tsva.settings.root import parse_settings
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings


def test_roles_that_are_left_out_keep_their_defaults() -> None:
    assert SimulateSettings.model_validate({"fields": {"train": 7}}).fields == {
        "train": 7,
        "dataset1": 1,
        "dataset2": 1,
        "refocus": 2,
    }


@pytest.mark.parametrize(("given", "trained", "tested"), [({"train": 1}, 1, 13), (4, 4, 4), ({}, 3, 13)])
def test_draws_by_role_or_for_all(given: object, trained: int, tested: int) -> None:
    draws = SimulateSettings.model_validate({"draws": given}).draws
    assert (draws["train"], draws["dataset1"], draws["dataset2"]) == (trained, tested, tested)


def test_default_has_every_effect_of_the_optics_in_every_laboratory() -> None:
    path = Path(__file__).parents[3] / "config" / "config.yaml"
    settings = parse_settings(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    assert settings.simulate.section_layers > 1 and settings.simulate.fine_detail == 1
    for microscope in settings.simulate.microscopes.values():
        optics = microscope.optics or settings.optics
        assert optics.condenser is not None and optics.mountant_index is not None


def test_the_papers_settings_are_eqs_1_to_3() -> None:
    path = Path(__file__).parents[3] / "config" / "paper.yaml"
    settings = parse_settings(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    assert settings.optics.model == "paper" and settings.simulate.section_layers == 1


def test_survives_json() -> None:
    settings = SimulateSettings()
    assert SimulateSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": {"training": 3}},
        {"fields": {"train": 0}},
        {"field_px": [448]},
        {"z_first_um": 1.0},
        {"microscopes": {}},
        {"microscopes": {"a/b": {}}},
        {"microscopes": {"a": {"white_level": [1.2, 1, 1]}}},
        {"microscopes": {"a": {"lamp_centre": [0.5, 1.5]}}},
        {"topography": {"tilt": 1.0}},
        {"layer_spacing_um": 0.0},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        SimulateSettings.model_validate(wrong)


def test_layers_have_to_be_finer_than_the_depth_of_focus() -> None:
    oil = MicroscopeSettings(optics=OpticsSettings(na=1.4, refractive_index=1.515))
    with pytest.raises(ValidationError, match=r"twice n/NA² of microscope oil \(1\.55\)"):
        SimulateSettings(layer_spacing_um=2.0, microscopes={"oil": oil})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"na": 1.2}, "na is 1.2; wanted less than refractive_index"),
        ({"wavelengths_um": [620, 540, 460]}, "wanted micrometres"),
        ({"bandwidth_um": 0.25}, "at most half the shortest"),
    ],
)
def test_optics_have_to_be_possible(wrong: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        OpticsSettings.model_validate(wrong)
