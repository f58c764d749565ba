"""What verification pairs say of the errors that Fusion expects."""

from __future__ import annotations

import torch

from tsva.restoration.networks.fusion import Fusion
from tsva.training.patches import PatchStacks
from tsva.training.visits import VerificationPairs

PAIRS = 100
"""At most so many pairs are restored for it."""


@torch.inference_mode()
def calibrate(network: Fusion, verification: PatchStacks) -> None:
    """Scale the expected errors to those that occur, in place.

    One factor for all: the geometric mean, over pairs, of the ratio of both root mean squares. Training tells offsets
    with a scatter of its own; here they are the network's finding.

    Parameters
    ----------
    network : Fusion
        Trained; what it restores doesn't change.
    verification : PatchStacks
        No test data, and nothing that weights were fitted to.
    """
    network.eval()
    pairs = VerificationPairs(verification, PAIRS)
    ratios = []
    for number in range(len(pairs)):
        low, high, target = (shot[None].float() / 255 for shot in pairs[number][:3])
        restored, sd = network.with_spread(low, high, network.decide(low, high))
        ratios.append((restored - target).square().mean() / sd.square().mean())
    # a target that is met exactly (a blank one) says nothing of errors
    found = torch.stack([ratio for ratio in ratios if ratio > 0] or [torch.ones(())])
    network.calibration.mul_(found.log().mean().div(2).exp())
