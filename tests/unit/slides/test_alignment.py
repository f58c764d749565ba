"""Shifts between differently defocused planes, found and taken back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_survey import shots, surveyed

from tsva.slides.plane_alignment import align, high_is_moved, margin_px, pixel_shifts
from tsva.slides.plane_shift import TILE_PX, tile_shift
from tsva.slides.shift_field import fit_field


def grey(image: np.ndarray) -> np.ndarray:
    return image[128 : 128 + TILE_PX, 128 : 128 + TILE_PX].mean(axis=2) / 255


@pytest.mark.parametrize("shift_px", [(0.0, 0.0), (0.1, -0.1), (-0.25, 0.4), (1.3, -2.1), (3.0, 0.7)])
@pytest.mark.parametrize("offset_um", [0.0, 1.0, -2.0])
def test_a_tiles_shift_is_found_to_a_twentieth_of_a_pixel(shift_px, offset_um):
    low, high = shots(offset_um, shift_px=shift_px)
    found, error = tile_shift(grey(low), grey(high))
    np.testing.assert_allclose(found, shift_px, atol=0.05)
    assert error < 0.1


def test_noise_alone_has_no_shift():
    random = np.random.default_rng(0)
    found, error = tile_shift(*random.standard_normal((2, TILE_PX, TILE_PX)))
    assert np.isnan(found).all() or error > 0.1


def no_window(row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    raise AssertionError(f"cell {row}, {column} lies beside no jump")


def test_scale_is_told_from_a_jump():
    random = np.random.default_rng(1)
    place = np.stack(np.mgrid[:8, :6], axis=-1) + 0.5
    measured = 0.001 * TILE_PX * place + [0.3, -1.0] + 0.01 * random.standard_normal((8, 6, 2))
    found = fit_field(measured, np.full((8, 6), 0.02), (32, 24), no_window)
    assert found.scale == pytest.approx(1.001, abs=3e-5)
    assert found.known.all()
    cells = np.stack(np.mgrid[:32, :24], axis=-1) + 0.5
    np.testing.assert_allclose(found.shift_px, 0.001 * 64 * cells + [0.3, -1.0], atol=0.04)


def test_an_outlier_and_a_tile_without_evidence_take_their_neighbours_shift():
    measured = np.full((5, 5, 2), 0.7)
    measured[1, 1], measured[3, 3] = 4.0, np.nan
    error = np.full((5, 5), 0.02)
    error[3, 3] = np.inf
    found = fit_field(measured, error, (20, 20), no_window)
    np.testing.assert_allclose(found.shift_px, 0.7, atol=0.01)
    assert found.known.all()


@pytest.mark.parametrize(("before_px", "after_px"), [((0.5, 0.2), (1.7, -0.6)), ((0.1, -2.6), (0.4, -2.6))])
def test_cells_beside_a_jump_have_their_sides_shift_and_those_across_it_none(before_px, after_px):
    low, before = shots(0.8, shift_px=before_px, edge=768)
    _, after = shots(0.8, shift_px=after_px, edge=768)
    high = np.concatenate([before[:, :420], after[:, 420:]], axis=1)
    found = surveyed(low, high)
    across = 420 // 64
    assert found.misregistered[:, across].mean() > 0.7
    assert found.misregistered[:, : across - 1].mean() < 0.1
    assert found.misregistered[:, across + 2 :].mean() < 0.1
    wanted = np.where((np.arange(12) <= across)[None, :, None], before_px, after_px)
    known = ~found.misregistered
    known[:, across] = False
    away = np.abs(found.shift_px - np.broadcast_to(wanted, found.shift_px.shape)).max(axis=-1)
    assert np.quantile(away[known], 0.98) < 0.05


def test_shift_and_brightness_change_no_offset():
    low, high = shots(1.0, edge=768)
    still = surveyed(low, high)
    moved = surveyed(low, np.clip(np.rint(1.03 * np.roll(high, (1, -2), (0, 1))), 0, 255).astype(np.uint8))
    inside = slice(1, -1), slice(1, -1)
    np.testing.assert_allclose(moved.focal_offset_um[inside], still.focal_offset_um[inside], atol=0.15)
    assert moved.delta_scale == pytest.approx(still.delta_scale, abs=0.06)


@pytest.mark.parametrize("offset_um", [1.2, -1.2])
def test_alignment_takes_shift_and_brightness_back(offset_um):
    low, high = shots(offset_um, shift_px=(0.6, -1.4), noise=0.3)
    still = shots(offset_um, noise=0.3)
    brighter = np.clip(np.rint(high * 1.03), 0, 255).astype(np.uint8)
    found = surveyed(low, brighter)
    np.testing.assert_allclose(found.shift_px, np.broadcast_to((0.6, -1.4), found.shift_px.shape), atol=0.05)
    assert margin_px(found) > 12
    aligned = align(low, brighter, found, 0, 0)
    moved = int(high_is_moved(found))
    assert moved == (offset_um > 0)
    assert aligned[1 - moved] is (low, brighter)[1 - moved]
    inside = slice(40, -40), slice(40, -40)
    if moved:
        left = aligned[1][inside].astype(float) - still[1][inside]
        # what a residual shift of a twentieth of a pixel and rounding leave
        assert np.sqrt(np.mean(left**2)) < 0.9
        before = brighter[inside].astype(float) - still[1][inside]
        assert np.sqrt(np.mean(before**2)) > 3 * np.sqrt(np.mean(left**2))


def test_a_regions_shifts_do_not_depend_on_the_region():
    found = surveyed(*shots(0.5, shift_px=(0.5, 0.5)))
    found.shift_px[...] = np.random.default_rng(0).normal(0, 0.02, found.shift_px.shape)
    found.shift_px[:, 4:] += 1.0
    whole = pixel_shifts(found, 0, 0, 512, 512)
    np.testing.assert_allclose(pixel_shifts(found, 100, 37, 200, 300), whole[100:300, 37:337], atol=1e-6)
    assert not ((whole[..., 1] > 0.2) & (whole[..., 1] < 0.8)).any()


def test_quarters_of_a_misregistered_cell_lie_as_the_cell_beside_them():
    low, high = shots(0.5, shift_px=(0.4, 0.0))
    found = surveyed(low, high)
    shift, across = np.zeros_like(found.shift_px), np.zeros_like(found.misregistered)
    shift[:, :3], shift[:, 4:] = (1.0, -0.5), (-2.0, 0.25)
    across[:, 3] = True
    placed = pixel_shifts(replace(found, shift_px=shift, misregistered=across), 0, 0, 512, 512)
    np.testing.assert_array_equal(placed[:, 150 : 3 * 64 + 32], np.broadcast_to((1.0, -0.5), (512, 74, 2)))
    np.testing.assert_array_equal(placed[:, 3 * 64 + 32 : 300], np.broadcast_to((-2.0, 0.25), (512, 76, 2)))
