"""What a command takes from its settings file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tsva.cli import stage_settings
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.settings.acquisition import PairsSettings
from tsva.settings.ingest import FocusSettings
from tsva.settings.root import Settings
from tsva.settings.sheet import SlideRow

PROJECT = Path(__file__).parents[3]
given: dict[str, Any] = {}


@click.command()
@settings_option(settings=FocusSettings, pairs=PairsSettings, facts=dict[str, Any])
@click.option("--seed", type=int, default=1)
def command(settings: FocusSettings, pairs: PairsSettings, facts: dict[str, Any], seed: int) -> None:
    """Say what arrived."""
    given.update(settings=settings, pairs=pairs, facts=facts, seed=seed)


@click.command()
@settings_option(slide=SlideRow)
def of_slide(slide: SlideRow) -> None:
    """Say which slide arrived."""


def call(*arguments: str, of: click.Command = command) -> dict[str, Any]:
    given.clear()
    CliRunner().invoke(of, list(arguments), catch_exceptions=False)
    return dict(given)


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_sections_by_their_key_and_defaults_for_the_rest(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"settings{suffix}"
    file.write_text(json.dumps({"focus": {"min_peak_ratio": 1.5}, "count": {"threshold": "li"}, "seed": 4}))
    found = call("--settings", str(file))
    assert found["settings"] == FocusSettings(min_peak_ratio=1.5)
    assert (found["pairs"], found["facts"], found["seed"]) == (PairsSettings(), {}, 1)
    assert call()["settings"] == FocusSettings()


def test_the_default_settings_file_will_do() -> None:
    assert call("--settings", str(PROJECT / "config/config.yaml"))["pairs"].patch_px == 224


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"fokus": {}}', r"settings\.json, key fokus: got an unknown key"),
        ('{"focus": {"min_peak": 1}}', r"settings\.json, key focus\.min_peak: got 1"),
        ('{"focus": {"min_peak_ratio": 0.5}}', r"key focus\.min_peak_ratio: got 0\.5; wanted Input should be greater"),
        (
            '{"acquisition": {"delta_um": 0.7}}',
            r"key acquisition: got .*wanted delta_um is 0\.7; wanted a whole",
        ),
        (
            '{"pairs": {"delta_um": 0.5}}',
            r"key pairs\.delta_um: got .* moved; wanted acquisition\.delta_um",
        ),
        ('{"focus": [1]}', r"key focus: got \[1\]"),
        ('{"facts": 3}', r"key facts: got 3"),
        ("[1]", r"settings\.json: got list; wanted keys and values"),
        ("{", r"settings\.json: got .*; wanted settings in YAML or JSON"),
    ],
)
def test_mistakes_name_the_file_and_the_key(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(UserError, match=says):
        call("--settings", str(tmp_path / "settings.json"))


def test_what_has_no_default_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--settings, key slide\.slide: got nothing"):
        call(of=of_slide)
    with pytest.raises(UserError, match=r"nothing\.yaml: got .*No such file"):
        call("--settings", str(tmp_path / "nothing.yaml"), of=of_slide)


def test_the_help_says_which_sections_are_used() -> None:
    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert "Used of it: focus, acquisition, pairs, facts." in text and "docs/settings.md" in text


def test_sections_are_named_as_in_the_settings() -> None:
    keys = {name: getattr(field.annotation, "key", None) for name, field in Settings.model_fields.items()}
    sections = {name: key for name, key in keys.items() if key is not None}
    assert len(sections) > 10 and all(name == key for name, key in sections.items())
    assert not set(stage_settings.JOB_KEYS) & set(Settings.model_fields)
