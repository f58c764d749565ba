"""The focal offset of a pair from the two shots' spectra alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import scipy.fft

from tsva.acquisition.pair import Pair, floats
from tsva.restoration.baselines.plane import Signal, noise_variance, of_channels, power_of, radius_per_um
from tsva.restoration.layered_section import LEAST_FOCUS, Powers, powers
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.restoration import BaselineSettings

GRID_UM = 0.1
"""Offsets are compared at these steps; between them a parabola is laid through the likelihoods."""
BINS = 28
"""Rings of spatial frequency between the lowest and the highest that are used."""
LOWEST_PER_UM = 0.05
"""Below lie the lamp's falloff and what a patch has too few periods of."""
HIGHEST_SHARE = 0.85
"""Of the highest frequency: beyond is little but the noise that is read there."""
LEVELS = np.exp(np.linspace(-2.0, 2.0, 11))
"""Powers that a ring is tried with, as multiples of the expected one."""
LEVEL_SD = 0.7
"""How far a ring's power strays from the training slides' mean spectrum (scaled to the patch), natural logarithm."""
DEPENDENT = 8.0
"""Frequencies that say the same as one: windows smear neighbours together, and colours show the same tissue."""
SHARED = 100.0
"""Rings share what the model has wrong (a section's thickness above all): the evidence of all is worth so much less.
Otherwise one microscope gets all the weight. From 25 to 200 restorations are the same to 0.15 dB."""
MODEL_SD_UM = 0.25
"""Sections differ from the model in thickness and in how deep their structures reach: scatter of the offsets found on
digital training slides about the mean height of the true focal surface. In the standard errors with noise's part."""

SPHERICAL_UM = (-0.02, 0.0, 0.02)
SPHERICAL_SD_UM = 0.02
"""Primary spherical aberration reckoned with (root mean square path difference): a cover glass some 20 µm off."""


Rings = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Offset:
    """What the spectra say.

    Attributes
    ----------
    focal_offset_um, focal_offset_sd_um : float
        Signed offset of F from the true focus, and its standard error.
    at_end : bool
        The most likely offset is the largest looked for.
    chances : (microscope, n) float array
        How likely each of `offsets_um` is with each of `microscopes`, sections' scatter about the model counted in.
    """

    focal_offset_um: float
    focal_offset_sd_um: float
    at_end: bool
    chances: np.ndarray = field(compare=False)


def find_offset(pair: Pair, signal: Signal, settings: BaselineSettings) -> Offset:
    """Maximum a posteriori of the offset, the powers of all rings of frequency and the microscope being unknown.

    Parameters
    ----------
    pair : Pair
    signal : Signal
        Mean spectrum of training slides in focus: what rings' powers are expected to be, up to a common scale.
    settings : BaselineSettings
        How deep the section is, how far offsets are looked for.

    Returns
    -------
    Offset
        Changes its sign, and nothing else, when the shots change places (of two equal shots,
        whose offset has no sign, the lower of the equally likely ones is taken).

    Notes
    -----
    In a ring with specimen power S the two spectra are normal with covariance C = S A(n) + N 1, where
    A_ij = Σ K H(n ± δ - z) H(n ± δ - z') over the section's layers. -log L = M (log det C + tr C⁻¹ P),
    P being the measured powers |Y₁|², |Y₂|², Re Y₁Y₂*, over M frequencies. Each ring takes the S that suits it best of
    `LEVELS` times the expected one, at the price of its prior. All this with each of the `microscopes` in turn.
    """
    grid, rings = offsets_um(settings), _rings(pair)
    height, width = pair.low.shape[:2]
    kin = microscopes(pair.optics)
    models = [_model(one, pair.delta_um, settings, height, width) for one in kin]
    likelihoods = [_log_likelihood(rings, signal, model) for model in models]
    evidence = np.array([[one.log_chance] for one in kin]) + np.array(likelihoods) / SHARED
    posterior = np.exp(evidence - evidence.max())
    posterior /= posterior.sum()
    chances = _scattered(posterior, grid)
    likelihood = np.log(np.maximum(posterior.sum(axis=0), 1e-300))
    best = int(np.argmax(likelihood))
    if best in (0, len(grid) - 1):
        return Offset(float(grid[best]), settings.offset_reach_um, at_end=True, chances=chances)
    left, middle, right = likelihood[best - 1 : best + 2]
    curvature = min(left - 2 * middle + right, -1e-12)
    focal_offset_um = grid[best] + GRID_UM * 0.5 * (left - right) / curvature
    # the posterior's spread, other peaks included
    variance = np.sum(posterior.sum(axis=0) * (grid - focal_offset_um) ** 2)
    focal_offset_sd_um = float(np.sqrt(variance + MODEL_SD_UM**2))
    return Offset(float(focal_offset_um), focal_offset_sd_um, at_end=False, chances=chances)


