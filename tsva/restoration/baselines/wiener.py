"""Wiener restoration from one shot or from both, with the focal offset known or found."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from tsva.acquisition.pair import Pair, floats, high_is_y1
from tsva.restoration.baselines.offset_search import Microscope, find_offset, microscopes, offsets_um
from tsva.restoration.baselines.one_by_one import Known, Restored
from tsva.restoration.baselines.plane import (
    Signal,
    frequencies_of,
    image_of,
    in_rings,
    noise_variance,
    of_channels,
    over_plane,
    padded_shape,
    power_of,
    radius_per_um,
    transformed,
)
from tsva.restoration.layered_section import LEAST_FOCUS, Powers, powers
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.restoration import BaselineSettings

LEAST_SCALE, MOST_SCALE = 0.01, 100.0
"""How much less or more signal than the training slides' mean a patch may have."""
LEAST_CHANCE = 0.001
"""Microscopes less likely than this are left out."""
Z_STEP_UM = 0.01
"""Defocus is rounded to this, so that transfer functions can be kept."""
PLACES = (-0.8, -0.4, 0.0, 0.4, 0.8)
"""Middles of five equal parts of what an offset is known to lie within."""


def wiener_one_shot(pair: Pair, known: Known) -> Restored:
    """Least mean squared error from the sharper shot alone, given the true offset.

    Parameters
    ----------
    pair : Pair
        With `focal_offset_um`; an oracle.
    known : Known
        The signal's mean spectrum, and the settings: How deep the section is.

    Returns
    -------
    Restored

    Notes
    -----
    X̂ = H₀ H₁* Y₁ / (H₁² + N/S) per colour: protocol of `wiener_two_shot` with one shot.
    """
    side = 1 if high_is_y1(pair) else -1
    shot = pair.high if side == 1 else pair.low
    return Restored(_restored([shot], _known_offset(pair, [side], known.settings), pair, known.spectrum()))


def wiener_two_shot(pair: Pair, known: Known) -> Restored:
    """Least mean squared error from both shots, given the true offset.

    Parameters
    ----------
    pair : Pair
        With `focal_offset_um`; an oracle.
    known : Known
        The signal's mean spectrum, and the settings: How deep the section is.

    Returns
    -------
    Restored

    Notes
    -----
    The filters are C A⁻¹ per colour and frequency, with A_ij = S Σ K H_i H_j + N [i = j] and C_i = S Σ K H_0 H_i over
    the section's layers. With a flat section that is X̂ = H₀ Σ Hᵢ* Yᵢ / (Σ Hᵢ² + N/S). N is read from
    each patch's finest structures, S is the training slides' mean spectrum scaled to the patch. Images are continued by
    reflection. An offset that is known to within `pair.focal_offset_within_um` may be anywhere there: A and C are
    means over that.
    """
    return Restored(
        _restored([pair.low, pair.high], _known_offset(pair, [-1, 1], known.settings), pair, known.spectrum())
    )


def wiener_blind(pair: Pair, known: Known) -> Restored:
    """Two-shot restoration with the offset that the shots' own spectra say; nothing of the truth is given.

    Parameters
    ----------
    pair : Pair
        Its `focal_offset_um` is not looked at.
    known : Known
        The signal's mean spectrum, and the settings: How far offsets are looked for.

    Returns
    -------
    Restored
        With `focal_offset_um` and `focal_offset_sd_um`; `failure` where the offset lies at the end of what was looked
        at.

    Notes
    -----
    The filters are those of `wiener_two_shot`, with A and C averaged over all offsets and microscopes by their chance.
    """
    signal, settings = known.spectrum(), known.settings
    found = find_offset(pair, signal, settings)
    image = _restored([pair.low, pair.high], _found(pair, found.chances, settings), pair, signal)
    failure = "the offset found is the largest looked for" if found.at_end else ""
    return Restored(
        image, focal_offset_um=found.focal_offset_um, focal_offset_sd_um=found.focal_offset_sd_um, failure=failure
    )


def _known_offset(pair: Pair, sides: Sequence[int], settings: BaselineSettings) -> Powers:
    """Powers of the shots on these sides of F (-1: low), at the offset that is known."""
    if pair.focal_offset_um is None:
        raise ValueError("this pair's offset isn't known; Wiener restoration without it is wiener_blind")
    z_steps = tuple(round((pair.focal_offset_um + side * pair.delta_um) / Z_STEP_UM) for side in sides)
    return _section(pair.optics, z_steps, pair.focal_offset_within_um, settings)


