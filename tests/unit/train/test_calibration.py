"""What verification says of expected errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsva.restoration.fusion.network import Fusion
from tsva.restoration.pair_network import build
from tsva.settings.train import FusionSettings, TrainSettings
from tsva.training.dataset import VerificationPairs
from tsva.training.fit import CALIBRATION_PAIRS, fit
from tsva.training.patches import PatchStacks


@pytest.fixture
def network() -> Fusion:
    torch.manual_seed(0)
    built = build("fusion", TrainSettings(), 3).eval()
    assert isinstance(built, Fusion)
    return built


def ratios(network: Fusion, pairs: VerificationPairs) -> np.ndarray:
    """True over expected root mean square of each pair."""
    found = []
    with torch.inference_mode():
        for number in range(len(pairs)):
            low, high, target = (shot[None].float() / 255 for shot in pairs[number][:3])
            restored, sd = network.with_error(low, high, network.decide(low, high))
            found.append(float(((restored - target).square().mean() / sd.square().mean()).sqrt()))
    return np.array(found)


def test_expected_errors_are_as_large_as_those_that_occur(network: Fusion, verification: PatchStacks) -> None:
    pairs = VerificationPairs(verification, CALIBRATION_PAIRS)
    before = ratios(network, pairs)
    assert abs(np.log(before).mean()) > 0.1, "nothing to mend"
    network.calibrate(VerificationPairs(verification, CALIBRATION_PAIRS))
    np.testing.assert_allclose(np.log(ratios(network, pairs)).mean(), 0, atol=1e-5)


def test_a_training_ends_with_it(training: PatchStacks, verification: PatchStacks) -> None:
    fusion = FusionSettings(width=4, depth=1, crop_px=None, batch=2, offset_steps=5, microscopes=2)
    settings = TrainSettings(steps=2, verifications=1, fusion=fusion)
    fitted = fit("fusion", training, verification, settings, seed=1)
    network = build("fusion", settings, 3).eval()
    network.load_state_dict(fitted.weights)
    assert isinstance(network, Fusion)
    np.testing.assert_allclose(
        np.log(ratios(network, VerificationPairs(verification, CALIBRATION_PAIRS))).mean(), 0, atol=1e-5
    )
    assert float(network.taught_um) == training.pairs.offset_max_um


def test_calibrating_twice_is_calibrating_once_and_images_stay(network: Fusion, verification: PatchStacks) -> None:
    low, high, _ = (torch.from_numpy(view.copy()).permute(2, 0, 1)[None] / 255 for view in verification.views(0, 1.0))
    with torch.inference_mode():
        before = network(low, high)
    network.calibrate(VerificationPairs(verification, CALIBRATION_PAIRS))
    once = float(network.calibration)
    network.calibrate(VerificationPairs(verification, CALIBRATION_PAIRS))
    assert float(network.calibration) == pytest.approx(once, rel=1e-5)
    with torch.inference_mode():
        assert torch.equal(network(low, high), before)


def test_offsets_beyond_those_taught_are_as_uncertain_as_they_are_far_out(network: Fusion) -> None:
    shots = torch.rand(2, 1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        within = network.decide(*shots)
        network.taught_um.fill_(float(within.focal_offset_um.abs()) / 2)
        beyond = network.decide(*shots)
    excess_um = float(within.focal_offset_um.abs()) / 2
    assert float(beyond.sd_um) == pytest.approx(np.hypot(float(within.sd_um), excess_um), rel=1e-5)
    assert torch.equal(beyond.focal_offset_um, within.focal_offset_um)
