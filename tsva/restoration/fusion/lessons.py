"""Teaching the offset estimator: spectra of training pairs as other microscopes would show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tsva.acquisition.draws import bin_weights
from tsva.restoration.fusion import bands
from tsva.restoration.fusion.filters import REACH_UM
from tsva.restoration.fusion.microscopes import MOST_CHANGE, Microscopes, noise_power, tilt
from tsva.restoration.fusion.offset import negative_log_likelihood
from tsva.restoration.pair_network import TrainingPatches
from tsva.settings.train import TrainSettings

if TYPE_CHECKING:
    from tsva.restoration.fusion.network import Fusion

BATCH = 256
LEARNING_RATE = 3e-3
BEYOND = 0.15
"""Share of the lessons whose offset lies beyond the training pairs'."""
SPREAD = 2.0
"""Offsets are drawn wider than they occur by this factor: the rare large ones shall be known, too."""
SLOPE_SD = 0.4
"""Other tissue: powers fall with frequency by so much more or less (exponent)."""
CONTRAST_SD = 0.4
"""Another stain: each colour's contrast (logarithm)."""
SCATTER = 0.15
"""Scatter (logarithm) of a made-up spectrum's bands about the model's."""


def teach_offsets(network: Fusion, patches: TrainingPatches, settings: TrainSettings, seed: int) -> None:
    """Fit the network's offset estimator, in place, and the spectral misfit; half a minute of a core.

    A spectrum shows offset, noise, tissue and microscope in one. The estimator shall not learn the last two by heart:
    each lesson's spectra are turned into those of another microscope, tissue, stain and camera.

    Parameters
    ----------
    network : Fusion
    patches : TrainingPatches
        Training patches, used at every offset of the grid.
    settings : TrainSettings
        Of which section `fusion` and `noise_jitter` are used: noise is added up to that standard deviation, by its
        power.
    seed : int
    """
    random = torch.Generator().manual_seed(seed)
    seen = network.microscopes
    spectra, focal_offset_um, at_target = _of_patches(network, patches)
    still = spectra[at_target]
    share = torch.from_numpy(bin_weights(focal_offset_um, SPREAD * patches.pairs.offset_sd_um, patches.pairs.z_step_um))
    estimator = network.offset.requires_grad_(True)
    estimator.standardise(network.lesson(_noisy(spectra, settings.noise_jitter, random), focal_offset_um)[0])
    optimiser = torch.optim.Adam(estimator.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.fusion.offset_steps)
    beyond = round(BEYOND * BATCH)
    with torch.enable_grad():
        for _ in range(settings.fusion.offset_steps):
            chosen = torch.multinomial(share, BATCH - beyond, replacement=True, generator=random)
            foreign = _foreign(seen, spectra[chosen], focal_offset_um[chosen], random)
            far, far_um = beyond_focus(seen, still, beyond, patches.pairs.offset_max_um, random)
            batch = _noisy(torch.cat([foreign, far]), settings.noise_jitter, random)
            lesson, truth_um = network.lesson(batch, torch.cat([focal_offset_um[chosen], far_um]))
            found, sd_um = estimator(lesson)
            loss = negative_log_likelihood(found, sd_um, truth_um)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    estimator.requires_grad_(False)
    with torch.no_grad():
        own, _ = network.lesson(spectra, focal_offset_um)
        network.misfit.fit(*estimator.nearer_first(own, estimator(own)[0]))
    network.taught_um.fill_(patches.pairs.offset_max_um)


@torch.no_grad()
def _of_patches(network: Fusion, patches: TrainingPatches) -> tuple[Tensor, Tensor, Tensor]:
    """Spectra, (N, C * 3 * BANDS), of every patch at every offset, the offsets, (N,), and which are 0 on the grid."""
    found, focal_offset_um, at_target = [], [], []
    for patch in range(len(patches)):
        seen: dict[int, tuple[Tensor, Tensor]] = {}  # by plane: most are a shot of two pairs
        for offset_um in patches.pairs.offsets_um:
            planes = patches.pairs.shot_planes(offset_um)
            for plane, shot in zip(planes, patches.views(patch, offset_um)[:2], strict=True):
                if plane not in seen:
                    image = torch.from_numpy(shot.copy()).permute(2, 0, 1)[None].float() / 255
                    seen[plane] = network.spectra.seen(image)
            found.append(network.spectra.gathered(*(seen[plane] for plane in planes)).mean(dim=(-2, -1)))
            focal_offset_um.append(patches.from_focus_um(patch, offset_um))
            at_target.append(offset_um == 0)
    return torch.cat(found), torch.tensor(focal_offset_um), torch.tensor(at_target)


def _foreign(seen: Microscopes, spectra: Tensor, focal_offset_um: Tensor, random: torch.Generator) -> Tensor:
    """Spectra of captured pairs, (N, C * 3 * BANDS), as other microscopes would have them of other tissue."""
    one, two, common = spectra.reshape(len(spectra), -1, 3, bands.BANDS).unbind(2)
    noise = noise_power(one, two, common)
    here = seen.nominal(focal_offset_um)
    there = seen.drawn(focal_offset_um, random, here)
    finer = tilt(len(spectra), SLOPE_SD, random)
    changes = [
        torch.exp((to / of).log().clamp(-MOST_CHANGE, MOST_CHANGE)) * finer
        for of, to in ((here.low, there.low), (here.high, there.high))
    ]
    low, high = ((power - noise).clamp(min=0) * change for power, change in zip((one, two), changes, strict=True))
    common = common * (changes[0] * changes[1]).sqrt() + (there.coherence - here.coherence) * (low * high).sqrt()
    return torch.stack([low + noise, high + noise, common], dim=2).flatten(1)


def beyond_focus(
    seen: Microscopes, still: Tensor, count: int, from_um: float, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Spectra as the layered model has them at offsets beyond `from_um`, made of those of pairs about the focus."""
    size_um = from_um + (REACH_UM - from_um) * torch.rand(count, generator=random)
    focal_offset_um = torch.where(torch.rand(count, generator=random) < 0.5, -size_um, size_um)
    one, two, common = (
        still[torch.randint(len(still), (count,), generator=random)].reshape(count, -1, 3, bands.BANDS).unbind(2)
    )
    noise, here, there = (
        noise_power(one, two, common),
        seen.nominal(torch.zeros(count)),
        seen.drawn(focal_offset_um, random),
    )
    signal = ((one + two) / 2 - noise).clamp(min=0) / ((here.low + here.high) / 2).clamp(min=0.02)
    scatter = torch.exp(SCATTER * torch.randn(2, *signal.shape, generator=random)) * tilt(count, SLOPE_SD, random)
    low, high = signal * there.low * scatter[0], signal * there.high * scatter[1]
    return torch.stack([low + noise, high + noise, there.coherence * (low * high).sqrt()], dim=2).flatten(
        1
    ), focal_offset_um


def _noisy(spectra: Tensor, noise_jitter: float, random: torch.Generator) -> Tensor:
    """The spectra of cameras with more noise, and of other stains: colours of other contrast."""
    count, channels = len(spectra), spectra.shape[1] // (3 * bands.BANDS)
    split = spectra.reshape(count, channels, 3, bands.BANDS)
    added = (noise_jitter * torch.rand(count, 1, 1, generator=random)).square()
    split = split * torch.exp(CONTRAST_SD * torch.randn(count, channels, 1, 1, generator=random))
    return torch.stack([split[:, :, 0] + added, split[:, :, 1] + added, split[:, :, 2]], dim=2).flatten(1)
