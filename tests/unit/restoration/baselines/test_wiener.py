"""Wiener restoration and offsets on specimens drawn from the model, where all is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tsva.acquisition.pair import Pair
from tsva.optics.otf import camera_otf
from tsva.restoration.baselines.offset_search import find_offset, microscopes, offsets_um
from tsva.restoration.baselines.one_by_one import Known
from tsva.restoration.baselines.plane import Signal, frequencies_of, image_of, over_plane, padded_shape, transformed
from tsva.restoration.baselines.wiener import wiener_blind, wiener_one_shot, wiener_two_shot
from tsva.restoration.layered_section import powers
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.restoration import BaselineSettings

OPTICS = OpticsSettings()
FLAT = BaselineSettings(section_thickness_um=0)
NOISE_SD = 0.006
SIZE = 192


def law(frequency_per_um: np.ndarray) -> np.ndarray:
    """Power of the specimen."""
    return 2e-4 * np.maximum(frequency_per_um, 0.01) ** -2.2


def in_focus() -> Signal:
    """What training slides would say: the specimen's power seen in focus."""
    frequency = np.linspace(0.01, 2.04, 200)
    focus = powers(OPTICS, np.zeros(1), FLAT, frequency).focus
    return Signal(frequency, np.maximum(law(frequency) * focus, 1e-12))


def specimen(seed: int, channels: int = 3) -> np.ndarray:
    """(C, Y, X // 2 + 1) spectrum of a periodic specimen with the power of `law`."""
    white = np.fft.rfft2(np.random.default_rng(seed).normal(size=(channels, SIZE, SIZE)))
    radius = np.hypot(np.fft.fftfreq(SIZE, OPTICS.pixel_um)[:, None], np.fft.rfftfreq(SIZE, OPTICS.pixel_um))
    spectrum = white * np.sqrt(law(radius))
    spectrum[:, 0, 0] = 0
    return spectrum


def shot(spectrum: np.ndarray, z_um: float, noise_sd: float, seed: int, spherical_um: float = 0.0) -> np.ndarray:
    """(Y, X, C) uint8 about 150 grey levels."""
    otf = camera_otf(OPTICS, np.array([z_um]), (SIZE, SIZE), spherical_um=spherical_um)[0, : len(spectrum)]
    image = 0.6 + np.fft.irfft2(spectrum * otf, s=(SIZE, SIZE))
    image = image + noise_sd * np.random.default_rng(seed).normal(size=image.shape)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)


def pair(
    focal_offset_um: float, seed: int = 0, channels: int = 3, noise_sd: float = NOISE_SD, spherical_um: float = 0.0
) -> tuple[Pair, np.ndarray]:
    """A pair of shots, and the image in focus without noise."""
    spectrum = specimen(seed, channels)
    low, high = (
        shot(spectrum, focal_offset_um + side * 0.5, noise_sd, 1000 + 3 * seed + side, spherical_um) for side in (-1, 1)
    )
    return Pair(low, high, 0.5, OPTICS, focal_offset_um), shot(spectrum, 0.0, 0.0, 0, spherical_um) / 255.0


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((image - target) ** 2)))


def test_images_come_back_from_their_spectra() -> None:
    image = np.random.default_rng(0).random((50, 61, 3)).astype(np.float32)
    np.testing.assert_allclose(image_of(transformed(image), 50, 61), image, atol=1e-6)
    assert transformed(image).shape == (3, padded_shape(50, 61)[0], padded_shape(50, 61)[1] // 2 + 1)


def test_radial_values_over_the_plane() -> None:
    shape = (64, 80)
    radius = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(80)[None, :])
    frequency = frequencies_of(1.0)
    np.testing.assert_allclose(over_plane(3 * frequency[None], shape)[0], 3 * radius, atol=1e-6)


