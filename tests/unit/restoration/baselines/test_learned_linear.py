"""Filters that are learned, where the best linear ones are known in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tsva.acquisition.pair import Pair
from tsva.acquisition.shot_spectra import RINGS, ShotSpectra, shot_spectra
from tsva.restoration.baselines.learned_linear import filters, learned_linear
from tsva.restoration.baselines.one_by_one import Known
from tsva.restoration.baselines.plane import FREQUENCIES
from tsva.settings.acquisition import OpticsSettings
from tsva.stage_files import read_arrays

Z_UM = np.arange(-2, 3) * 0.5
SIGNAL_SD, NOISE_SD = 12.0, 8.0
"""Grey levels; signal and noise are white and independent."""


def patches(count: int, channels: int = 1, seed: int = 0, noise_sd: float = NOISE_SD) -> list[tuple]:
    """Stacks whose planes are the truth with noise of their own."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        truth = 128 + SIGNAL_SD * random.standard_normal((64, 64, channels))
        stack = truth + noise_sd * random.standard_normal((len(Z_UM), 64, 64, channels))
        found.append((np.rint(stack).astype(np.uint8), np.rint(truth).astype(np.uint8), 0.0))
    return found


def test_rings_are_those_that_filters_are_laid_over() -> None:
    assert RINGS == FREQUENCIES


def test_shots_that_are_the_truth_with_noise_are_averaged_and_damped() -> None:
    """The best weights of both are S / (2 S + N); scatter of a ring of n frequencies in 40 patches about 1/√(40 n)."""
    offsets_um, found = filters(shot_spectra(patches(40), Z_UM, clean=True), 0.5)
    np.testing.assert_allclose(offsets_um, [-0.5, 0.0, 0.5], atol=1e-9)
    wanted = SIGNAL_SD**2 / (2 * SIGNAL_SD**2 + NOISE_SD**2 + 1 / 12)
    np.testing.assert_allclose(found[:, 0, :, 20:100].mean(axis=-1), wanted, atol=0.02)


def test_colours_help_each_other() -> None:
    """Two channels with the same truth and noise of their own: four shots in place of two."""
    both = [(np.repeat(stack, 2, axis=-1), np.repeat(truth, 2, axis=-1)) for stack, truth, _ in patches(40, noise_sd=0)]
    random = np.random.default_rng(1)
    noisy = [
        (np.rint(s + NOISE_SD * random.standard_normal(s.shape)).astype(np.uint8), truth, 0.0) for s, truth in both
    ]
    _, found = filters(shot_spectra(noisy, Z_UM, clean=True), 0.5)
    wanted = SIGNAL_SD**2 / (4 * SIGNAL_SD**2 + NOISE_SD**2 + 1 / 12)
    np.testing.assert_allclose(found[..., 20:100].mean(axis=-1), wanted, atol=0.02)


def test_a_captured_truth_teaches_nothing_where_it_is_a_shot() -> None:
    wide = np.arange(-4, 5) * 0.25
    stacks = [(np.concatenate([stack, stack[:4]]), truth, 0.0) for stack, truth, _ in patches(2)]
    offsets_um, _ = filters(shot_spectra(stacks, wide, clean=False), 0.5)
    np.testing.assert_allclose(offsets_um, [-0.25, 0.0, 0.25], atol=1e-9)


def test_error_is_that_of_the_best_linear_estimate() -> None:
    """S N / (2 S + N) is left of the truth's power."""
    known = Known(shots=shot_spectra(patches(40), Z_UM, clean=True))
    stack, truth, _ = patches(1, seed=9)[0]
    pair = Pair(stack[1], stack[3], 0.5, OpticsSettings(), focal_offset_um=0.0)
    error = 255 * learned_linear(pair, known).image - truth
    power, noise = SIGNAL_SD**2, NOISE_SD**2
    assert error.std() == pytest.approx(np.sqrt(power * noise / (2 * power + noise)), rel=0.05)


def test_planes_beside_the_focus_count_by_where_they_lie() -> None:
    """Planes that are the truth by shares that fall by 0.2 a step, with noise of their own: spectra at positions 0.3
    steps below the planes, where the share is larger by 0.06; noise stays in each plane's power."""
    random, shares = np.random.default_rng(3), 1.0 - 0.2 * np.arange(5)
    truth = 40 * random.standard_normal((64, 64, 1))
    stack = shares[:, None, None, None] * truth + 5 * random.standard_normal((5, 64, 64, 1))
    images = (np.clip(np.rint(128 + values), 0, 255).astype(np.uint8) for values in (stack, truth))
    planes, target = images
    above, below, there = (
        shot_spectra([(planes, target, beside)], Z_UM, clean=True).gram[20:100].mean(axis=0)
        for beside in (0.3, -0.3, 0)
    )
    power = there[-1, -1]
    np.testing.assert_allclose(above[1:5, -1] / power, shares[1:] + 0.06, atol=0.02)
    np.testing.assert_allclose(below[:4, -1] / power, shares[:4] - 0.06, atol=0.02)
    np.testing.assert_allclose(above[0, [0, -1]], there[0, [0, -1]])
    assert min(np.linalg.eigvalsh(spectra).min() for spectra in (above, below)) > 0
    noise = np.diag(above)[2:4] / power - (0.7 * shares[2:4] ** 2 + 0.3 * shares[1:3] ** 2)
    np.testing.assert_allclose(noise, 25 / 1600, atol=0.006)


def test_spectra_survive_their_file(tmp_path: Path) -> None:
    spectra = shot_spectra(patches(2), Z_UM, clean=True)
    np.savez(tmp_path / "shots.npz", **{name: np.asarray(value) for name, value in vars(spectra).items()})
    found = ShotSpectra.of_arrays(read_arrays(tmp_path / "shots.npz"))
    np.testing.assert_array_equal(found.gram, spectra.gram)
    assert (found.clean, found.patches, found.channels) == (True, 2, 1)


def test_what_does_not_fit_is_said() -> None:
    spectra = shot_spectra(patches(1), Z_UM, clean=True)
    with pytest.raises(ValueError, match="fewer than two offsets"):
        filters(spectra, 0.4)
    with pytest.raises(ValueError, match="offset isn't known"):
        learned_linear(Pair(*[np.zeros((8, 8, 1), np.uint8)] * 2, 0.5, OpticsSettings()), Known(shots=spectra))
    with pytest.raises(ValueError, match="no patches"):
        shot_spectra([], Z_UM, clean=True)
