"""Steps of dark channel deblurring: naive loops, brute force, and what the authors' program gave."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft
from skimage.io import imread

from tsva.acquisition.pair import Pair
from tsva.restoration.baselines.dark_channel import method as dark_channel
from tsva.restoration.baselines.dark_channel.blind import (
    blind_kernel,
    differences,
    first_kernel,
    first_threshold,
    grown,
    kernel_edge,
    kernel_step,
    ratios,
    shrunk,
    strong_gradients,
)
from tsva.restoration.baselines.dark_channel.latent import dark_channel as dark_channel_of
from tsva.restoration.baselines.dark_channel.latent import (
    darkened,
    gradient_power,
    gradients,
    latent_image,
    minus_divergence,
    otsu_level,
    sparse,
    with_few_gradients,
)
from tsva.restoration.baselines.dark_channel.method import with_few_edges
from tsva.restoration.baselines.dark_channel.padding import fft_size, harmonic, wrap_shape, wrapped
from tsva.restoration.baselines.kernels import centred_by_mass, otf_of
from tsva.restoration.baselines.one_by_one import Known
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.restoration import BaselineSettings

LEVELS = (6, 10**6)
"""Grey levels of random images: few make ties, many make next to none."""


def drawn(seed: int, shape: tuple[int, int], levels: int, lowest: float) -> np.ndarray:
    """Random image between `lowest` and 1."""
    steps = np.random.default_rng(seed).integers(0, levels, shape) / (levels - 1)
    return lowest + (1 - lowest) * steps


def naive(image: np.ndarray, window: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dark channel, flat column-major index of each minimum in its window, and the write-back, window by window."""
    half, (height, width) = window // 2, image.shape
    padded = np.pad(image, half, mode="edge")
    places = list(product(range(height), range(width)))
    view = [padded[y : y + window, x : x + window] for y, x in places]
    index = np.array([int(np.argmin(part.ravel(order="F"))) for part in view])
    value = np.array([part.min() for part in view])
    wanted = np.where(value**2 >= threshold, value, 0)
    for part, at, new in zip(view, index, wanted, strict=True):  # parts are views: earlier writes are seen
        if part.min() != new:
            part[at % window, at // window] = new
    result = image.copy()
    inner = slice(half, height - half), slice(half, width - half)
    result[inner] = padded[half : half + height, half : half + width][inner]
    return value.reshape(image.shape), index.reshape(image.shape), result


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    window=st.sampled_from([3, 5, 7]),
    levels=st.sampled_from(LEVELS),
    lowest=st.sampled_from([-0.3, -0.01, 0.0, 0.2]),
    threshold=st.sampled_from([0.0, 1e-3, 0.05, 0.3, 2.0]),
)
def test_fast_write_back_is_the_raster_loop(
    seed: int, shape: tuple[int, int], window: int, levels: int, lowest: float, threshold: float
) -> None:
    image = drawn(seed, shape, levels, lowest)
    value, index, written = naive(image, window, threshold)
    dark = dark_channel_of(image, window)
    np.testing.assert_array_equal(dark.value, value)
    y, x = np.indices(shape)
    np.testing.assert_array_equal((dark.column - x) * window + dark.row - y, index)
    np.testing.assert_array_equal(darkened(image, dark, threshold), written)


def test_write_back_sets_some_pixels_and_not_all() -> None:
    """That the loops agree means something: here there are windows of all kinds."""
    image = drawn(3, (40, 44), 10**6, 0.0)
    dark = dark_channel_of(image, 7)
    threshold = float(np.median(dark.value) ** 2)
    changed = darkened(image, dark, threshold) != image
    assert 3 <= changed.sum() < (dark.value**2 < threshold).sum() / 5


def test_few_zeros_cover_all_windows() -> None:
    """Of an all-positive image at any threshold above it, the written image is zero in every inner window."""
    image = drawn(0, (30, 33), 10**6, 0.1)
    written = darkened(image, dark_channel_of(image, 5), 4.0)
    whole = np.lib.stride_tricks.sliding_window_view(written[2:-2, 2:-2], (5, 5))
    assert (whole[2:-2, 2:-2].min(axis=(2, 3)) == 0).all()


