"""A slide of known focus, shift and noise, surveyed."""

from __future__ import annotations

import numpy as np
import pytest

from tsva.acquisition.stack import Stack
from tsva.optics.otf import camera_otf
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import SimulateSettings
from tsva.simulation.simulate import simulate_slide
from tsva.slides.survey import Survey
from tsva.slides.surveyor import survey
from tsva.slides.two_planes import ArrayPlanes

OPTICS = OpticsSettings()
DELTA_UM = 0.5


def tissue(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(3, height, width) made-up transmittance whose power falls as f^-2.6."""
    random = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    shape = np.maximum(radius, 1 / 200) ** -1.3
    field = np.fft.irfft2(np.fft.rfft2(random.standard_normal((height, width))) * shape, (height, width))
    field = (field - field.mean()) / field.std()
    return np.stack([0.6 + strength * field for strength in (0.05, 0.08, 0.04)])


def shots(
    offset_um: float, *, shift_px: tuple[float, float] = (0, 0), edge: int = 512, seed: int = 0, noise: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high shot of one focal offset; the high one's content lies `shift_px` farther."""
    specimen = np.fft.rfft2(tissue(edge, edge, seed))
    otf = camera_otf(OPTICS, np.array([offset_um - DELTA_UM, offset_um + DELTA_UM]), (edge, edge))
    fy, fx = np.fft.fftfreq(edge)[:, None], np.fft.rfftfreq(edge)[None, :]
    moved = np.exp(-2j * np.pi * (fy * shift_px[0] + fx * shift_px[1]))
    random = np.random.default_rng(seed + 1)
    taken = []
    for transfer in (otf[0], otf[1] * moved):
        image = np.fft.irfft2(specimen * transfer, (edge, edge)).transpose(1, 2, 0) * 255
        taken.append(np.clip(np.rint(image + noise * random.standard_normal(image.shape)), 0, 255).astype(np.uint8))
    return taken[0], taken[1]


def surveyed(low: np.ndarray, high: np.ndarray, **more: int) -> Survey:
    return survey(ArrayPlanes(low, high, OPTICS.pixel_um, DELTA_UM), optics=OPTICS, progress=False, **more)


@pytest.mark.parametrize("offset_um", [-2.0, -0.75, 0.0, 1.25])
def test_offsets_of_a_thin_section_are_found_with_their_sign(offset_um):
    found = surveyed(*shots(offset_um))
    assert found.offset_known.all()
    # the model's sections have depth, this one has none: a tenth of the offset, and the scatter of a cell
    assert np.median(found.focal_offset_um) == pytest.approx(offset_um, abs=0.1 + 0.15 * abs(offset_um))
    assert (np.abs(found.focal_offset_um - offset_um) < 4 * found.focal_offset_sd_um + 0.15).mean() > 0.95
    if offset_um:
        assert (found.high_is_nearer() == (offset_um < 0)).all()


def test_exchanging_the_shots_changes_the_signs_alone():
    low, high = shots(1.0, shift_px=(0.4, -0.3))
    one, two = surveyed(low, high), surveyed(high, low)
    np.testing.assert_allclose(two.focal_offset_um, -one.focal_offset_um, atol=0.02)
    np.testing.assert_allclose(two.shift_px, -one.shift_px, atol=0.01)
    np.testing.assert_allclose(two.copy_rmse, one.copy_rmse, rtol=0.02)


def test_noise_and_the_copys_error_are_those_of_the_images():
    low, high = shots(1.5, noise=2.0)
    found = surveyed(low, high)
    level = found.level.mean(axis=(0, 1))
    # twice a level of noise, and rounding
    np.testing.assert_allclose(found.noise[:, 0] + found.noise[:, 1] * level, (4 + 1 / 12) / 255**2, rtol=0.1)
    still = np.fft.irfft2(np.fft.rfft2(tissue(512, 512)) * camera_otf(OPTICS, np.zeros(1), (512, 512))[0], (512, 512))
    true = np.sqrt(np.mean((low / 255 - still.transpose(1, 2, 0)) ** 2))
    assert np.sqrt(np.mean(found.copy_rmse**2)) == pytest.approx(true, rel=0.25)


def test_blocks_change_nothing():
    low, high = shots(0.8, edge=600)
    low, high = low[:570, :590], high[:570, :590]
    one, two = surveyed(low, high, block_px=256), surveyed(low, high, block_px=2048)
    # transforms of other batches round otherwise, and spectra are kept in half precision
    for name in ("glass", "focal_offset_um", "copy_rmse", "shift_px", "noise", "sharpness_low"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-3, atol=1e-3)
    assert one.focal_offset_um.shape == (9, 10)


def test_empty_glass_is_glass():
    random = np.random.default_rng(0)
    empty = np.clip(np.rint(235 + 1.5 * random.standard_normal((2, 256, 320, 3))), 0, 255).astype(np.uint8)
    found = surveyed(empty[0], empty[1])
    assert found.glass.all()
    assert not found.misregistered.any()
    assert not found.offset_known.any()
    assert np.isnan(found.delta_scale)


def test_brightness_is_the_ratio_of_the_levels():
    low, high = shots(0.6)
    brighter = np.clip(np.rint(high * 1.03), 0, 255).astype(np.uint8)
    np.testing.assert_allclose(surveyed(low, brighter).brightness, 1.03, rtol=2e-3)


@pytest.fixture(scope="module")
def section() -> Stack:
    """A z-stack of digital tissue, whose structures reach through a part of the section alone."""
    settings = SimulateSettings(fields={"train": 1}, field_px=(512, 512), draws=0, section_layers=3, fine_detail=1.0)
    row = SlideRow(slide="A", patient="P", sample="S", role="train", source="simulated", tissue="glandular")
    (field,) = simulate_slide(row, settings, PairsSettings(), OPTICS, seed=23)
    assert field.stack is not None
    return field.stack


def planes_about(section: Stack, offset_um: float, stated_um: float) -> Survey:
    """Of two planes 1 µm apart, whose half distance is stated to be `stated_um`."""
    low, high = (section.planes[int(np.argmin(np.abs(section.z_um - (offset_um + d))))] for d in (-0.5, 0.5))
    return survey(ArrayPlanes(low, high, OPTICS.pixel_um, stated_um), optics=OPTICS, progress=False)


def test_the_planes_of_a_layered_section_are_as_far_apart_as_stated(section):
    right = planes_about(section, -2.0, 0.5)
    assert not right.distance_seems_wrong
    assert right.delta_scale == pytest.approx(1.0, abs=0.12)
    assert planes_about(section, -2.0, 0.5 / 1.25).distance_seems_wrong


def test_near_focus_the_planes_distance_is_not_known(section):
    found = planes_about(section, 0.0, 0.5)
    assert np.isnan(found.delta_scale)
    assert not found.distance_seems_wrong
