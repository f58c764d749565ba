"""Brightness of planes: what counts as a difference, what was stretched, and what matching does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from tsva.acquisition.brightness import (
    BrightnessRecorder,
    check_brightness,
    gains,
    is_stretched,
    matched,
    spread,
)
from tsva.errors import UserError
from tsva.settings.ingest import IngestSettings

LIMIT = IngestSettings().max_brightness_spread


def _stack(seed: int = 1, channels: int = 3) -> np.ndarray:
    """Nuclei on bright glass, defocused by up to 6 pixels, (Z, Y, X, C) float; sharp in plane 5. Noise of 1 level."""
    rng = np.random.default_rng(seed)
    spots = gaussian_filter((rng.random((160, 192)) < 0.004).astype(float), 3)
    field = 225 - 110 * np.clip(spots / spots.max() * 2, 0, 1)
    tint = np.array([1.0, 0.85, 0.95])[:channels]
    planes = np.stack([gaussian_filter(field, 1.2 * abs(z - 5), mode="wrap")[..., None] * tint for z in range(11)])
    return planes + rng.normal(0, 1, planes.shape)


def _bytes(planes: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(planes), 0, 255).astype(np.uint8)


def _watched(planes: np.ndarray) -> BrightnessRecorder:
    watch = BrightnessRecorder()
    assert all(np.array_equal(given, taken) for given, taken in zip(planes, watch.over(planes), strict=True))
    return watch


def _stretched(planes: np.ndarray, saturated: float, *, by_channel: bool) -> np.ndarray:
    """As by automatic contrast of each plane: a share of its values is saturated, half at either end."""
    axes = (0, 1) if by_channel else (0, 1, 2)
    out = []
    for plane in planes:
        low, high = np.quantile(plane, [saturated / 2, 1 - saturated / 2], axis=axes)
        out.append((plane - low) / (high - low) * 255)
    return _bytes(np.array(out))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_plane_s_means_and_extremes(channels: int) -> None:
    plane = np.random.default_rng(0).integers(7, 90, (40, 50, channels), dtype=np.uint8)
    (found,) = _watched(plane[None]).planes
    assert found.means == pytest.approx(plane.mean(axis=(0, 1)).tolist(), rel=1e-12)
    assert (found.darkest, found.brightest) == (plane.min(), plane.max())
    assert found.at_ends == pytest.approx(np.mean((plane == plane.min()) | (plane == plane.max())), rel=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_defocus_alone_is_no_difference(channels: int) -> None:
    planes = _bytes(_stack(channels=channels))
    found = _watched(planes).planes
    assert spread(found) < 0.002  # energy is conserved; whole grey levels are not
    assert check_brightness(found, "f", IngestSettings(), "train") == ""


@given(deviation=st.floats(0.02, 0.2), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_gain_is_measured_warned_of_and_matched(deviation: float, seed: int) -> None:
    draws = 1 - deviation * np.random.default_rng(seed).random(11)
    steady = _stack(seed)
    planes = _bytes(steady * draws[:, None, None, None])
    found = _watched(planes).planes
    assert spread(found) == pytest.approx(np.ptp(draws) / np.median(draws), abs=0.004)
    factors = gains(np.array([plane.means for plane in found]))
    assert factors == pytest.approx((np.median(draws) / draws)[:, None] * np.ones(3), abs=0.004)
    warning = check_brightness(found, "f", IngestSettings(), "train")
    assert ("brightness differs by" in warning) == (spread(found) > LIMIT)
    after = np.stack(list(matched(planes, factors)))
    assert spread(_watched(after).planes) < 0.006  # a grey level of 180; flat glass rounds to one side
    # rounded twice, once before and once after a factor of up to 1.25
    assert np.abs(after - steady * np.median(draws)).max() < 2.5


@pytest.mark.parametrize("saturated", [0.0, 0.0035, 0.01])
@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_planes_stretched_to_their_own_range_are_refused(saturated: float, by_channel: bool, channels: int) -> None:
    planes = _stretched(_stack(channels=channels), saturated, by_channel=by_channel)
    found = _watched(planes).planes
    assert is_stretched(found, LIMIT)
    with pytest.raises(
        UserError, match=r"^f: got planes stretched each to its own range .* without automatic contrast"
    ):
        check_brightness(found, "f", IngestSettings(), "train")
    accepted = check_brightness(found, "f", IngestSettings(stretched_planes="accept"), "train")
    assert "stretched each to its own range" in accepted
    assert "stretched each to its own range" in check_brightness(found, "f", IngestSettings(), "refocus")


def test_a_whole_stack_stretched_by_one_scale_is_as_good_as_taken() -> None:
    planes = _stack()
    whole = _bytes((planes - planes.min()) / np.ptp(planes) * 255)
    assert not is_stretched(_watched(whole).planes, LIMIT)


def test_overexposed_glass_and_black_dirt_are_no_stretching() -> None:
    """Every plane reaches both ends, and the lamp flickers; but a large share of the field is white."""
    planes = _stack() * (1.2 + 0.05 * np.random.default_rng(2).random((11, 1, 1, 1)))
    planes[:, :9, :9] = 0
    found = _watched(_bytes(planes)).planes
    assert {(plane.darkest, plane.brightest) for plane in found} == {(0, 255)}
    assert spread(found) > LIMIT
    assert not is_stretched(found, LIMIT)


def test_noise_is_no_stretched_field() -> None:
    planes = np.random.default_rng(3).integers(0, 256, (5, 64, 80, 3), dtype=np.uint8)
    assert not is_stretched(_watched(planes).planes, 0.0)


def test_black_planes_have_no_gain() -> None:
    assert gains(np.array([0.0, 100.0, 200.0])).tolist() == [1, 1, 0.5]
    assert spread(_watched(np.zeros((3, 32, 32, 1), np.uint8)).planes) == 0


def test_the_digest_is_the_pixels() -> None:
    planes = _bytes(_stack())
    assert _watched(planes).digest == _watched(planes.copy()).digest
    other = planes.copy()
    other[3, 5, 5, 0] ^= 1
    assert len({_watched(p).digest for p in (planes, other, planes[1:], planes[:-1])}) == 4


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        (lambda planes: planes // 16, "no pixel is brighter than grey level 15"),
        (lambda planes: planes // 16 * 16, "most grey levels are not used"),
        (lambda planes: planes // 2 * 2, ""),
        (lambda planes: planes, ""),
    ],
)
def test_grey_levels_that_were_lost_are_reported(lost: Callable[[np.ndarray], np.ndarray], says: str) -> None:
    rng = np.random.default_rng(5)
    planes = np.clip(rng.normal(150, 30, (5, 64, 64, 1)), 0, 255).astype(np.uint8)
    found = check_brightness(_watched(lost(planes)).planes, "a.tif", IngestSettings(max_brightness_spread=1), "train")
    assert found.startswith(says) and bool(found) == bool(says)
