"""The camera: what noise, lamp and rounding do to a known light."""

from __future__ import annotations

import numpy as np
import pytest

from tsva.optics.camera import expose, illumination, noise_sd
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings

EVEN = MicroscopeSettings(falloff=0, white_level=(0.9, 0.8, 0.7))
SIDE = 600
LAMP = illumination(EVEN, SIDE, SIDE)


@pytest.mark.parametrize("transmitted", [0.25, 0.5, 1.0])
def test_noise_has_the_variance_of_photons_reading_and_rounding(transmitted: float) -> None:
    """The sample variance of N draws scatters by √(2/N); five of those.

    Rounding adds 1/12 step² of its own while the noise spans half a step and more (to 1 %; hence these levels).
    """
    picture = expose(np.full((SIDE, SIDE, 3), transmitted, np.float32), LAMP, EVEN, np.random.default_rng(0)) / 255
    levels = transmitted * np.array(EVEN.white_level)
    expected = noise_sd(levels, EVEN)
    assert picture.var(axis=(0, 1)) == pytest.approx(expected**2, rel=5 * np.sqrt(2 / SIDE**2) + 0.01)
    assert picture.mean(axis=(0, 1)) == pytest.approx(levels, abs=5 * expected.max() / SIDE)


def test_noise_near_white_is_what_the_docs_say() -> None:
    microscopes = SimulateSettings().microscopes
    assert round(float(noise_sd(0.92, microscopes["nominal"])), 3) == 0.006
    assert round(float(noise_sd(0.90, microscopes["other_lab"])), 3) == 0.008


def test_noise_is_white_and_its_own_in_every_colour() -> None:
    picture = expose(np.ones((SIDE, SIDE, 3), np.float32), LAMP, EVEN, np.random.default_rng(1)).astype(float)
    noise = (picture - picture.mean(axis=(0, 1))) / picture.std(axis=(0, 1))
    bound = 5 / SIDE
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < bound
    assert abs((noise[1:] * noise[:-1]).mean()) < bound
    assert abs((noise[..., 0] * noise[..., 1]).mean()) < bound


def test_without_noise_the_response_is_linear_and_rounded() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, -1, 1).repeat(3, axis=2)
    picture = expose(ramp, illumination(EVEN, 1, 256), EVEN)
    assert np.array_equal(picture, np.rint(ramp * np.array(EVEN.white_level, np.float32) * 255).astype(np.uint8))


def test_full_scale_and_darkness_are_the_ends() -> None:
    light = np.array([[[-0.1, 0.0, 2.0]]], np.float32)
    assert expose(light, np.ones(3), EVEN).tolist() == [[[0, 0, 255]]]


def test_lamp_is_brightest_at_its_centre_and_lacks_its_share_in_the_far_corner() -> None:
    lamp = illumination(MicroscopeSettings(falloff=0.08, lamp_centre=(0.25, 0.5)), 400, 300)[..., 1] / 0.92
    assert np.unravel_index(lamp.argmax(), lamp.shape)[0] in (99, 100)
    assert lamp.max() == pytest.approx(1, abs=1e-5)
    assert lamp[-1, 0] == pytest.approx(1 - 0.08, abs=5e-4)
    assert lamp[-1, 0] == lamp.min()
