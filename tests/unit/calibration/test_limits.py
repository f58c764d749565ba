"""Limits of the restored image's weight, fitted to pairs of a microscope's own stacks."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from tsva.restoration.fusion.correction import SIZES
from tsva.restoration.fusion.network import Fusion
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration.limits import Blends, Limits, fitted_limits, worth
from tsva.training.dataset import VerificationPairs

GIVEN = Limits(np.array([1.0, 1.0, 1.0, 0.8, 0.5]), np.array([2.8, 4.9, 11.1, 13.7, 2.8]))


def blends(along: np.ndarray, fields: int, each: int = 20) -> Blends:
    """Pairs of all sizes of the offset; the full weight changes as much as the shot is wrong by, `along` it."""
    count = fields * each
    size = np.eye(len(SIZES))[np.arange(count) % len(SIZES)]
    terms = np.stack([np.ones(count), np.resize(along, count), np.ones(count)], axis=1)
    return Blends(
        size, np.ones(count), np.ones(count), terms, np.repeat([f"field {number}" for number in range(fields)], each)
    )


def test_a_restoration_that_is_always_right_gets_all_of_the_weight() -> None:
    found = fitted_limits(blends(np.array([-1.0]), fields=4), GIVEN)
    assert found.most.min() > 0.9 and found.doubt.max() == 0
    assert blends(np.array([-1.0]), 4).gains(found).min() > 20


def test_a_restoration_that_is_always_wrong_gets_none() -> None:
    assert fitted_limits(blends(np.array([0.5]), fields=4), GIVEN).most.max() == 0


def test_a_doubtful_sign_leaves_a_quarter_of_the_weight() -> None:
    surely = blends(np.array([-1.0]), fields=4)
    contradicted = replace(surely, agrees=np.zeros(len(surely.agrees)))
    limits = fitted_limits(surely, GIVEN)
    shares = [1 - 10 ** (-one.gains(limits)[0] / 20) for one in (surely, contradicted)]  # the shot's error is 1
    assert shares[1] == pytest.approx(0.25 * shares[0], abs=0.01)


def test_few_fields_change_nothing() -> None:
    assert fitted_limits(blends(np.array([-1.0]), fields=2), GIVEN) is GIVEN


def test_limits_that_other_fields_would_not_choose_are_not_taken() -> None:
    along = np.repeat([-1.0, 0.9, -0.9, 1.0], 20)  # two fields gain what two others lose
    found = fitted_limits(blends(along, fields=4), GIVEN)
    assert (found.most <= GIVEN.most).all()


def test_too_many_pairs_made_worse_cost_more_than_they_gain() -> None:
    steady, rash = np.full(20, 0.3), np.r_[np.full(17, 1.0), np.full(3, -0.2)]
    assert worth(steady) == pytest.approx(0.3) and rash.mean() > 0.8 > worth(steady) > worth(rash)


@pytest.mark.parametrize(("seed", "agrees"), [(1, 1.0), (0, 0.0)])
def test_gains_are_those_of_the_blended_image(seed: int, agrees: float) -> None:
    """Also where the sharper shot is the farther one by the estimated offset, which leaves a quarter of the weight."""
    torch.manual_seed(seed)
    network = Fusion(1, 8, 1, OpticsSettings(), 0.5).eval()
    network.contradicted.fill_(0.25)
    low, high, target = (torch.randint(60, 200, (1, 96, 96), dtype=torch.uint8) for _ in range(3))
    pair = MagicMock(VerificationPairs, **{"patch_of.return_value": 0})
    pair.__len__.return_value, pair.__getitem__.return_value = 1, (low, high, target, 0.0)
    found = Blends.of(network, pair, ["field"])
    assert found.agrees.tolist() == [agrees]
    assert found.with_others(found).field.tolist() == ["field", "field"]
    shots = [shot[None].float() / 255 for shot in (low, high)]
    with torch.inference_mode():
        restored, high_share = network(*shots), network.decide(*shots).high_share
    assert high_share is not None
    errors = [(image - target / 255).square().mean() for image in (restored, shots[int(high_share.item())])]
    wanted = float(-10 * torch.log10(errors[0] / errors[1]))
    assert abs(wanted) > 1e-3
    assert found.gains(Limits.of(network))[0] == pytest.approx(wanted, abs=1e-4)
