"""Shift and scale between planes: known ones are found, and what can't be known isn't said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import affine_transform, gaussian_filter

from tsva.acquisition.focus import focus_field
from tsva.acquisition.registration import align, all_aligned, breathing, scale_trend
from tsva.acquisition.stack import Stack
from tsva.settings.ingest import FocusSettings

SMEAR = Path(__file__).parent / "smear"
FOCUS = 4


def _stack(
    scale: np.ndarray,
    shift_px: np.ndarray,
    shape: tuple[int, int] = (180, 220),
    noise: float = 1.5,
    gains: np.ndarray | None = None,
    seed: int = 1,
) -> np.ndarray:
    """Texture that blurs by 1 pixel a plane on either side of `FOCUS`, moved, with noise; (Z, Y, X, 1) uint8."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.normal(0, 1, shape), 2)
    field = 180 + 25 * texture / texture.std()
    middle = (np.array(shape) - 1) / 2
    planes = []
    for number, (magnification, moved) in enumerate(zip(scale, shift_px, strict=True)):
        blurred = gaussian_filter(field, 1.0 * abs(number - FOCUS))
        # content at p lies at magnification · p - moved: pixel q shows the field's (q + moved) / magnification
        offset = middle + (moved - middle) / magnification
        plane = affine_transform(blurred, np.full(2, 1 / magnification), offset, order=3, mode="reflect")
        planes.append(plane * (1 if gains is None else gains[number]) + rng.normal(0, noise, shape))
    return np.clip(np.rint(planes), 0, 255).astype(np.uint8)[..., None]


@given(
    percent=st.floats(0.1, 1.0),
    sign=st.sampled_from((-1, 1)),
    drift=st.tuples(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7)),
    seed=st.integers(0, 99),
)
@settings(max_examples=12)
def test_a_known_scale_and_drift_are_found(percent: float, sign: int, drift: tuple[float, float], seed: int) -> None:
    steps = np.arange(9) - FOCUS
    scale, shift_px = 1 + sign * percent / 100 * steps, steps[:, None] * np.array(drift)
    gains = 1 + 0.03 * np.random.default_rng(seed).uniform(-1, 1, 9)
    found = align(_stack(scale, shift_px, gains=gains, seed=seed), FOCUS)
    # a fifth of a pixel at the edge of the field, 110 pixels from its centre, up to four planes away
    assert (found.scale - scale) * 110 == pytest.approx(np.zeros(9), abs=0.2)
    assert found.shift_px == pytest.approx(shift_px, abs=0.15)
    assert (scale_trend(found.scale, steps * 0.5, FOCUS) - scale) * 110 == pytest.approx(np.zeros(9), abs=0.2)


def test_steady_planes_have_neither() -> None:
    found = align(_stack(np.ones(9), np.zeros((9, 2))), FOCUS)
    assert np.abs(found.scale - 1).max() * 110 < 0.1
    assert np.abs(found.shift_px).max() < 0.1


def test_large_fields_are_measured_on_means() -> None:
    steps = np.arange(9) - FOCUS
    scale = 1 + 0.005 * steps
    found = align(_stack(scale, np.zeros((9, 2)), shape=(500, 840), noise=4), FOCUS)
    assert (found.scale - scale) * 420 == pytest.approx(np.zeros(9), abs=0.5)


@pytest.mark.parametrize("blank", [np.full((180, 220), 200.0), np.linspace(150, 220, 220) + np.zeros((180, 1))])
def test_blank_glass_is_not_said_to_breathe(blank: np.ndarray) -> None:
    """Noise alone, or with an uneven lamp, which stands still with the camera."""
    planes = np.rint(blank[..., None] + np.random.default_rng(3).normal(0, 1.5, (5, 180, 220, 1))).astype(np.uint8)
    found = align(planes, 2)
    assert np.isnan(found.scale).tolist() == [True, True, False, True, True]
    assert np.isnan(scale_trend(found.scale, np.arange(5.0), 2)).all()
    assert np.nanmax(np.abs(found.shift_px)) == 0


def test_another_place_is_not_aligned() -> None:
    planes = _stack(np.ones(9), np.zeros((9, 2)))
    planes[7:] = _stack(np.ones(9), np.zeros((9, 2)), seed=2)[7:]
    found = align(planes, FOCUS)
    assert np.isfinite(found.scale[:7]).all()
    assert np.isnan(found.scale[7:]).all()
    assert np.isnan(found.shift_px[7:]).all()