def _scattered(posterior: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """(…, n) chances of the true offsets: sections scatter about the model by `MODEL_SD_UM`; none leaves the grid."""
    weights = np.exp(-0.5 * (np.subtract.outer(grid, grid) / MODEL_SD_UM) ** 2)
    return np.asarray(posterior @ (weights / weights.sum(axis=0)).T)


def _log_likelihood(rings: Rings, signal: Signal, section: Powers) -> np.ndarray:
    """(n,) at the offsets that the section's powers are of."""
    measured, noise, counts, frequency = rings
    channels = len(noise)
    section = section.of_channels(channels)
    lows, highs, commons = section.shots[0, 0], section.shots[1, 1], section.shots[0, 1]  # (n, C, ring)
    specimen = of_channels(signal.at(frequency), channels) / np.maximum(section.focus, LEAST_FOCUS)
    # the scale that makes the mean power of both shots right at each offset
    model = (lows + highs) * specimen
    signals = measured[0] + measured[1] - 2 * noise[:, None]
    weight = counts * (model > 2 * noise[:, None])
    scale = (weight * signals / np.maximum(model, 1e-12)).sum(-1) / np.maximum(weight.sum(-1), 1)
    specimen = np.maximum(scale, 1e-3)[..., None] * specimen  # (n, C, ring)
    # determinant and trace's numerator are polynomials of the level: one, two and both are level s H + N
    lows, highs, commons = specimen * lows, specimen * highs, specimen * commons
    noise, most = noise[:, None], np.full(specimen.shape, -np.inf)
    squared, linear = lows * highs - commons**2, noise * (lows + highs)
    risen = highs * measured[0] + lows * measured[1] - 2 * commons * measured[2]
    still, share = noise * (measured[0] + measured[1]), counts / DEPENDENT
    for level in LEVELS:
        determinant = np.maximum((level * squared + linear) * level + noise**2, 1e-30)
        cost = (level * risen + still) / determinant
        cost += np.log(determinant)
        cost *= -share
        np.maximum(most, cost - np.log(level) ** 2 / (2 * LEVEL_SD**2), out=most)
    return np.asarray(most.sum(axis=(1, 2)))


def _rings(pair: Pair) -> Rings:
    """Measured powers (3, C, ring), noise (C,), frequencies counted (ring,), and the rings' frequency (ring,)."""
    height, width, _ = pair.low.shape
    window, energy = _window(height, width)
    spectra = []
    for shot in (pair.low, pair.high):
        image = np.ascontiguousarray(floats(shot).transpose(2, 0, 1))
        image -= image.mean(axis=(1, 2), keepdims=True)
        image *= window
        spectra.append(scipy.fft.rfft2(image))
    radius = radius_per_um((height, width), pair.optics.pixel_um)
    noise = np.mean([noise_variance(spectrum, radius, energy) for spectrum in spectra], axis=0)
    ring, frequency = _ring_of(height, width, pair.optics.pixel_um)
    inside = np.flatnonzero(ring >= 0)
    ring = ring.ravel()[inside]
    low, high = (spectrum.reshape(len(spectrum), -1)[:, inside] for spectrum in spectra)
    counts = np.bincount(ring, minlength=len(frequency)).astype(float)
    each = [power_of(low), power_of(high), low.real * high.real + low.imag * high.imag]
    measured = np.stack(
        [
            [np.bincount(ring, colour, len(frequency)) / np.maximum(counts, 1) / energy for colour in power]
            for power in each
        ]
    )
    return measured, noise, counts, frequency


@lru_cache(maxsize=16)
def _window(height: int, width: int) -> tuple[np.ndarray, float]:
    """(Y, X) float32, and the sum of its squares."""
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    return window, float(np.sum(window**2))


@lru_cache(maxsize=16)
def _ring_of(height: int, width: int, pixel_um: float) -> tuple[np.ndarray, np.ndarray]:
    """(Y, X // 2 + 1) number of the ring that a frequency is in (-1: none), and (ring,) mean frequency."""
    radius = radius_per_um((height, width), pixel_um)
    edges = np.geomspace(LOWEST_PER_UM, HIGHEST_SHARE * radius.max(), BINS + 1)
    ring = np.searchsorted(edges, radius, side="right") - 1
    ring[(ring < 0) | (ring >= BINS)] = -1
    kept = np.unique(ring[ring >= 0])
    renumbered = np.full(BINS + 1, -1)
    renumbered[kept] = np.arange(len(kept))
    ring = renumbered[ring]
    sums = np.bincount(ring[ring >= 0], radius[ring >= 0])
    return ring, sums / np.bincount(ring[ring >= 0])


def offsets_um(settings: BaselineSettings) -> np.ndarray:
    """(n,) offsets that are compared, rising."""
    steps = int(np.ceil(settings.offset_reach_um / GRID_UM))
    return np.arange(-steps, steps + 1) * GRID_UM


@lru_cache(maxsize=128)
def _model(microscope: Microscope, delta_um: float, settings: BaselineSettings, height: int, width: int) -> Powers:
    """The section's powers at each offset of the grid, by ring."""
    _, frequency = _ring_of(height, width, microscope.optics.pixel_um)
    grid = offsets_um(settings)
    z_um = np.stack([grid - delta_um, grid + delta_um])
    return powers(microscope.optics, z_um, settings, frequency, microscope.spherical_um)


@dataclass(frozen=True)
class Microscope:
    """What makes one microscope's focus unlike another's.

    Attributes
    ----------
    optics : OpticsSettings
    spherical_um : float
        Primary spherical aberration, root mean square path difference.
    log_chance : float
        Logarithm of how likely it is before a shot is seen.
    """

    optics: OpticsSettings
    spherical_um: float
    log_chance: float


@lru_cache(maxsize=16)
def microscopes(optics: OpticsSettings) -> tuple[Microscope, ...]:
    """The nominal one, which is as likely as all others together, then those.

    Parameters
    ----------
    optics : OpticsSettings
        The nominal optics.

    Returns
    -------
    tuple of Microscope
        Both optical models with each of `SPHERICAL_UM`, by the Gaussian of `SPHERICAL_SD_UM`: what an aperture of the
        nominal size may do. For each with an aberration there is the one with the opposite.
    """
    models = ("paper" if optics.model == "paper" else "born_wolf", "debye")
    kin = [
        (optics.model_copy(update={"model": model}), spherical_um)
        for model in models
        for spherical_um in SPHERICAL_UM
        if (model, spherical_um) != (optics.model, 0.0)
    ]
    weights = np.exp([-0.5 * (spherical_um / SPHERICAL_SD_UM) ** 2 for _, spherical_um in kin])
    chances = np.log(0.5 * weights / weights.sum())
    others = [Microscope(*one, float(chance)) for one, chance in zip(kin, chances, strict=True)]
    return (Microscope(optics, 0.0, float(np.log(0.5))), *others)
