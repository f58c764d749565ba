"""What a stack has to be like to be taken in."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsva.acquisition.ingest import assemble, check_positions, check_step
from tsva.acquisition.stack import Z_TOLERANCE_UM
from tsva.errors import UserError


def _names(z_um: list[float]) -> list[str]:
    return [f"z{z:g}.tif" for z in z_um]


@given(
    first=st.floats(-20, 20),
    step=st.floats(0.1, 5),
    count=st.integers(2, 60),
    jitter=st.floats(-0.49, 0.49),
)
def test_regular_positions_pass_whatever_their_remainder(first: float, step: float, count: int, jitter: float) -> None:
    """A location's sub-step remainder is no fault, and neither is what a stage repeats badly within the tolerance."""
    z_um = first + step * np.arange(count)
    z_um[1::2] += jitter * Z_TOLERANCE_UM
    check_positions(z_um.tolist(), _names(z_um.tolist()), "stack", regular=True)


@given(count=st.integers(5, 41), step=st.sampled_from([0.25, 0.5, 1.0]), data=st.data())
def test_a_missing_plane_is_found_anywhere_inside(count: int, step: float, data: st.DataObject) -> None:
    gone = data.draw(st.integers(1, count - 2))
    z_um = [step * i - 3.35 for i in range(count) if i != gone]
    with pytest.raises(UserError) as error:
        check_positions(z_um, _names(z_um), "stack", regular=True)
    assert f"1 missing plane between z = {z_um[gone - 1]:g} µm (z{z_um[gone - 1]:g}.tif) and" in str(error.value)
    assert f"the others are {step:g} µm apart" in str(error.value)


def test_several_missing_planes_are_counted() -> None:
    z_um = [0, 0.5, 1, 3, 3.5, 4]
    with pytest.raises(UserError, match=r"got 3 missing planes between z = 1 µm \(z1\.tif\) and 3 µm \(z3\.tif\)"):
        check_positions(z_um, _names(z_um), "stack", regular=True)


def test_irregular_positions() -> None:
    z_um = [-46.4, -22.9, -9.8, -0.1, 0, 11.3]
    with pytest.raises(UserError, match=r"got irregular z: planes are 0\.1 to 23\.5 µm apart; wanted planes at equal"):
        check_positions(z_um, _names(z_um), "stack", regular=True)
    check_positions(z_um, _names(z_um), "stack", regular=False)


@pytest.mark.parametrize("regular", [True, False])
def test_two_planes_at_the_same_z(regular: bool) -> None:
    with pytest.raises(UserError, match=r"d/: got two planes at z = 0\.5 µm \(b and c\); wanted one plane at each z"):
        check_positions([0, 0.5, 0.5, 1], ["a", "b", "c", "d"], "d/", regular=regular)


def test_one_plane_is_no_stack() -> None:
    with pytest.raises(UserError, match=r"got 1 plane \(a\); wanted a z-stack"):
        check_positions([0], ["a"], "stack", regular=True)


def test_two_shots_are_a_stack() -> None:
    check_positions([-0.5, 0.5], ["low", "high"], "stack", regular=True)


def test_the_step_has_to_be_the_pairs() -> None:
    check_step([0.15, 0.65, 1.15], 0.5, "stack")
    with pytest.raises(UserError, match=r"0\.25 µm apart; wanted planes 0\.5 µm apart \(acquisition\.z_step_um\)"):
        check_step([0, 0.25, 0.5], 0.5, "stack")


@pytest.mark.parametrize("shape", [(49, 50, 3), (50, 49, 3), (50, 50, 1)])
def test_planes_of_different_size_or_channels(shape: tuple[int, int, int]) -> None:
    planes = [np.zeros((50, 50, 3), np.uint8), np.zeros(shape, np.uint8)]
    with pytest.raises(
        UserError, match=rf"stack: got b of {shape[0]}×{shape[1]} pixels and {shape[2]} channels?; wanted 50×50"
    ):
        assemble(planes, [0, 1], ["a", "b"], 0.345, "stack", common_pixel_um=0.345)