def test_what_grows_on_both_sides_of_focus_does_not_breathe() -> None:
    """One isolated object, off the centre, that blurs: it looks larger above focus and below."""
    z_um = 0.5 * (np.arange(9) - FOCUS)
    grown = 1 + 0.004 * np.abs(z_um) + 0.0001 * z_um
    assert scale_trend(grown, z_um, FOCUS) == pytest.approx(1 + 0.0001 * z_um, abs=1e-9)
    assert np.isnan(scale_trend(np.where(z_um > 0, np.nan, grown), z_um, FOCUS)).all()


def test_aligned_planes_lie_on_the_in_focus_plane() -> None:
    steps = np.arange(9) - FOCUS
    scale, shift_px = 1 + 0.008 * steps, steps[:, None] * np.array([0.4, -0.3])
    moved, still = _stack(scale, shift_px, noise=0), _stack(np.ones(9), np.zeros((9, 2)), noise=0)
    found = align(moved, FOCUS)
    corrected = all_aligned(moved, found.scale, found.shift_px)
    inner = np.s_[:, 15:-15, 15:-15]
    before = np.abs(moved[inner].astype(float) - still[inner]).mean(axis=(1, 2, 3))
    after = np.abs(corrected[inner].astype(float) - still[inner]).mean(axis=(1, 2, 3))
    assert np.array_equal(corrected[FOCUS], moved[FOCUS])
    assert (after[steps != 0] < 0.2 * before[steps != 0] + 0.5).all()


def test_planes_that_hardly_moved_stay_as_they_are() -> None:
    planes = _stack(np.ones(9), np.zeros((9, 2)))
    found = align(planes, FOCUS)
    assert np.array_equal(all_aligned(planes, found.scale, found.shift_px), planes)


def _smear() -> np.ndarray:
    """The smear's planes -9 … 9, cut about their centres to the size of the smallest."""
    planes = [np.asarray(Image.open(SMEAR / f"{number}.png").convert("L")) for number in range(-9, 10)]
    height, width = (min(plane.shape[axis] for plane in planes) for axis in (0, 1))
    tops = [((p.shape[0] - height) // 2, (p.shape[1] - width) // 2) for p in planes]
    cut = [p[top : top + height, left : left + width] for p, (top, left) in zip(planes, tops, strict=True)]
    return np.stack(cut)[..., None]


def test_a_real_smear_breathes_by_half_a_percent_a_plane() -> None:
    planes = _smear()
    z_um = np.arange(-9, 10.0)
    table, row, _ = focus_field("smear", Stack(planes, z_um, 0.345), 64, None, FocusSettings())
    assert (row["verdict"], row["focus_z_um"]) == ("ok", 0)
    assert np.polyfit(z_um, table["scale"], 1)[0] == pytest.approx(0.0047, abs=0.0005)
    assert row["max_edge_shift_px"] == pytest.approx(7, abs=0.5)
    assert "magnification changes from plane to plane" in breathing(row, 1.0)
    found = align(planes, 9)
    again = align(all_aligned(planes, found.scale, found.shift_px), 9)
    assert np.abs(again.scale - 1).max() * planes.shape[2] / 2 < 0.5


def test_the_scale_does_not_depend_on_the_cut() -> None:
    """From the upper left instead of the centre: another shift, the same scale."""
    planes = [np.asarray(Image.open(SMEAR / f"{number}.png").convert("L")) for number in range(-9, 10)]
    height, width = (min(plane.shape[axis] for plane in planes) for axis in (0, 1))
    corner = np.stack([plane[:height, :width] for plane in planes])[..., None]
    assert align(corner, 9).scale == pytest.approx(align(_smear(), 9).scale, abs=0.001)


def test_adipose_tissue_does_not_breathe(shared: Path) -> None:
    """Seventeen planes stepped by hand, whose brightness differs by 12 %."""
    files = sorted((shared / "data/stacks/adipose").iterdir())
    planes = np.stack([np.asarray(Image.open(file)) for file in files])[..., None]
    _, row, _ = focus_field("adipose", Stack(planes, np.arange(1, 18.0), 0.345), 128, None, FocusSettings())
    assert row["verdict"] == "ok"
    assert row["focus_z_um"] in (9, 10, 11)
    assert float(row["max_edge_shift_px"]) < 0.5
