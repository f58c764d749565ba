"""Wiener restoration from one shot or from both, with the focal offset known or found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from tsva.baselines.noise import noise_variance, of_channels
from tsva.baselines.offset import find_offset
from tsva.baselines.restored import Restored
from tsva.baselines.section import Powers, powers
from tsva.baselines.sharper import floats, high_is_y1
from tsva.baselines.spectra import (
    Signal,
    frequencies_of,
    image_of,
    in_rings,
    over_plane,
    padded_shape,
    power_of,
    radius_per_um,
    transformed,
)
from tsva.pair import Pair
from tsva.settings.baselines import BaselineSettings
from tsva.settings.optics import OpticsSettings

LEAST_FOCUS = 1e-4
"""Where the in-focus image holds less than this share of the specimen's power, nothing can be learnt about it."""
LEAST_SCALE, MOST_SCALE = 0.01, 100.0
"""How much less or more signal than the training slides' mean a patch may have."""
Z_STEP_UM = 0.01
"""Defocus is rounded to this, so that transfer functions can be kept."""


def wiener_one_shot(pair: Pair, signal: Signal, settings: BaselineSettings) -> Restored:
    """Least mean squared error from the sharper shot alone, told the true offset.

    Parameters
    ----------
    pair : Pair
        With `n_um`; an oracle.
    signal : Signal
        Mean spectrum of training slides in focus.
    settings : BaselineSettings
        How deep the section is.

    Returns
    -------
    Restored

    Notes
    -----
    X̂ = H₀ H₁* Y₁ / (H₁² + N/S) per colour: protocol of `wiener_two_shot` with one shot.
    """
    side = 1 if high_is_y1(pair) else -1
    shot = pair.high if side == 1 else pair.low
    return Restored(_restored([shot], [_known(pair) + side * pair.delta_um], pair, signal, settings))


def wiener_two_shot(pair: Pair, signal: Signal, settings: BaselineSettings) -> Restored:
    """Least mean squared error from both shots, told the true offset.

    Parameters
    ----------
    pair : Pair
        With `n_um`; an oracle.
    signal : Signal
        Mean spectrum of training slides in focus.
    settings : BaselineSettings
        How deep the section is.

    Returns
    -------
    Restored

    Notes
    -----
    The filters are C A⁻¹ per colour and frequency, with A_ij = S Σ K H_i H_j + N [i = j] and C_i = S Σ K H_0 H_i over
    the section's layers (see `section`). With a flat section that is X̂ = H₀ Σ Hᵢ* Yᵢ / (Σ Hᵢ² + N/S). N is read from
    each patch's finest structures, S is the training slides' mean spectrum scaled to the patch. Images are continued by
    reflection.
    """
    n_um = _known(pair)
    z_um = [n_um - pair.delta_um, n_um + pair.delta_um]
    return Restored(_restored([pair.low, pair.high], z_um, pair, signal, settings))


def wiener_blind(pair: Pair, signal: Signal, settings: BaselineSettings) -> Restored:
    """Two-shot restoration at the offset that the shots' own spectra say; told nothing of the truth.

    Parameters
    ----------
    pair : Pair
        Its `n_um` is not looked at.
    signal : Signal
        Mean spectrum of training slides in focus.
    settings : BaselineSettings
        How far offsets are looked for.

    Returns
    -------
    Restored
        With `n_um` and `n_sd_um`; `failure` where the offset lies at the end of what was looked at.
    """
    found = find_offset(pair, signal, settings)
    restored = wiener_two_shot(replace(pair, n_um=found.n_um), signal, settings)
    failure = "the offset found is the largest looked for" if found.at_end else ""
    return Restored(restored.image, n_um=found.n_um, n_sd_um=found.n_sd_um, failure=failure)


def _known(pair: Pair) -> float:
    if pair.n_um is None:
        raise ValueError("this pair's offset isn't known; Wiener restoration without it is wiener_blind")
    return pair.n_um


def _restored(
    shots: Sequence[np.ndarray], z_um: Sequence[float], pair: Pair, signal: Signal, settings: BaselineSettings
) -> np.ndarray:
    """The estimate from shots at known defocus, (Y, X, C) in [0, 1]."""
    height, width, channels = shots[0].shape
    images = [floats(shot) for shot in shots]
    # a product with ones is some ten times as fast as a mean over interleaved colours; any level near it would do
    share = np.full(height * width, 1 / (height * width), np.float32)
    means = [share @ image.reshape(-1, channels) for image in images]
    spectra = np.stack([transformed(image - mean) for image, mean in zip(images, means, strict=True)])
    shape = padded_shape(height, width)
    noise = _noise(spectra, shape, pair.optics.pixel_um)
    steps = tuple(round(z / Z_STEP_UM) for z in z_um)
    section = _section(pair.optics, steps, settings).of_channels(channels)
    focus = of_channels(signal.at(frequencies_of(pair.optics.pixel_um)), channels)
    specimen = focus / np.maximum(section.focus, LEAST_FOCUS)  # (C, F)
    specimen = specimen * _scale(spectra, section, specimen, noise, shape)[:, None]
    filters = _filters(section, noise[:, None] / specimen)
    restored = (over_plane(filters, shape) * spectra).sum(axis=0)
    return np.clip(image_of(restored, height, width) + np.mean(means, axis=0), 0, 1)


@lru_cache(maxsize=1024)
def _section(optics: OpticsSettings, z_steps: tuple[int, ...], settings: BaselineSettings) -> Powers:
    return powers(optics, np.array(z_steps) * Z_STEP_UM, settings, frequencies_of(optics.pixel_um))


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