@pytest.mark.parametrize("pixel_um", [0.345, 0.3475, 0.3417])
def test_pixels_of_one_size_are_left_alone(pixel_um: float) -> None:
    planes = np.random.default_rng(1).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    stack = assemble(planes, [0, 1, 2], ["a", "b", "c"], pixel_um, "stack", common_pixel_um=0.345)
    assert np.array_equal(stack.planes, planes)
    assert (stack.pixel_um, stack.z_um.tolist()) == (pixel_um, [0, 1, 2])


def test_fields_of_twice_the_pixels_are_halved_by_area() -> None:
    """As the paper halves 2448×2048: each pixel the mean of four, rounded once (ties may go either way)."""
    planes = np.random.default_rng(2).integers(0, 256, (2, 65, 90, 3), dtype=np.uint8)
    stack = assemble(planes, [0, 1], ["a", "b"], 0.1725, "stack", common_pixel_um=0.345)
    assert stack.pixel_um == 0.345
    assert stack.planes.shape == (2, 32, 45, 3)  # an odd row is lost
    means = planes[:, :64].reshape(2, 32, 2, 45, 2, 3).mean(axis=(2, 4))
    assert np.abs(stack.planes - means).max() <= 0.5


@pytest.mark.parametrize("pixel_um", [0.2, 0.25, 0.499])
def test_resampled_places_stay_where_they_were(pixel_um: float) -> None:
    """A spot's centre of mass, in micrometres, is the same before and after: no half-pixel drift."""
    y, x = np.mgrid[:80, :90]
    spot = np.exp(-((y - 33.3) ** 2 + (x - 47.8) ** 2) / (2 * 6**2)) * 200
    plane = np.repeat(np.rint(spot).astype(np.uint8)[..., None], 3, axis=2)
    stack = assemble([plane], [0], ["a"], pixel_um, "s", common_pixel_um=0.345)
    after = stack.planes[0, ..., 0].astype(float)
    rows, columns = np.mgrid[: after.shape[0], : after.shape[1]]
    for axis, place in ((rows, 33.3), (columns, 47.8)):
        centre_um = ((axis * after).sum() / after.sum() + 0.5) * 0.345
        # rounding to whole levels: 0.3 levels on some 5000 pixels of a spot that sums to 45,000
        assert centre_um == pytest.approx((place + 0.5) * pixel_um, abs=0.02)


def test_only_one_plane_of_the_source_is_held() -> None:
    """Planes are taken one by one: none is asked for before the one before it has been let go."""
    alive: list[weakref.ref] = []

    def planes() -> Iterator[np.ndarray]:
        for _ in range(6):
            plane = np.zeros((80, 80, 3), np.uint8)
            alive.append(weakref.ref(plane))
            assert sum(ref() is not None for ref in alive) <= 2  # the new one, and the one still bound in the loop
            yield plane
            del plane

    assemble(planes(), list(range(6)), list("abcdef"), 0.1725, "s", common_pixel_um=0.345)


@pytest.mark.parametrize("factor", [2, 3, 5, 7])
def test_quotients_that_miss_a_whole_number_in_their_last_digit_are_areas_too(factor: int) -> None:
    plane = np.random.default_rng(factor).integers(0, 256, (40 * factor, 50 * factor, 1), dtype=np.uint8)
    stack = assemble([plane], [0], ["a"], 0.345 / factor, "s", common_pixel_um=0.345)
    means = plane.reshape(40, factor, 50, factor).mean(axis=(1, 3))
    # means are multiples of 1/factor²; Pillow's fixed point may round the one next to the middle the other way
    assert np.abs(stack.planes[0, ..., 0] - means).max() <= 0.5 + 1 / factor**2


def test_a_field_of_no_use_is_named() -> None:
    plane = np.zeros((60, 60, 3), np.uint8)
    with pytest.raises(UserError, match=r"got 60×60 pixels and 3 channels of 0\.1 µm; wanted at least 32 pixels"):
        assemble([plane], [0], ["a"], 0.1, "s", common_pixel_um=0.345)
