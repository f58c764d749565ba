"""Brenner's gradient in closed form, and tissue told apart from noise and lamp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsva.acquisition.sharpness import (
    BLOCK_PX,
    LARGEST_NOISE,
    LEAST_NOISE,
    brenner,
    differences,
    grey,
    noise_floor,
    structure,
    tissue_fraction,
)

SHAPE = (256, 320)


@given(slope=st.integers(-20, 20), start=st.integers(0, 255))
def test_a_ramp_has_the_square_of_its_rise_over_two_pixels(slope: int, start: int) -> None:
    plane = start + slope * np.arange(30.0)[None] + np.zeros((4, 1))
    assert brenner(plane[None]) == pytest.approx([4 * slope**2], abs=1e-6)


@pytest.mark.parametrize("period", [4, 5, 8, 16, 40])
def test_a_wave(period: int) -> None:
    """sin(k(x + 2)) - sin(kx) = 2 sin(k) cos(k(x + 1)): mean square 2 A² sin² k over whole periods."""
    k, amplitude = 2 * np.pi / period, 50.0
    x = np.arange(10 * period + 2)
    plane = 128 + amplitude * np.sin(k * x)[None] + np.zeros((3, 1))
    # float32 grey: 1e-5 of 178 levels against differences of 15 levels or more
    assert brenner(plane[None])[0] == pytest.approx(2 * amplitude**2 * np.sin(k) ** 2, rel=1e-4)


@pytest.mark.parametrize("sigma", [0.5, 3.0, 20.0])
def test_white_noise_adds_twice_its_variance(sigma: float) -> None:
    noise = np.random.default_rng(5).normal(0, sigma, (1, 400, 400))
    # variance of the mean of squares of differences that share pixels: 3 (2σ²)² / N, N = 159,200: 0.43 %; 4 deviations
    assert brenner(noise)[0] == pytest.approx(2 * sigma**2, rel=0.018)


def test_rows_count_and_columns_do_not() -> None:
    """Differences run along rows: stripes across them count, stripes along them don't."""
    stripes = np.tile(np.repeat([0, 255], 2), 10)
    assert brenner(np.tile(stripes, (9, 1))[None])[0] == 255**2
    assert brenner(np.tile(stripes, (9, 1)).T[None])[0] == 0


def test_bytes_neither_wrap_nor_overflow() -> None:
    """0 less 255 is -255 and not 1; 255² is 65025 and not 1; three channels of 255 sum to 765 and not 253."""
    plane = np.zeros((6, 40, 3), np.uint8)
    plane[:, 2::4] = plane[:, 3::4] = 255
    assert brenner(plane[None])[0] == 255**2
    assert brenner((255 - plane)[None])[0] == 255**2
    assert grey(plane).max() == 255


def test_grey_is_the_mean_of_the_channels() -> None:
    """Waves of opposite sign in red and blue cancel; in one channel alone they count by a third."""
    wave = 40 * np.sin(np.arange(64) * np.pi / 4)
    planes = np.full((2, 4, 64, 3), 128.0)
    planes[0, ..., 0] += wave
    planes[0, ..., 2] -= wave
    planes[1, ..., 1] += wave
    cancelled, third = brenner(planes)
    assert cancelled == pytest.approx(0, abs=1e-8)
    assert third == pytest.approx(brenner((128 + wave + np.zeros((4, 1)))[None])[0] / 9, rel=1e-5)


def test_a_plane_measures_the_same_alone_and_among_others() -> None:
    planes = np.random.default_rng(6).integers(0, 256, (4, 30, 41, 3), dtype=np.uint8)
    assert brenner(planes).tolist() == [brenner(planes[i : i + 1])[0] for i in range(4)]


@pytest.mark.parametrize("shape", [(1, 5, 2), (1, 5, 1, 3), (2, 5), (1, 2, 5, 5, 3)])
def test_what_has_no_differences_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        brenner(np.zeros(shape, np.uint8))


def test_structure_is_the_variance_of_differences_block_by_block() -> None:
    values = differences(np.random.default_rng(7).integers(0, 256, (50, 70), dtype=np.uint8))
    blocks = structure(values)
    assert blocks.shape == (3, 4)  # 70 columns hold four blocks, with all their differences
    assert blocks[2, 1] == pytest.approx(np.var(values[32:48, 16:32].astype(float)), rel=1e-9)
    # at 64 columns the last block lacks the differences that would reach beyond the plane
    assert structure(values[:, :62])[0, 3] == pytest.approx(np.var(values[:16, 48:62].astype(float)), rel=1e-9)