def test_a_flat_section_is_the_textbooks_one() -> None:
    frequency = np.fft.rfftfreq(256, OPTICS.pixel_um)[:110]
    z_um = np.array([0.7, -0.3])
    found = powers(OPTICS, z_um, FLAT, frequency)
    # a single row of frequencies along x: the pixel acts along x alone there, along a diagonal in the section's rings
    otf = camera_otf(OPTICS, np.array([*z_um, 0.0]), (8, 256))[:, :, 0, :110]
    along, diagonal = np.sinc(frequency * OPTICS.pixel_um), np.sinc(frequency * OPTICS.pixel_um / np.sqrt(2)) ** 2
    lens = otf / along
    np.testing.assert_allclose(found.shots[0, 1], lens[0] * lens[1] * diagonal**2, atol=2e-4)
    np.testing.assert_allclose(found.target[1], lens[2] * lens[1] * diagonal**2, atol=2e-4)
    np.testing.assert_allclose(found.focus, (lens[2] * diagonal) ** 2, atol=2e-4)


def test_a_thick_section_lies_between_one_drawing_and_unrelated_layers() -> None:
    frequency = np.array([0.0, 0.3, 0.8])
    for depth, is_one in ((1e-3, False), (50.0, True)):
        settings = BaselineSettings(section_thickness_um=3.0, structure_depth_um=depth)
        found = powers(OPTICS, np.array([1.0]), settings, frequency)
        assert found.shots[0, 0, :, 0] == pytest.approx([1, 1, 1], abs=1e-6)
        # of one drawing all through, all powers are products of one mean transfer function
        product = found.shots[0, 0] * found.focus - found.target[0] ** 2
        assert (np.abs(product).max() < 1e-3) == is_one


@pytest.mark.parametrize("focal_offset_um", [0.0, 1.0, 2.0, 3.0])
def test_more_is_known_from_two_shots_than_from_one_than_from_none(focal_offset_um: float) -> None:
    gains = []
    for seed in range(3):
        shots, target = pair(focal_offset_um, seed)
        one, two = (method(shots, Known(FLAT, in_focus())).image for method in (wiener_one_shot, wiener_two_shot))
        y1 = shots.low / 255.0 if focal_offset_um > 0 else shots.high / 255.0
        gains.append([psnr(y1, target), psnr(one, target), psnr(two, target)])
    captured, one_shot, two_shots = np.mean(gains, axis=0)
    assert captured < one_shot < two_shots


def test_order_of_capture_changes_the_sign_of_the_offset_alone() -> None:
    shots, _ = pair(1.5)
    swapped = Pair(shots.high, shots.low, 0.5, OPTICS, -1.5)
    there, back = (wiener_blind(one, Known(FLAT, in_focus())) for one in (shots, swapped))
    assert there.focal_offset_um == pytest.approx(
        -back.focal_offset_um, abs=1e-9
    ) and there.focal_offset_sd_um == pytest.approx(back.focal_offset_sd_um)
    np.testing.assert_allclose(there.image, back.image, atol=1e-6)


def test_an_offset_all_but_known_is_a_known_one() -> None:
    shots, _ = pair(1.5)
    for method in (wiener_one_shot, wiener_two_shot):
        known, nearly = (
            method(replace(shots, focal_offset_within_um=within), Known(FLAT, in_focus())).image
            for within in (0.0, 1e-6)
        )
        np.testing.assert_allclose(known, nearly, atol=1e-5)


def test_saying_how_well_an_offset_is_known_pays_where_it_is_wrong() -> None:
    """Told 2 µm where the truth lies evenly within half a micrometre of it: means over all that may be do best."""
    trusting, careful = [], []
    for seed, focal_offset_um in enumerate(np.linspace(1.5, 2.5, 9)):
        shots, target = pair(float(focal_offset_um), seed)
        for found, within in ((trusting, 0.0), (careful, 0.5)):
            told = replace(shots, focal_offset_um=2.0, focal_offset_within_um=within)
            found.append(np.mean((wiener_two_shot(told, Known(FLAT, in_focus())).image - target) ** 2))
    assert np.mean(careful) < np.mean(trusting)
    # and most where what was told is farthest from the truth
    assert careful[0] < 0.75 * trusting[0] and careful[-1] < trusting[-1]


