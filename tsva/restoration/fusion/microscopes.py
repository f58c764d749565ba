"""Microscopes that Fusion is trained for: what they show of a section, and training pairs as they would show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from tsva.optics.otf import radial_otf
from tsva.optics.pupil import pupil_of, spectrum
from tsva.restoration.fusion import bands
from tsva.restoration.fusion.filters import LAYERS, LAYERS_REACH, NODE_STEP_UM, NODES, REACH_UM, SLOPE
from tsva.restoration.layered_section import Layers, layered_powers
from tsva.settings.acquisition import OpticsSettings

SPHERICAL_SD_UM = 0.02
"""Of the primary spherical aberration (root mean square path difference): a cover glass some 20 µm off."""
DEPTH_SD_UM = (0.4, 1.5)
"""Range of the spread in depth of a section's matter."""
NA_SHARE = 0.05
"""An objective's aperture is off by up to this share of the nominal one."""
CONDENSER_SPREAD = 0.15
"""And the condenser's ratio by up to this, within its bounds."""
LEAST_CONDENSER = 0.05
BAND_SAMPLES = 3
Z_STEP_UM = 0.2
LEAST_POWER = 1e-4
"""Of the structures' own power: what is less is nothing, and its logarithm no infinity."""


@dataclass(frozen=True)
class Seen:
    """A section with the same structures at all frequencies and depths, through a microscope.

    Attributes
    ----------
    low, high : (N, C, BANDS) float tensors
        Power in each band.
    coherence : (N, C, BANDS) float tensor
        Of the two shots, -1 to 1.
    """

    low: Tensor
    high: Tensor
    coherence: Tensor


@dataclass(frozen=True)
class Mixture:
    """For each of N pairs a microscope that lies between the nominal and another one.

    Attributes
    ----------
    other : (N,) int tensor
        Which one.
    share : (N,) float tensor
        How far towards it, 0 to 1.
    """

    other: Tensor
    share: Tensor


class Microscopes:
    """What layered sections look like through the nominal microscope and through others.

    They are of either optical model, so that an offset of 1 µm may blur as 1.2 µm do under the other, with apertures of
    objective and condenser about the nominal ones, spherical aberration of either sign and sections of any usual
    thickness. Their focus is where a captured plane is sharpest.

    Parameters
    ----------
    optics : OpticsSettings
        The nominal one.
    delta_um : float
        Half the distance between the shots.
    channels : int
        3, or 1 (green).
    count : int
        Microscopes; the first is the nominal one.
    random : numpy Generator
        Draws the others.
    """

    def __init__(
        self, optics: OpticsSettings, delta_um: float, channels: int, count: int, random: np.random.Generator
    ) -> None:
        drawn = self.draw(optics, count, random)
        # (microscope, node, 3, C, BANDS), offsets from -REACH_UM to REACH_UM every NODE_STEP_UM
        tables = np.stack([_seen(*one, delta_um, channels) for one in drawn])
        self.tables = torch.from_numpy(np.ascontiguousarray(tables.swapaxes(1, 2))).float()

    @staticmethod
    def draw(
        optics: OpticsSettings, count: int, random: np.random.Generator
    ) -> list[tuple[OpticsSettings, float, float]]:
        """Optics, spherical aberration and spread in depth of each, the nominal one first."""
        models = (optics.model, "born_wolf" if optics.model == "debye" else "debye")
        found = [(optics, 0.0, 1.0)]
        for number in range(1, count):
            na = min(optics.na * (1 + NA_SHARE * random.uniform(-1, 1)), 0.99 * optics.refractive_index)
            ratio = optics.condenser_ratio
            if ratio is not None:
                ratio = float(np.clip(ratio + CONDENSER_SPREAD * random.uniform(-1, 1), LEAST_CONDENSER, 1))
            other = optics.model_copy(update={"model": models[number % 2], "na": na, "condenser_ratio": ratio})
            found.append((other, SPHERICAL_SD_UM * random.standard_normal(), random.uniform(*DEPTH_SD_UM)))
        return found

    def nominal(self, focal_offset_um: Tensor) -> Seen:
        """At offsets, (N,)."""
        return self._at(torch.zeros(len(focal_offset_um), dtype=torch.long), focal_offset_um)

    def mixture(self, count: int, random: torch.Generator | None = None) -> Mixture:
        """Microscopes of so many pairs, drawn from a generator (torch's global one by default)."""
        other = torch.randint(len(self.tables), (count,), generator=random)
        return Mixture(other, torch.rand(count, generator=random))

    def drawn(self, focal_offset_um: Tensor, random: torch.Generator, nominal: Seen | None = None) -> Seen:
        """Each of N pairs at its offset, (N,), through a microscope drawn for it; further parameter as of `through`."""
        return self.through(self.mixture(len(focal_offset_um), random), focal_offset_um, nominal)

    def through(self, mixture: Mixture, focal_offset_um: Tensor, nominal: Seen | None = None) -> Seen:
        """Each of N pairs at its offset, (N,), through its own microscope; `nominal` at these offsets, if known."""
        nominal, other = nominal or self.nominal(focal_offset_um), self._at(mixture.other, focal_offset_um)
        share = mixture.share[:, None, None]
        return Seen(
            torch.lerp(nominal.low.log(), other.low.log(), share).exp(),
            torch.lerp(nominal.high.log(), other.high.log(), share).exp(),
            torch.lerp(nominal.coherence, other.coherence, share),
        )

    def _at(self, which: Tensor, focal_offset_um: Tensor) -> Seen:
        place = (focal_offset_um + REACH_UM) / NODE_STEP_UM
        below = place.floor().clamp(0, self.tables.shape[1] - 2).long()
        share = (place - below)[:, None, None, None]
        low, high, common = torch.lerp(self.tables[which, below], self.tables[which, below + 1], share).unbind(1)
        low, high = low.clamp(min=LEAST_POWER), high.clamp(min=LEAST_POWER)
        return Seen(low, high, (common / (low * high).sqrt()).clamp(-1, 1))