@pytest.mark.parametrize("threshold", [0.01, 0.09, 0.5])
def test_sparse_minimises_its_objective(threshold: float) -> None:
    """(u - J)² + t |u|_0 over u on a fine grid that holds J and zero."""
    values = np.linspace(-1, 1, 81)

    def objective(u: np.ndarray, j: np.ndarray) -> np.ndarray:
        return (u - j) ** 2 + threshold * (u != 0)

    least = objective(values[None, :], values[:, None]).min(axis=1)
    np.testing.assert_allclose(objective(sparse(values, threshold), values), least, atol=1e-15)


def test_one_l0_step_minimises_over_gradients() -> None:
    """With μ just below the coupling's end there is one iteration: thresholding at μ/β = ½, then a quadratic.

    The thresholded gradients g minimise (g - ∇I)² + (μ/β) [g ≠ 0] pixel by pixel, and the image is where the gradient
    of |I - B|² + β |∇I - g|² vanishes.
    """
    image = 3 * np.random.default_rng(0).random((12, 15))
    x, y = np.empty((2, *image.shape))
    gradients(image, x, y)
    weight = 4e4  # β = 8e4, next 1.6e5
    found = with_few_gradients(image, fft.rfft2(image), np.ones((12, 8)), gradient_power((12, 15)), weight)
    cost_of_zero, cost_of_staying = x**2 + y**2, weight / (2 * weight)
    stays = cost_of_staying <= cost_of_zero
    assert 0.2 < stays.mean() < 0.98
    across, down, slope = np.empty((3, *image.shape))
    gradients(found, across, down)
    minus_divergence(across - stays * x, down - stays * y, slope)
    # spectra hold numbers up to β × 8 × 1e2: 1e-16 of 6e7 is 1e-8
    np.testing.assert_allclose(found - image + 2 * weight * slope, 0, atol=1e-6)


def test_divergence_is_the_gradients_transpose_and_their_power_its_spectrum() -> None:
    random = np.random.default_rng(0)
    image, a, b = random.normal(size=(3, 9, 14))
    x, y, back = np.empty((3, 9, 14))
    gradients(image, x, y)
    minus_divergence(a, b, back)
    assert np.vdot(x, a) + np.vdot(y, b) == pytest.approx(np.vdot(image, back))
    minus_divergence(x, y, back)
    laplacian = fft.irfft2(fft.rfft2(image) * gradient_power((9, 14)), (9, 14))
    np.testing.assert_allclose(back, laplacian, atol=1e-12)


def test_otsu_separates_two_levels() -> None:
    image = np.repeat([51, 204], [30, 70]) / 255
    assert otsu_level(image) == pytest.approx((51 + 203) / 2 / 255)  # all thresholds between separate equally well


def test_thresholds_leave_enough_of_each_orientation() -> None:
    image = np.random.default_rng(0).random((60, 66))
    x, y = differences(image)
    threshold = first_threshold(image, 9)
    angle = np.mod(np.degrees(np.arctan2(y, x)), 180)

    def fewest(least: float) -> int:
        strong = x**2 + y**2 >= least
        return min(np.count_nonzero(strong & (angle >= low) & (angle < low + 45)) for low in (0, 45, 90, 135))

    assert fewest(threshold) >= 180 > fewest(threshold + 6e-5)
    assert first_threshold(image[:20, :20], 9) == 0  # 361 pixels can't hold four times 180
    kept, _, same = strong_gradients(image, threshold)
    assert same == threshold and 0 < np.count_nonzero(kept) < kept.size
    lowered = strong_gradients(image, 5.0)[2]  # above the largest square, 2
    assert 0.81 * (x**2 + y**2).max() < lowered <= (x**2 + y**2).max()


