"""Training pairs as other microscopes would show them, of finer or coarser tissue."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from tsva.restoration.fusion import bands
from tsva.restoration.fusion.microscopes import Microscopes

OTHERS = 0.5
"""Share of the training pairs that another microscope shows."""
SLOPE_SD = 0.2
"""Other tissue: the power of these falls with frequency by so much more or less (exponent)."""
MOST_CHANGE = 1.4
"""At most so much (logarithm) another microscope changes a power: beyond, noise would be taken for tissue."""
PIVOT = 0.1
"""Frequency, periods a pixel, at which another slope leaves the power as it is."""
LEAST_POWER = 1e-10


def as_others_show(
    seen: Microscopes, delta_um: float, shots: tuple[Tensor, Tensor], spectra: Tensor, target: Tensor, n_um: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Filter pairs and their targets by what another microscope transfers beside the nominal one.

    Parameters
    ----------
    seen : Microscopes
    delta_um : float
        Half the distance between the shots.
    shots : two (B, C, Y, X) float tensors
        Low and high, in [0, 1].
    spectra : (B, C * 3 * BANDS) float tensor
        Of the shots (`BandSpectra`): their noise stays as it is.
    target : (B, C, Y, X) float tensor
        In focus; filtered by what the other microscope transfers there.
    n_um : (B,) float tensor
        Focal offsets.

    Returns
    -------
    low, high, target : (B, C, Y, X) float tensors
        In [0, 1]. Draws come from torch's global generator.
    """
    count, device = len(target), target.device
    n_um, spectra = n_um.float().cpu(), spectra.cpu()
    mixture = seen.mixture(count)
    changed = (torch.rand(count) < OTHERS).float()
    mixture = replace(mixture, share=mixture.share * changed)
    finer = tilt(count, SLOPE_SD) ** changed[:, None, None]
    in_focus_um = torch.full_like(n_um, delta_um)  # where the low shot is
    here, there = seen.nominal(n_um), seen.through(mixture, n_um)
    one, two, common = spectra.reshape(count, -1, 3, bands.BANDS).unbind(2)
    noise = noise_power(one, two, common)
    found = []
    for image, power, of, to in zip(shots, (one, two), (here.low, here.high), (there.low, there.high), strict=True):
        signal = (power - noise).clamp(min=0) * _change(of, to) * finer
        factor = ((signal + noise) / power.clamp(min=LEAST_POWER)).sqrt()
        found.append(_filtered(image, factor.to(device)))
    of_target = _change(seen.nominal(in_focus_um).low, seen.through(mixture, in_focus_um).low) * finer
    return found[0], found[1], _filtered(target, of_target.sqrt().to(device))


def _change(of: Tensor, to: Tensor) -> Tensor:
    return (to / of).log().clamp(-MOST_CHANGE, MOST_CHANGE).exp()


def _filtered(image: Tensor, factor: Tensor) -> Tensor:
    """(B, C, Y, X), each colour's amplitude multiplied by a factor in each band, (B, C, BANDS); the mean stays."""
    size = image.shape[-2], image.shape[-1]
    below, share = (each.to(image.device) for each in _places(*size))
    knots = torch.cat([torch.ones_like(factor[..., :1]), factor], dim=-1)
    response = torch.lerp(knots[..., below], knots[..., below + 1], share)
    return torch.fft.irfft2(torch.fft.rfft2(image.float()) * response, s=size).clamp(0, 1)


@lru_cache(maxsize=8)
def _places(height: int, width: int) -> tuple[Tensor, Tensor]:
    """(Y, X // 2 + 1): the knot below each frequency, and how far it is towards the next; knots at 0 and the bands."""
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    knots = np.array([0.0, *bands.FREQUENCIES])
    place = np.interp(radius, knots, np.arange(len(knots)))
    below = np.minimum(place.astype(int), len(knots) - 2)
    return torch.from_numpy(below), torch.from_numpy(place - below).float()


def noise_power(one: Tensor, two: Tensor, common: Tensor) -> Tensor:
    """(N, C, 1) power of the shots' noise, of their spectra, (N, C, BANDS): what the highest band doesn't share."""
    least = torch.minimum(one, two)[..., -1:]
    return torch.maximum(least - common[..., -1:].clamp(min=0), 0.3 * least)


def tilt(count: int, slope_sd: float, random: torch.Generator | None = None) -> Tensor:
    """(N, 1, BANDS) factors of power of tissue that is finer or coarser."""
    octaves = (torch.tensor(bands.FREQUENCIES) / PIVOT).log()
    return torch.exp(slope_sd * torch.randn(count, 1, 1, generator=random) * octaves)
