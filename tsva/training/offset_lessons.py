"""Teaching the offset estimator: spectra of training pairs, and of offsets beyond what the pairs reach."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from tsva.networks import spectra as bands
from tsva.networks.fusion import Estimate, Fusion
from tsva.networks.offset import negative_log_likelihood
from tsva.networks.wiener import FREQUENCIES, NODE_STEP_UM, NODES
from tsva.training.patches import PatchStacks

STEPS = 1500
BATCH = 256
LEARNING_RATE = 3e-3
BEYOND = 0.25
"""Share of the lessons whose offset lies beyond the training pairs'."""
DOUBT_WEIGHT = 0.1
LEAST_VARIANCE = 1e-6
SCATTER = 0.15
"""Scatter (logarithm) of a made-up spectrum's bands about the model's."""


def teach_offsets(network: Fusion, patches: PatchStacks, noise_jitter: float, seed: int) -> None:
    """Fit the network's offset estimator, in place; a few seconds.

    Parameters
    ----------
    network : Fusion
    patches : PatchStacks
        Training patches, used at every offset of the grid.
    noise_jitter : float
        Up to this standard deviation of noise is added, by its power.
    seed : int
    """
    random = torch.Generator().manual_seed(seed)
    spectra, n_um = _of_patches(network, patches)
    still = spectra[n_um == 0]
    estimator = network.offset
    estimator.standardise(_noisy(spectra, noise_jitter, random))
    optimiser = torch.optim.Adam(estimator.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    beyond = round(BEYOND * BATCH)
    with torch.enable_grad():
        for _ in range(STEPS):
            chosen = torch.randint(len(spectra), (BATCH - beyond,), generator=random)
            far, far_um = _beyond(network, still, beyond, patches.pairs.offset_max_um, random)
            batch = _noisy(torch.cat([spectra[chosen], far]), noise_jitter, random)
            found, sd_um = estimator(batch)
            loss = negative_log_likelihood(found, sd_um, torch.cat([n_um[chosen], far_um]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    estimator.requires_grad_(False)


TOLD_SD_UM = 0.15
"""Scatter of the offsets that the restoration is told while it is trained: about the estimator's on whole patches. A
crop has too few windows for an estimate of its own."""


def told(network: Fusion, low: Tensor, high: Tensor, n_um: Tensor) -> Estimate:
    """What Fusion decides of crops whose offsets are known, (B,), with the scatter of an estimate."""
    with torch.no_grad():
        decision = network.decide(low, high)
        scattered = n_um.to(decision.mean) + TOLD_SD_UM * torch.randn_like(decision.mean[:, 0])
        return replace(decision, n_um=scattered, sd_um=torch.full_like(scattered, TOLD_SD_UM))


def doubted(restored: Tensor, target: Tensor, sd: Tensor) -> Tensor:
    """Negative log-likelihood of the errors under the spread that the network expects; teaches the spread alone."""
    squares = (restored.detach() - target).square().mean(dim=1, keepdim=True)
    return DOUBT_WEIGHT * ((sd.square() + LEAST_VARIANCE).log() + squares / (sd.square() + LEAST_VARIANCE)).mean()


@torch.no_grad()
def _of_patches(network: Fusion, patches: PatchStacks) -> tuple[Tensor, Tensor]:
    """Spectra, (N, C * 3 * BANDS), of every patch at every offset, and the offsets, (N,)."""
    found, n_um = [], []
    for patch in range(len(patches)):
        for offset_um in patches.pairs.offsets_um:
            low, high, _ = patches.views(patch, offset_um)
            shots = (torch.from_numpy(shot.copy()).permute(2, 0, 1)[None].float() / 255 for shot in (low, high))
            found.append(network.spectra(*shots).mean(dim=(-2, -1)))
            n_um.append(offset_um)
    return torch.cat(found), torch.tensor(n_um)


def _noisy(spectra: Tensor, noise_jitter: float, random: torch.Generator) -> Tensor:
    """The spectra of cameras with more noise, and of other stains: colours of other contrast."""
    count, channels = len(spectra), spectra.shape[1] // (3 * bands.BANDS)
    split = spectra.reshape(count, channels, 3, bands.BANDS)
    added = (noise_jitter * torch.rand(count, 1, 1, generator=random)).square()
    contrast = torch.exp(0.4 * torch.randn(count, channels, 1, 1, generator=random))
    split = split * contrast
    return torch.stack([split[:, :, 0] + added, split[:, :, 1] + added, split[:, :, 2]], dim=2).flatten(1)


def _beyond(
    network: Fusion, still: Tensor, count: int, from_um: float, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Spectra as the layered model has them at offsets beyond `from_um`, made of those of pairs in focus."""
    reach_um = (NODES - 1) * NODE_STEP_UM
    size_um = from_um + (reach_um - from_um) * torch.rand(count, generator=random)
    columns = (torch.tensor(bands.FREQUENCIES) / math.sqrt(0.5) * (FREQUENCIES - 1)).round().long()
    tables = network.wiener.tables[:3, :, :, columns]  # (near, far, common; node, C, BANDS)
    place = size_um / NODE_STEP_UM
    below = place.floor().clamp(max=NODES - 2).long()
    near, far, common = torch.lerp(tables[:, below], tables[:, below + 1], (place - below)[:, None, None])
    chosen = still[torch.randint(len(still), (count,), generator=random)]
    one, two, _ = chosen.reshape(count, -1, 3, bands.BANDS).unbind(2)
    noise = torch.minimum(one, two)[..., -1:]
    signal = ((one + two) / 2 - noise).clamp(min=0) / tables[0, 0].clamp(min=0.02)
    scatter = torch.exp(SCATTER * torch.randn(3, *signal.shape, generator=random))
    near, far = signal * near * scatter[0] + noise, signal * far * scatter[1] + noise
    common = signal * common * scatter[2]
    flip = (torch.rand(count, generator=random) < 0.5)[:, None, None]
    low, high = torch.where(flip, far, near), torch.where(flip, near, far)
    n_um = torch.where(flip[:, 0, 0], -size_um, size_um)
    return torch.stack([low, high, common], dim=2).flatten(1), n_um