def _seen(
    optics: OpticsSettings, spherical_um: float, depth_sd_um: float, delta_um: float, channels: int
) -> np.ndarray:
    """(3, nodes, C, BANDS)"""
    focal_offset_um = np.arange(-(NODES - 1), NODES) * NODE_STEP_UM
    layers = Layers.gaussian(depth_sd_um, LAYERS, LAYERS_REACH)
    edges = np.array(bands.EDGES) / bands.WINDOW_PX
    share = (np.arange(BAND_SAMPLES) + 0.5) / BAND_SAMPLES
    frequency = np.sqrt(edges[:-1, None] ** 2 * (1 - share) + edges[1:, None] ** 2 * share).ravel()
    reach_um = REACH_UM + delta_um + layers.depth_um[-1] + 1
    z_um = np.arange(-np.ceil(reach_um / Z_STEP_UM), np.ceil(reach_um / Z_STEP_UM) + 1) * Z_STEP_UM
    splines = [
        CubicSpline(z_um, _transfer(optics, spherical_um, channel, frequency, z_um), axis=1)
        for channel in (range(3) if channels == 3 else (1,))
    ]
    focus_um = _sharpest_um(splines[len(splines) // 2], frequency, layers)
    z_of_shots_um = focus_um + np.stack([focal_offset_um - delta_um, focal_offset_um + delta_um])

    def transfer(z_um: np.ndarray) -> np.ndarray:
        return np.moveaxis(np.stack([spline(z_um) for spline in splines]), (0, 1), (-2, -1))

    shots = layered_powers(transfer, layers, z_of_shots_um).shots
    found = np.stack([shots[0, 0], shots[1, 1], shots[0, 1]])  # (3, n, C, F)
    return np.asarray(found.reshape(*found.shape[:-1], bands.BANDS, BAND_SAMPLES).mean(axis=-1))


def _transfer(
    optics: OpticsSettings, spherical_um: float, channel: int, frequency: np.ndarray, z_um: np.ndarray
) -> np.ndarray:
    """(F, Z) transfer function of a colour at frequencies in periods a pixel, the pixel's own in it."""
    pupil = pupil_of(optics, spherical_um)
    summed = np.zeros((len(frequency), len(z_um)))
    for wavelength, weight in zip(*spectrum(optics, channel), strict=True):
        summed += weight * radial_otf(
            pupil, wavelength, frequency / optics.pixel_um / pupil.cutoff(wavelength), z_um, optics.condenser
        )
    return summed * np.sinc(frequency)[:, None]


def _sharpest_um(spline: CubicSpline, frequency: np.ndarray, layers: Layers) -> float:
    """Where the Brenner gradient of a section peaks: power times sin² of the frequency, one way or another."""
    z_um = np.linspace(-1.5, 1.5, 61)
    power = (spline(z_um[:, None] - layers.depth_um) ** 2) @ layers.coupling.diagonal()
    area = frequency ** (2 - SLOPE) * np.sin(2 * np.pi * np.minimum(frequency, 0.25)) ** 2
    return float(z_um[np.argmax(area @ power)])


OTHERS = 0.5
"""Share of the training pairs that another microscope shows."""
SLOPE_SD = 0.2
"""Other tissue: the power of these falls with frequency by so much more or less (exponent)."""
MOST_CHANGE = 1.4
"""At most so much (logarithm) another microscope changes a power: beyond, noise would be taken for tissue."""
PIVOT = 0.1
"""Frequency, periods a pixel, at which another slope leaves the power as it is."""
LEAST_PATCH_POWER = 1e-10


def as_others_show(
    seen: Microscopes,
    delta_um: float,
    shots: tuple[Tensor, Tensor],
    spectra: Callable[[Tensor, Tensor], Tensor],
    target: Tensor,
    focal_offset_um: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Filter pairs and their targets by what another microscope transfers beside the nominal one.

    Parameters
    ----------
    seen : Microscopes
    delta_um : float
        Half the distance between the shots.
    shots : two (B, C, Y, X) float tensors
        Low and high, in [0, 1].
    spectra : callable
        `BandSpectra`, which is asked for those of the filtered pairs alone: their noise stays as it is.
    target : (B, C, Y, X) float tensor
        In focus; filtered by what the other microscope transfers there.
    focal_offset_um : (B,) float tensor
        Focal offsets.

    Returns
    -------
    low, high, target : (B, C, Y, X) float tensors
        In [0, 1]. Draws come from torch's global generator.
    """
    low, high, target = (image.float().clone(memory_format=torch.contiguous_format) for image in (*shots, target))
    mixture, others, finer = seen.mixture(len(target)), torch.rand(len(target)) < OTHERS, tilt(len(target), SLOPE_SD)
    chosen = others.nonzero().flatten()
    if not len(chosen):
        return low, high, target
    on_device, focal_offset_um = chosen.to(target.device), focal_offset_um.float().cpu()[chosen]
    mixture, finer = Mixture(mixture.other[chosen], mixture.share[chosen]), finer[chosen]
    in_focus_um = torch.full_like(focal_offset_um, delta_um)  # where the low shot is
    here = seen.nominal(focal_offset_um)
    there = seen.through(mixture, focal_offset_um, here)
    bare = low[on_device], high[on_device]
    of_bands = spectra(*bare).mean(dim=(-2, -1)).cpu()
    one, two, common = of_bands.reshape(len(chosen), -1, 3, bands.BANDS).unbind(2)
    noise = noise_power(one, two, common)
    changes = ((here.low, there.low), (here.high, there.high))
    for shot, image, power, (of, to) in zip((low, high), bare, (one, two), changes, strict=True):
        signal = (power - noise).clamp(min=0) * _change(of, to) * finer
        factor = ((signal + noise) / power.clamp(min=LEAST_PATCH_POWER)).sqrt()
        shot[on_device] = _filtered(image, factor.to(shot.device))
    at_focus = seen.nominal(in_focus_um)
    of_target = _change(at_focus.low, seen.through(mixture, in_focus_um, at_focus).low) * finer
    target[on_device] = _filtered(target[on_device], of_target.sqrt().to(target.device))
    return low, high, target


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