def _found(pair: Pair, chances: np.ndarray, settings: BaselineSettings) -> Powers:
    """Powers of both shots, as multiples of the in-focus image's, by all that the spectra leave open."""
    parts = [
        _at_offsets(one, pair.delta_um, settings).expected(share)
        for one, share in zip(microscopes(pair.optics), chances, strict=True)
        if share.sum() > LEAST_CHANCE
    ]
    shots, target = sum(part.shots for part in parts), sum(part.target for part in parts)
    return Powers(np.asarray(shots), np.asarray(target), parts[0].focus)


def _restored(shots: Sequence[np.ndarray], section: Powers, pair: Pair, signal: Signal) -> np.ndarray:
    """The estimate from shots of a section whose powers are known, (Y, X, C) in [0, 1]."""
    height, width, channels = shots[0].shape
    images = [floats(shot) for shot in shots]
    # a product with ones is some ten times as fast as a mean over interleaved colours; any level near it would do
    share = np.full(height * width, 1 / (height * width), np.float32)
    means = [share @ image.reshape(-1, channels) for image in images]
    spectra = np.stack([transformed(image - mean) for image, mean in zip(images, means, strict=True)])
    shape = padded_shape(height, width)
    noise = _noise(spectra, shape, pair.optics.pixel_um)
    section = section.of_channels(channels)
    focus = of_channels(signal.at(frequencies_of(pair.optics.pixel_um)), channels)
    specimen = focus / np.maximum(section.focus, LEAST_FOCUS)  # (C, F)
    specimen = specimen * _scale(spectra, section, specimen, noise, shape)[:, None]
    filters = _filters(section, noise[:, None] / specimen)
    restored = (over_plane(filters, shape) * spectra).sum(axis=0)
    return np.clip(image_of(restored, height, width) + np.mean(means, axis=0), 0, 1)


@lru_cache(maxsize=1024)
def _section(optics: OpticsSettings, z_steps: tuple[int, ...], within_um: float, settings: BaselineSettings) -> Powers:
    """At filters' frequencies, of shots at defocus known to within so much."""
    within = within_um * np.array(PLACES) if within_um else np.zeros(1)
    z_um = np.add.outer(np.array(z_steps) * Z_STEP_UM, within)
    found = powers(optics, z_um, settings, frequencies_of(optics.pixel_um))
    return found.expected(np.full(len(within), 1 / len(within)))


@lru_cache(maxsize=128)
def _at_offsets(microscope: Microscope, delta_um: float, settings: BaselineSettings) -> Powers:
    """At filters' frequencies, of both shots at each of `offsets_um`, as multiples of the in-focus image's."""
    offsets = offsets_um(settings)
    z_um = np.stack([offsets - delta_um, offsets + delta_um])
    frequency = frequencies_of(microscope.optics.pixel_um)
    return powers(microscope.optics, z_um, settings, frequency, microscope.spherical_um).per_focus()


def _noise(spectra: np.ndarray, shape: tuple[int, int], pixel_um: float) -> np.ndarray:
    """(C,) variance, the mean over the shots."""
    radius, samples = radius_per_um(shape, pixel_um), shape[0] * shape[1]
    return np.asarray(np.mean([noise_variance(spectrum, radius, samples) for spectrum in spectra], axis=0))


def _filters(section: Powers, noise_to_specimen: np.ndarray) -> np.ndarray:
    """(I, C, F) float32: C A⁻¹."""
    matrix = np.moveaxis(section.shots, (0, 1), (-2, -1))  # (C, F, I, I)
    matrix = matrix + noise_to_specimen[..., None, None] * np.eye(matrix.shape[-1])
    target = np.moveaxis(section.target, 0, -1)[..., None]
    return np.moveaxis(np.linalg.solve(matrix, target)[..., 0], -1, 0).astype(np.float32)


def _scale(
    spectra: np.ndarray, section: Powers, specimen: np.ndarray, noise: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """How much signal the patch has, as a multiple of what is expected: (C,), from where it stands out of the noise."""
    found, wanted = np.zeros(len(noise)), np.zeros(len(noise))
    for number, spectrum in enumerate(spectra):
        power, counts = in_rings(power_of(spectrum), shape)
        expected = section.shots[number, number] * specimen
        clear = expected > noise[:, None]
        clear[:, 0] = False
        # in units of the expectation each frequency weighs alike
        above = power / (shape[0] * shape[1]) - counts * noise[:, None]
        found += (clear * above / np.maximum(expected, 1e-30)).sum(axis=1)
        wanted += (clear * counts).sum(axis=1)
    return np.clip(np.where(wanted > 0, found / np.maximum(wanted, 1), 1), LEAST_SCALE, MOST_SCALE)
