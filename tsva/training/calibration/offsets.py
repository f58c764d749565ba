"""Fusion's estimator of the focal offset, made a microscope's own.

It was taught that an offset may be seen through many microscopes, and that it may be twice as large as it usually is.
Here both are known: pairs of the stacks themselves, at offsets as they will occur, teach it what they leave uncertain.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tsva.acquisition.draws import offset_at_um, rng
from tsva.restoration.fusion.filters import REACH_UM
from tsva.restoration.fusion.lessons import BEYOND, beyond_focus
from tsva.restoration.fusion.microscopes import tilt
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.fusion.offset import OffsetEstimator, negative_log_likelihood
from tsva.training.patches import PatchStacks

OFFSETS = 40
"""Pairs of a patch."""
BATCH = 128
STEPS, INTERVAL = 200, 25
"""Longest lesson, and how often verification patches are asked."""
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1.0
STILL = 0.2
"""Lessons beyond the stacks' offsets are made of pairs this near focus, in standard deviations of the offset."""
SLOPE_SD = 0.2
"""Other places of the tissue: power falls with frequency by so much more or less (exponent)."""


def teach_own_offsets(network: Fusion, training: PatchStacks, verification: PatchStacks, seed: int) -> None:
    """Teach a fresh estimator, as long as offsets of the verification patches get likelier; put it in if it is better.

    Parameters
    ----------
    network : Fusion
        With the estimator that was taught for many microscopes.
    training, verification : PatchStacks
    seed : int
    """
    random = torch.Generator().manual_seed(seed)
    spectra, focal_offset_um = _lessons(network, training, seed)
    still = spectra[focal_offset_um.abs() < STILL * training.pairs.offset_sd_um]
    beyond = round(BEYOND * BATCH) if training.pairs.offset_max_um < REACH_UM else 0
    checks, true_um = _lessons(network, verification, seed)
    best = _unlikelihood(network.offset, checks, true_um), network.offset.state_dict()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        estimator = OffsetEstimator(network.channels).requires_grad_(True)
    estimator.standardise(spectra)
    optimiser = torch.optim.AdamW(estimator.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for step in range(1, STEPS + 1):
        chosen = torch.randint(len(spectra), (BATCH - beyond,), generator=random)
        far, far_um = beyond_focus(network.microscopes, still, beyond, training.pairs.offset_max_um, random)
        batch = torch.cat([spectra[chosen], far]).unflatten(1, (network.channels, 3, -1))
        with torch.enable_grad():
            found, sd_um = estimator((batch * tilt(BATCH, SLOPE_SD, random)[:, :, None]).flatten(1))
            loss = negative_log_likelihood(found, sd_um, torch.cat([focal_offset_um[chosen], far_um]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % INTERVAL == 0 and (value := _unlikelihood(estimator, checks, true_um)) < best[0]:
            best = value, copy.deepcopy(estimator.state_dict())
    network.offset.load_state_dict(best[1])


def keep_likelier(network: Fusion, others: Mapping[str, Tensor], verification: PatchStacks, seed: int) -> None:
    """Put another estimator in place of a network's, if offsets of the verification patches are likelier by it.

    Parameters
    ----------
    network : Fusion
    others : mapping of str to tensor
        Weights of a network for the same pixels, colours and distance of the shots: it may know more tissue.
    verification : PatchStacks
    seed : int
    """
    checks, true_um = _lessons(network, verification, seed)
    before = copy.deepcopy(network.offset.state_dict())
    value = _unlikelihood(network.offset, checks, true_um)
    prefix = "offset."
    network.offset.load_state_dict(
        {name.removeprefix(prefix): weight for name, weight in others.items() if name.startswith(prefix)}
    )
    if _unlikelihood(network.offset, checks, true_um) >= value:
        network.offset.load_state_dict(before)


@torch.no_grad()
def _unlikelihood(estimator: OffsetEstimator, spectra: Tensor, focal_offset_um: Tensor) -> float:
    found, sd_um = estimator(spectra)
    return float(negative_log_likelihood(found, sd_um, focal_offset_um))


@torch.no_grad()
def _lessons(network: Fusion, patches: PatchStacks, seed: int) -> tuple[Tensor, Tensor]:
    """Spectra of pairs between the planes, (N, C * 3 * BANDS), and their offsets, (N,), of Gaussian density."""
    found, focal_offset_um = [], []
    for patch in range(len(patches)):
        random = rng(seed, "own offsets", patch)
        for share in (np.arange(OFFSETS) + random.uniform(size=OFFSETS)) / OFFSETS:
            offset_um = float(offset_at_um(share, patches.pairs))
            shots = patches.between(patch, offset_um, random)[:2]
            low, high = (torch.from_numpy(shot.copy()).permute(2, 0, 1)[None].float() / 255 for shot in shots)
            found.append(network.spectra(low, high).mean(dim=(-2, -1)))
            focal_offset_um.append(patches.from_focus_um(patch, offset_um))
    return torch.cat(found), torch.tensor(focal_offset_um, dtype=torch.float32)
