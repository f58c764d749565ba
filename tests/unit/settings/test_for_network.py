"""What differs from network to network."""

from __future__ import annotations

from tsva.settings.train import TrainSettings


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
