"""Abbe's method slice by slice: what is known of it, and the fast model in the limit where both are right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tsva.optics.camera import Grid
from tsva.optics.imaging import image_specimen
from tsva.optics.multislice import image_multislice
from tsva.optics.otf import OtfTable
from tsva.optics.pupil import travel_per_depth
from tsva.optics.specimen import Specimen
from tsva.settings.acquisition import OpticsSettings

OPTICS = OpticsSettings(bandwidth_um=0, condenser_ratio=0.7, mountant_index=1.52)
GRID = Grid((32, 32), OPTICS.pixel_um, 2)
SHAPE = (64, 64)
FLAT = np.zeros(SHAPE, np.float32)


def _slab(density: np.ndarray, depth_um: float) -> Specimen:
    light = np.exp(-np.repeat(density[:, :, None], 3, axis=2)).astype(np.float32)
    return Specimen(light, FLAT + np.float32(depth_um), FLAT, OPTICS.pixel_um / 2)


def _stack(images: Iterator[tuple[int, int, np.ndarray]], planes: int) -> np.ndarray:
    stack = np.full((planes, 3, *GRID.shape_px), np.nan)
    for plane, channel, image in images:
        stack[plane, channel] = image
    assert np.isfinite(stack).all()
    return stack


def _slices(
    slabs: list[Specimen],
    z_um: np.ndarray,
    optics: OpticsSettings,
    *,
    spacing_um: float = 0.5,
    points: int = 16,
    spherical_um: float = 0.0,
) -> np.ndarray:
    images = image_multislice(
        slabs, FLAT, z_um, optics, GRID, spacing_um=spacing_um, points=points, spherical_um=spherical_um
    )
    return _stack(images, len(z_um))


def test_even_absorbers_multiply() -> None:
    """Nothing scatters: three slabs let 0.7 · 0.5 · 0.9 through, at every focus."""
    slabs = [_slab(FLAT - np.log(share), depth) for share, depth in ((0.7, -1.2), (0.5, 0.0), (0.9, 1.2))]
    assert _slices(slabs, np.array([-4.0, 0.0, 3.0]), OPTICS) == pytest.approx(0.7 * 0.5 * 0.9, abs=2e-5)


def test_empty_glass_is_one() -> None:
    assert _slices([_slab(FLAT, 0.0)], np.array([0.0, 2.0]), OPTICS) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("model", "spherical_um", "condenser"), [("born_wolf", 0.0, 0.7), ("debye", 0.04, 0.7), ("born_wolf", 0.0, 1.0)]
)
def test_weak_absorption_images_as_the_transfer_function_says(
    model: str, spherical_um: float, condenser: float
) -> None:
    """One thin weak layer: all that differs is the number of source points. With the aberration's sign turned about
    the two are unlike."""
    optics = OPTICS.model_copy(update={"model": model, "condenser_ratio": condenser})
    slab = _slab(0.02 * np.random.default_rng(1).random(SHAPE, np.float32), 0.8)
    z_um = np.array([-2.0, -0.5, 1.0])
    truth = _slices([slab], z_um, optics, points=400, spherical_um=spherical_um)

    def apart(sign: int) -> float:
        images = image_specimen(
            slab,
            FLAT,
            z_um,
            lambda reach: OtfTable(optics, reach, sign * spherical_um),
            GRID,
            spacing_um=0.5,
            travel_per_depth=travel_per_depth(optics),
        )
        return float(np.std(_stack(images, 3) - truth) / np.std(truth))

    assert apart(1) < 0.03
    if spherical_um:
        assert apart(-1) > 0.2


@pytest.mark.parametrize("model", ["born_wolf", "debye"])
def test_matter_in_the_mountant_comes_into_focus_after_its_apparent_depth(model: str) -> None:
    """Waves through 4 µm of mountant and a stage in air know nothing of the ratio: points have most contrast where
    the stage has gone 4 µm times it."""
    optics, depth_um = OPTICS.model_copy(update={"model": model}), 4.0
    slab = _slab(0.1 * (np.random.default_rng(2).random(SHAPE) < 0.02).astype(np.float32), depth_um)
    ratio = travel_per_depth(optics)
    z_um = -depth_um * ratio + np.array([-0.4, 0.0, 0.4])
    contrast = _slices([slab], z_um, optics, points=64, spacing_um=0.2)[:, 1].std(axis=(1, 2))
    bend, slope, _ = np.polyfit(z_um + depth_um * ratio, contrast, 2)
    assert bend < 0
    assert -slope / (2 * bend) == pytest.approx(0, abs=0.05)  # depth as stage travel would be 1.4 µm off


def test_light_that_two_layers_share_is_absorbed_twice() -> None:
    """Where two unlike layers lie far apart their images multiply, as the fast model has it; sums are farther off."""
    rng = np.random.default_rng(3)
    shapes = [np.kron(rng.random((8, 8)) < 0.5, np.ones((8, 8))) for _ in range(2)]
    slabs = [_slab((1.2 * shape).astype(np.float32), depth) for shape, depth in zip(shapes, (-3.0, 3.0), strict=True)]
    z_um = np.array([-2.0, 2.0])
    truth = _slices(slabs, z_um, OPTICS, points=128, spacing_um=1.0)
    errors = {}
    for absorption in ("multiplies", "adds"):
        images = image_specimen(
            slabs,
            FLAT,
            z_um,
            lambda reach: OtfTable(OPTICS, reach),
            GRID,
            spacing_um=0.5,
            travel_per_depth=1 / 1.52,
            absorption=absorption,
        )
        errors[absorption] = np.sqrt(np.mean((_stack(images, 2) - truth) ** 2))
    assert errors["multiplies"] < 0.5 * errors["adds"]


def test_what_it_cannot_do_is_reported() -> None:
    with pytest.raises(ValueError, match="condenser_ratio"):
        _slices([_slab(FLAT, 0.0)], np.zeros(1), OpticsSettings())
    with pytest.raises(ValueError, match="not even"):
        _slices([_slab(FLAT, 0.0)], np.zeros(1), OPTICS, points=15)
