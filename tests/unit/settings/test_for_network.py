"""What differs from network to network."""

from __future__ import annotations

import pytest

from tsva.settings.methods import METHODS, NETWORK_NAMES, NetworkName
from tsva.settings.train import TrainSettings

OURS = tuple(name for name in NETWORK_NAMES if METHODS[name].own_recipe)

OTHERS = {
    "fusion": {"crop_px": 96, "batch": 3, "width": 16, "depth": 2},
    "steps_of": {"burst": 500, "fusion": 700},
}
"""Settings of Fusion and of burst."""


def test_steps_of_a_network_are_its_own() -> None:
    settings = TrainSettings(steps=1500, steps_of={"burst": 500})
    assert settings.for_network("burst").steps == 500
    assert settings.for_network("tsva").steps == 1500


def test_epochs_count_where_no_steps_are_named() -> None:
    settings = TrainSettings(steps=None, epochs=3, steps_of={"burst": 500})
    assert settings.for_network("burst").steps is None
    assert settings.for_network("burst").epochs == 3


def test_fusion_has_crops_of_its_own() -> None:
    settings = TrainSettings(crop_px=32, batch=5)
    fusion = settings.for_network("fusion")
    assert (fusion.crop_px, fusion.batch) == (settings.fusion.crop_px, settings.fusion.batch)
    assert (settings.for_network("tsva").crop_px, settings.for_network("tsva").batch) == (32, 5)


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_what_a_network_uses_makes_the_same_training(name: NetworkName) -> None:
    whole = TrainSettings.model_validate({"width": 8, "levels": 2, "crop_px": 32, "batch": 5, **OTHERS})
    used = TrainSettings.model_validate(whole.used_by(name)).for_network(name)
    wanted = whole.for_network(name)
    keys = {"steps", "epochs", "crop_px", "batch", "loss"} | (
        {"fusion"} if METHODS[name].own_recipe else {"width", "levels"}
    )
    assert {key: getattr(used, key) for key in keys} == {key: getattr(wanted, key) for key in keys}


def test_settings_of_others_are_not_among_what_a_network_uses() -> None:
    plain, other = TrainSettings(), TrainSettings.model_validate(OTHERS)
    same = {name for name in NETWORK_NAMES if plain.used_by(name) == other.used_by(name)}
    assert same == {*NETWORK_NAMES} - {"burst", *OURS}
    own = TrainSettings(width=8, levels=2, crop_px=32, batch=5)
    assert {name for name in NETWORK_NAMES if plain.used_by(name) == own.used_by(name)} == set(OURS)
