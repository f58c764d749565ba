"""The offset estimator made a microscope's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tsva.acquisition.stack import Stack
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.fusion.offset import negative_log_likelihood
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration import offsets
from tsva.training.calibration.kept_area import Area, area_of, protocol
from tsva.training.calibration.prepared import prepare

OPTICS = OpticsSettings(na=0.75, pixel_um=0.345, model="debye")


@pytest.fixture(scope="module")
def area(simulate: Callable[..., Stack]) -> Area:
    stack = simulate(OPTICS, np.arange(-10, 11) * 0.5, thickness_um=2.0, field_px=192)
    field = prepare(stack, "field", 1.5)
    return area_of([field], protocol([field], 0.5, 1.0, 1.5), 1)


@pytest.fixture(scope="module")
def network() -> Fusion:
    torch.manual_seed(1)
    return Fusion(1, 8, 1, OPTICS, 0.5).eval()


def test_offsets_of_other_places_are_found(area: Area, network: Fusion) -> None:
    offsets.teach_own_offsets(network, area.training, area.kept, 1)
    spectra, true_um = offsets._lessons(network, area.verification, 2)
    with torch.no_grad():
        found_um, sd_um = network.offset(spectra)
    assert (found_um - true_um).square().mean().sqrt() < 0.5 * true_um.std()
    # no shot says more than the truth is uncertain of: as likely as a normal density can be
    assert negative_log_likelihood(found_um, sd_um, true_um) < negative_log_likelihood(
        torch.zeros_like(true_um), true_um.std().expand_as(true_um), true_um
    )


def test_what_is_better_already_stays(area: Area, network: Fusion, monkeypatch: pytest.MonkeyPatch) -> None:
    offsets.teach_own_offsets(network, area.training, area.kept, 1)
    before = {name: value.clone() for name, value in network.offset.state_dict().items()}
    monkeypatch.setattr(offsets, "STEPS", offsets.INTERVAL)  # too short a lesson
    monkeypatch.setattr(offsets, "LEARNING_RATE", 1e-6)
    offsets.teach_own_offsets(network, area.training, area.kept, 2)
    assert all(torch.equal(value, before[name]) for name, value in network.offset.state_dict().items())


def test_the_likelier_of_two_estimators_is_kept(area: Area, network: Fusion) -> None:
    offsets.teach_own_offsets(network, area.training, area.kept, 1)
    good = {f"offset.{name}": value.clone() for name, value in network.offset.state_dict().items()}
    bad = {name: torch.zeros_like(value) if "layers" in name else value for name, value in good.items()}
    for first, second in ((good, bad), (bad, good)):
        network.load_state_dict(first, strict=False)
        offsets.keep_likelier(network, second, area.verification, 1)
        assert all(torch.equal(value, good[f"offset.{name}"]) for name, value in network.offset.state_dict().items())