def test_the_kernel_of_noise_free_gradients_is_found() -> None:
    """Circular blur of an image of much structure; the weight of |k|² is 2 against a power of some hundred."""
    random = np.random.default_rng(0)
    kernel = np.zeros((7, 7))
    kernel[2:5, 1:6] = random.random((3, 5)) + 0.3
    kernel /= kernel.sum()
    sharp = random.normal(size=(2, 60, 70))
    shape = (60, 70)
    blurred = fft.irfft2(fft.rfft2(sharp) * otf_of(kernel, shape), shape)
    found = kernel_step((blurred[0], blurred[1]), (sharp[0], sharp[1]), 7)
    assert found.sum() == pytest.approx(1) and found.min() == 0
    np.testing.assert_allclose(found, kernel, atol=2 / (2 * 60 * 70))  # bias: k γ / (γ + power), power 2 × 60 × 70


def test_strips_are_harmonic_and_within_range() -> None:
    image = np.random.default_rng(0).random((20, 23))
    whole = wrapped(image, (29, 31))
    assert image.min() <= whole.min() and whole.max() <= image.max()  # maximum principle
    corner = whole[20:, 23:]
    mean = (corner[:-2, 1:-1] + corner[2:, 1:-1] + corner[1:-1, :-2] + corner[1:-1, 2:]) / 4
    np.testing.assert_allclose(mean, corner[1:-1, 1:-1], atol=1e-13)
    y, x = np.mgrid[:9, :12]
    saddle = 0.3 * x * y + x - 2.0 * y  # discretely harmonic
    np.testing.assert_allclose(harmonic(saddle), saddle, atol=1e-12)
    with pytest.raises(ValueError, match="at least two"):
        wrapped(image, (21, 31))
    assert [fft_size(n) for n in (71, 72, 73, 78, 79, 121)] == [72, 72, 75, 78, 80, 125]


@pytest.mark.parametrize("kernel_px", [3, 5, 9, 15, 31])
def test_scales(kernel_px: int) -> None:
    scales = ratios(kernel_px)
    edges = [kernel_edge(kernel_px, ratio) for ratio in scales]
    assert scales[-1] == 1 and edges[-1] == kernel_px and all(edge % 2 for edge in edges)
    assert kernel_px < 5 or 5 <= kernel_px * scales[0] < 5 / np.sqrt(0.5)
    kernel = first_kernel(edges[0])
    for edge in edges[1:]:
        kernel = grown(kernel, edge)
        assert kernel.shape == (edge, edge) and kernel.sum() == pytest.approx(1) and kernel.min() >= 0


@pytest.mark.parametrize(("steps", "half"), [(1, 1), (2, 2), (3, 2)])
def test_shrinking_keeps_a_ramp_a_ramp(steps: int, half: int) -> None:
    """A ramp, as steep as the ratio says, times the share of the Gaussian that is not cut, once an axis."""
    ratio = np.sqrt(0.5) ** steps
    y, x = np.mgrid[:50, :60].astype(float)
    gaussian = np.exp(-((np.arange(-60, 61) * ratio) ** 2) / 0.5)
    inside = gaussian[60 - half : 61 + half].sum() / gaussian.sum()
    assert 0.92 < inside < 0.995  # (e.g. at a half: 0.058 lies at -2 or beyond, 0.005 beyond -2)
    small = shrunk(0.3 + 0.01 * x - 0.005 * y, ratio)
    np.testing.assert_allclose(np.diff(small, axis=1), inside**2 * 0.01 / ratio, atol=1e-14)
    np.testing.assert_allclose(np.diff(small, axis=0), inside**2 * -0.005 / ratio, atol=1e-14)
    assert small[0, 0] == pytest.approx(inside**2 * (0.3 + half * 0.005), abs=1e-14)
    with pytest.raises(ValueError, match="smaller than"):
        shrunk(np.zeros((4, 50)), 0.25)