@given(slope=st.floats(-5, 5))
def test_slopes_have_no_structure(slope: float) -> None:
    blocks = structure(differences(100 + slope * np.arange(64.0) + np.zeros((32, 1))))
    # grey of up to 415 in float32 is good to 3e-5, differences of up to 10 to 6e-5, their squares to 1e-3
    assert blocks == pytest.approx(0, abs=1e-3)


def _interpolated(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Noise as after colour interpolation: neighbours agree (each pixel the mean of four)."""
    white = rng.normal(0, 2 * sigma, (shape[0] + 1, shape[1] + 1))
    return (white[1:, 1:] + white[1:, :-1] + white[:-1, 1:] + white[:-1, :-1]) / 4


@pytest.mark.parametrize("sigma", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("kind", ["white", "interpolated"])
def test_the_noise_floor_is_what_noise_adds(kind: str, sigma: float) -> None:
    rng = np.random.default_rng(8)
    noise = rng.normal(0, sigma, SHAPE) if kind == "white" else _interpolated(rng, SHAPE, sigma)
    values = differences(noise)
    # 0.80 to 0.86 of the mean are taken as 0.83, and a quantile over 320 blocks scatters by 1.5 %
    assert noise_floor(structure(values)) == pytest.approx(np.mean(values.astype(float) ** 2), rel=0.09)


def test_the_noise_floor_stays_when_half_the_field_is_tissue() -> None:
    rng = np.random.default_rng(9)
    field = rng.normal(0, 2, SHAPE)
    bare = noise_floor(structure(differences(field)))
    field[:, : SHAPE[1] // 2] += rng.normal(0, 30, (SHAPE[0], SHAPE[1] // 2))
    # the quietest tenth of all is the quietest fifth of the bare half: at 0.84 instead of 1.28 deviations of 11 %
    assert noise_floor(structure(differences(field))) == pytest.approx(bare, rel=0.08)


def test_nothing_and_rounding_stay_at_the_least_noise() -> None:
    assert noise_floor(structure(differences(np.zeros(SHAPE, np.uint8)))) == LEAST_NOISE
    lamp = np.rint(np.linspace(180, 220, SHAPE[1]) + np.linspace(-10, 10, SHAPE[0])[:, None]).astype(np.uint8)
    assert noise_floor(structure(differences(lamp))) == LEAST_NOISE


@pytest.mark.parametrize("sigma", [0, 1, 3, 4])
@pytest.mark.parametrize("fall", [0, 60, 120])
def test_a_blank_field_with_noise_and_an_uneven_lamp_has_no_tissue(sigma: float, fall: float) -> None:
    rng = np.random.default_rng(10)
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    lamp = 230 - fall * (x**2 + y**2) / 2 - 10 * x
    field = np.clip(np.rint(lamp[..., None] + rng.normal(0, sigma * np.sqrt(3), (*SHAPE, 3))), 0, 255)
    assert tissue_fraction(field.astype(np.uint8)) == 0


def test_photon_noise_of_a_darkening_lamp_is_no_tissue() -> None:
    """Variance in proportion to brightness, by two from corner to corner."""
    rng = np.random.default_rng(11)
    lamp = np.linspace(110, 220, SHAPE[1]) + np.zeros((SHAPE[0], 1))
    assert tissue_fraction(np.rint(lamp + rng.normal(0, np.sqrt(lamp / 40)))) == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_tissue_is_measured_by_its_area(share: float) -> None:
    rng = np.random.default_rng(12)
    field = 200 + rng.normal(0, 1.5, SHAPE)
    columns = round(share * SHAPE[1] / BLOCK_PX) * BLOCK_PX
    field[:, :columns] += 30 * np.sin(np.arange(columns) / 2)
    # the block beside the tissue may share its last two differences
    assert tissue_fraction(np.rint(field).astype(np.uint8)) == pytest.approx(columns / SHAPE[1], abs=1 / 20)


def test_a_field_that_is_all_tissue_is_tissue_by_its_own_measure() -> None:
    """Without a bare place the quietest tenth is tissue too; no camera is that noisy."""
    field = 128 + 30 * np.sin(np.arange(SHAPE[1]) / 2) + np.zeros((SHAPE[0], 1))
    assert noise_floor(structure(differences(field))) > LARGEST_NOISE
    assert tissue_fraction(field) == 1


def test_real_tissue_and_real_blank_glass(shared: Path) -> None:
    with openslide.OpenSlide(shared / "data/he/CMU-1-Small-Region.svs") as slide:
        tissue = np.asarray(slide.read_region((900, 1700), 0, (448, 448)))[..., :3]
        glass = np.asarray(slide.read_region((100, 1800), 0, (448, 448)))[..., :3]
    assert tissue_fraction(tissue) > 0.95
    assert tissue_fraction(glass) < 0.02
