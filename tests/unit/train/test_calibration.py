"""What verification says of expected errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tsva.restoration.fusion.correction import contrast_factor, log_contrast
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.pair_network import PairNetwork, build
from tsva.settings.methods import NetworkName
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


def ratios(network: PairNetwork[Any], pairs: VerificationPairs) -> np.ndarray:
    """(pairs, 2): true over expected root mean square of each pair, of the restored image and of the shot."""
    found = []
    with torch.inference_mode():
        for number in range(len(pairs)):
            low, high, target = (shot[None].float() / 255 for shot in pairs[number][:3])
            restored, shot, logarithms, *level = network.unblended(low, high, network.decide(low, high))
            expected = network.error.errors(logarithms, *level or [torch.ones(1, 1, 1, 1)])
            both = zip((restored, shot), expected, strict=True)
            found.append([float(((image - target).square().mean() / sd.square().mean()).sqrt()) for image, sd in both])
    return np.array(found)


@pytest.mark.parametrize("name", ["fusion", "tsva", "unet_residual"])
def test_expected_errors_are_as_large_as_those_that_occur(name: NetworkName, verification: PatchStacks) -> None:
    torch.manual_seed(0)
    network = build(name, TrainSettings(width=4, levels=2), 3).eval()
    pairs = VerificationPairs(verification, CALIBRATION_PAIRS)
    before = ratios(network, pairs)
    assert (np.abs(np.log(before).mean(axis=0)) > 0.1).all(), "nothing to correct"
    network.calibrate(pairs)
    np.testing.assert_allclose(np.log(ratios(network, pairs)).mean(axis=0), 0, atol=1e-5)


def test_a_training_ends_with_it(training: PatchStacks, verification: PatchStacks) -> None:
    fusion = FusionSettings(width=4, depth=1, crop_px=None, batch=2, offset_steps=5, microscopes=2)
    settings = TrainSettings(steps=2, verifications=1, fusion=fusion)
    fitted = fit("fusion", training, verification, settings, seed=1)
    network = build("fusion", settings, 3).eval()
    network.load_state_dict(fitted.weights)
    assert isinstance(network, Fusion)
    pairs = VerificationPairs(verification, CALIBRATION_PAIRS)
    np.testing.assert_allclose(np.log(ratios(network, pairs)).mean(axis=0), 0, atol=1e-5)
    assert float(network.taught_um) == training.pairs.offset_max_um


def test_calibrating_twice_is_calibrating_once_and_what_is_blended_stays(
    network: Fusion, verification: PatchStacks
) -> None:
    low, high, _ = (torch.from_numpy(view.copy()).permute(2, 0, 1)[None] / 255 for view in verification.views(0, 1.0))
    pairs = VerificationPairs(verification, CALIBRATION_PAIRS)
    with torch.inference_mode():
        before = network.unblended(low, high, network.decide(low, high))
    network.calibrate(pairs)
    once = network.error.calibration.clone()
    network.calibrate(pairs)
    torch.testing.assert_close(network.error.calibration, once, rtol=1e-5, atol=0)
    with torch.inference_mode():
        after = network.unblended(low, high, network.decide(low, high))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_offsets_beyond_those_taught_are_as_uncertain_as_they_are_far_out(network: Fusion) -> None:
    shots = torch.rand(2, 1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        within = network.decide(*shots)
        network.taught_um.fill_(float(within.focal_offset_um.abs()) / 2)
        beyond = network.decide(*shots)
    excess_um = float(within.focal_offset_um.abs()) / 2
    assert float(beyond.sd_um) == pytest.approx(np.hypot(float(within.sd_um), excess_um), rel=1e-5)
    assert torch.equal(beyond.focal_offset_um, within.focal_offset_um)


@torch.inference_mode()
def test_structures_of_more_power_leave_larger_errors(network: Fusion, verification: PatchStacks) -> None:
    pairs = VerificationPairs(verification, CALIBRATION_PAIRS)
    network.calibrate(pairs)
    exponent, usual, most = network.by_contrast.tolist()
    low, high = (shot[None].float() / 255 for shot in pairs[0][:2])
    decision = network.decide(low, high)
    image, sd = network.with_error(low, high, decision)
    # the usual power gives what the factors alone give; e² of it, e^(2 · exponent) times as much; e⁹, no more than most
    power = decision.mean.square() * np.exp(usual)
    at_usual, at_more, at_far = (
        contrast_factor(log_contrast(power * np.exp(more), decision.mean), network.by_contrast) for more in (0, 2, 9)
    )
    torch.testing.assert_close(at_usual, torch.ones(1, 1, 1, 1))
    torch.testing.assert_close(at_more, torch.full((1, 1, 1, 1), np.exp(2 * exponent)).float())
    torch.testing.assert_close(at_far, torch.full((1, 1, 1, 1), np.exp(most * exponent)).float())
    # a network of an earlier version has none of it, and the same image
    network.by_contrast.zero_()
    same, without = network.with_error(low, high, decision)
    assert torch.equal(same, image)
    assert not torch.equal(without, sd)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["fusion", "tsva"])
def test_expected_errors_of_results_are_those_that_occur_in_the_mean(
    name: NetworkName, verification: PatchStacks
) -> None:
    torch.manual_seed(0)
    network = build(name, TrainSettings(width=4, levels=2), 3).eval()
    pairs = VerificationPairs(verification, CALIBRATION_PAIRS)

    def errors() -> np.ndarray:
        found = []
        for number in range(len(pairs)):
            low, high, target = (shot[None].float() / 255 for shot in pairs[number][:3])
            image, sd = network.with_error(low, high, network.decide(low, high))
            assert sd is not None
            found.append([float(each.square().mean().sqrt()) for each in (image - target, sd)])
        return np.mean(found, axis=0)

    network.calibrate(pairs)
    true, expected = errors()
    # groups of few pairs are drawn to the mean of all
    assert true == pytest.approx(expected, rel=0.1 if name == "fusion" else 1e-4)
    network.calibrate(pairs)
    np.testing.assert_allclose(errors(), (true, expected), rtol=1e-4)