@pytest.mark.parametrize("level", [0, 40, 255])
def test_a_flat_shot_has_no_kernel_and_says_so(level: int) -> None:
    image = np.full((50, 61, 3), level, np.uint8)
    known = Known(BaselineSettings(kernel_px=9))
    restored = dark_channel.dark_channel_deblur(Pair(image, image, 0.5, OpticsSettings()), known)
    assert "one pixel" in restored.failure
    np.testing.assert_allclose(restored.image, level / 255, atol=1e-6)


def close(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> bool:
    return bool(np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max())


def test_steps_are_the_authors(shared: Path) -> None:
    m = scipy.io.loadmat(shared / "reference/deblur/dcp.mat")
    y, yw, k = m["y"], m["yw"], m["k"]
    dark = dark_channel_of(yw)
    row, column = np.indices(yw.shape)
    np.testing.assert_array_equal((dark.column - column) * 35 + dark.row - row + 1, m["Ji"])
    level = otsu_level(yw**2)
    assert level == m["gth"].item() and 4e-3 / level == m["b0"].item()
    np.testing.assert_array_equal(sparse(dark.value, level), m["u"])
    np.testing.assert_array_equal(darkened(yw, dark, level), m["ua"])
    # some 250 Fourier solves of one rounding each
    latent = latent_image(yw, k, 4e-3, 4e-3)[: y.shape[0], : y.shape[1]]
    assert close(latent, m["S"], 1e-12)
    # theirs are upside down, which their product in the kernel's equations does not see
    goal = differences(y)
    assert close(-goal[0], m["Bx"], 1e-12) and close(-goal[1], m["By"], 1e-12)
    x, down, _ = strong_gradients(m["S"], m["th0"].item())
    np.testing.assert_array_equal(-x, m["lx"])
    np.testing.assert_array_equal(-down, m["ly"])
    assert m["th0"].item() / 1.1 == pytest.approx(m["th1"].item(), rel=1e-15)
    # twenty conjugate gradient steps multiply rounding by the system's condition, here about 1e5
    kernel = kernel_step(goal, (x, down), 9)
    assert close(centred_by_mass(kernel), m["k2"], 1e-8)
    # their L0 step pads once more what comes padded
    again = wrapped(yw, wrap_shape(yw, m["kg"]))
    assert close(with_few_edges(again, m["kg"])[: yw.shape[0], : yw.shape[1]], m["Il0"], 1e-12)


def test_a_small_run_is_the_authors(shared: Path) -> None:
    m = scipy.io.loadmat(shared / "reference/deblur/dcp.mat")
    kernel, latent = blind_kernel(m["y"], 9)
    assert close(kernel, m["kfull"], 1e-8)
    assert close(np.clip(latent, 0, 1), m["interim"], 1e-8)


def test_grey_is_of_eight_bits_whatever_precision_it_comes_in() -> None:
    shot = np.random.default_rng(0).integers(0, 256, (200, 210, 3), np.uint8)
    weights = np.linalg.inv([[1, 0.956, 0.621], [1, -0.272, -0.647], [1, -1.106, 1.703]])[0]  # YIQ to RGB, back
    np.testing.assert_allclose(dark_channel.GREY_WEIGHTS, weights, rtol=1e-13)
    grey = dark_channel.authors_grey(shot / 255)
    np.testing.assert_array_equal(grey, np.round(shot @ weights) / 255)
    np.testing.assert_array_equal(dark_channel.authors_grey(shot.astype(np.float32) / np.float32(255)), grey)
    np.testing.assert_array_equal(dark_channel.authors_grey(shot[..., :1] / 255), shot[..., 0] / 255)


def test_the_whole_run_is_the_authors_to_rounding(shared: Path) -> None:
    """Their bilateral filter is in single precision: 1e-7 of the differences, which are some tenths."""
    folder = shared / "reference/deblur"
    kernel, restored = dark_channel.deblur(imread(folder / "blur_z1.png") / 255, 15)
    assert close(kernel, np.load(folder / "dcp_z1_k15_kernel.npy"), 1e-8)
    assert close(restored, np.load(folder / "dcp_z1_k15_restored.npy"), 1e-6)