def test_chances_of_offsets_add_up_and_lie_about_the_one_found() -> None:
    found = find_offset(pair(1.0)[0], in_focus(), FLAT)
    assert found.chances.sum() == pytest.approx(1, abs=1e-12) and found.chances.min() >= 0
    chances, grid = found.chances.sum(axis=0), offsets_um(FLAT)
    mean = float(chances @ grid)
    assert mean == pytest.approx(found.focal_offset_um, abs=0.1)  # mean and mode of a posterior that is not quite even
    assert np.sqrt(chances @ (grid - mean) ** 2) == pytest.approx(found.focal_offset_sd_um, abs=0.02)


def test_the_nominal_microscope_is_as_likely_as_all_others_together() -> None:
    kin = microscopes(OPTICS)
    chances = {(one.optics.model, one.spherical_um): np.exp(one.log_chance) for one in kin}
    assert len(chances) == len(kin) == 6
    assert sum(chances.values()) == pytest.approx(1) and chances["born_wolf", 0.0] == pytest.approx(0.5)
    for (model, spherical_um), chance in chances.items():
        assert chances[model, -spherical_um] == pytest.approx(chance)  # so that capture has no order
    assert chances["debye", 0.0] > chances["debye", 0.02]


@pytest.mark.parametrize("spherical_um", [-0.03, 0.03])
def test_an_aberration_and_its_sign_are_told_from_two_shots(spherical_um: float) -> None:
    given, known = [], []
    for seed, focal_offset_um in enumerate((-2.5, -1.5, 1.5, 2.5)):
        shots, target = pair(focal_offset_um, seed, spherical_um=spherical_um)
        found = find_offset(shots, in_focus(), FLAT)
        sign = np.sign([one.spherical_um for one in microscopes(OPTICS)]) * np.sign(spherical_um)
        assert found.chances[sign > 0].sum() > 2 * found.chances[sign < 0].sum()
        given.append(psnr(wiener_blind(shots, Known(FLAT, in_focus())).image, target))
        known.append(psnr(wiener_two_shot(shots, Known(FLAT, in_focus())).image, target))
    # not knowing the offset costs less than being told the wrong microscope
    assert np.mean(given) > np.mean(known)


def test_oracles_say_so_when_they_are_told_nothing() -> None:
    shots, _ = pair(1.0)
    with pytest.raises(ValueError, match="isn't known"):
        wiener_two_shot(Pair(shots.low, shots.high, 0.5, OPTICS), Known(FLAT, in_focus()))


@pytest.mark.parametrize(("shape", "channels"), [((37, 64), 3), ((64, 65), 1)])
def test_any_size_and_grey(shape: tuple[int, int], channels: int) -> None:
    shots, _ = pair(0.8, channels=channels)
    height, width = shape
    part = Pair(shots.low[:height, :width], shots.high[:height, :width], 0.5, OPTICS, 0.8)
    restored = wiener_blind(part, Known(BaselineSettings(), in_focus()))
    assert restored.image.shape == (height, width, channels) and np.isfinite(restored.image).all()


def test_nothing_but_noise_is_averaged_away() -> None:
    random = np.random.default_rng(0)
    low, high = (np.rint(150 + 3 * random.normal(size=(2, 96, 96, 3)))).astype(np.uint8)
    faint = Signal(in_focus().frequency_per_um, in_focus().power * 1e-9)
    restored = wiener_two_shot(Pair(low, high, 0.5, OPTICS, 0.0), Known(FLAT, faint)).image
    assert np.std(restored) < 0.1 * 3 / 255


@pytest.mark.parametrize("focal_offset_um", [-2.6, -1.5, -0.7, 0.0, 0.4, 1.0, 1.8, 3.0])
def test_offsets_of_flat_specimens_are_found(focal_offset_um: float) -> None:
    errors = [
        find_offset(pair(focal_offset_um, seed)[0], in_focus(), FLAT).focal_offset_um - focal_offset_um
        for seed in range(4)
    ]
    assert np.abs(errors).max() < 0.15  # a step and a half of the grid


def test_an_offset_beyond_reach_is_flagged() -> None:
    near = BaselineSettings(section_thickness_um=0, offset_reach_um=1.0)
    assert wiener_blind(pair(1.6)[0], Known(near, in_focus())).failure
    assert not wiener_blind(pair(0.3)[0], Known(near, in_focus())).failure
