"""Shots between planes: exact where theory says so, near the true shot, without the target's noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings, TopographySettings
from tsva.settings.train import TrainSettings
from tsva.simulation.simulate import simulate_slide
from tsva.training.between_planes import camera_noise, shot_between
from tsva.training.dataset import TrainingPairs
from tsva.training.patches import PatchStacks

PAIRS = PairsSettings(patch_px=32)
Z_UM = 0.5 * np.arange(-7, 8)
MIDDLE = 7
CONTINUOUS = TrainSettings.model_validate({"offsets": "continuous", "crop_px": 16, "steps": 125, "batch": 16})
NONE = np.zeros((3, 2))
positions = st.floats(-7, 7)


def stacks(planes: np.ndarray) -> PatchStacks:
    """One patch, (Z, Y, X, C) or one value a plane."""
    whole = planes if planes.ndim == 4 else np.broadcast_to(planes[:, None, None, None], (len(planes), 32, 32, 3))
    return PatchStacks((whole[None].astype(np.uint8),), np.zeros(1, int), np.zeros(1, int), np.zeros(1), PAIRS)


def textured(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (15, 32, 32, 3), np.uint8)


def shot(planes: np.ndarray, position: float, noise: np.ndarray = NONE, seed: int = 0) -> np.ndarray:
    return shot_between(planes, MIDDLE, position, noise, np.random.default_rng(seed))


@given(position=positions, cubic=st.tuples(*[st.floats(-0.5, 0.5)] * 4))
def test_shots_of_what_is_cubic_along_z_are_exact_but_for_rounding(
    position: float, cubic: tuple[float, float, float, float]
) -> None:
    def truth(planes: np.ndarray | float) -> np.ndarray:
        return 128 + np.polyval(cubic, 0.6 * planes)

    planes = stacks(np.rint(truth(2 * Z_UM))).arrays[0][0]
    # Half a level for the planes' rounding, times the sum of the weights' sizes (1.5 at most), and half for the shot's.
    assert abs(shot(planes, position)[0, 0, 0] - truth(position)) < 1.26


@given(position=positions)
def test_the_targets_plane_has_no_part_in_the_shots(position: float) -> None:
    planes, other = textured(), textured()
    other[MIDDLE] = 255 - other[MIDDLE]
    np.testing.assert_array_equal(shot(planes, position), shot(other, position))


@given(plane=st.integers(-7, 7).filter(bool))
def test_on_a_plane_the_shot_is_that_plane(plane: int) -> None:
    planes = textured()
    np.testing.assert_array_equal(shot(planes, plane, np.full((3, 2), 100.0)), planes[MIDDLE + plane])


@given(position=positions)
def test_planes_in_reverse_are_met_from_the_other_side(position: float) -> None:
    one, other = shot(textured(), position).astype(int), shot(textured()[::-1], -position)
    assert np.abs(one - other).max() <= 1  # sums in another order may round the other way


@given(step=st.integers(-6, 6), row=st.integers(0, 16), column=st.integers(0, 16))
def test_pairs_hold_the_shots_on_both_sides_and_the_target(step: int, row: int, column: int) -> None:
    patches, where = stacks(textured()), (slice(row, row + 16), slice(column, column + 16))
    found = patches.between(0, 0.5 * step, np.random.default_rng(0), where)
    for cut, plane, offset in zip(found, patches.views(0, 0.5 * step), (step - 1, step + 1, None), strict=True):
        if offset != 0:  # where the target would be a shot, that is interpolated
            np.testing.assert_array_equal(cut, plane[where])


@pytest.mark.parametrize("slope", [0.0, 0.05])
def test_noise_of_a_camera_is_read_from_its_planes_and_kept_between_them(slope: float) -> None:
    random = np.random.default_rng(1)
    level = np.linspace(40, 220, 128)[:, None]
    variance = 3 + slope * level
    planes = level[..., None] + np.sqrt(variance)[..., None] * random.standard_normal((4, 15, 128, 128, 3))
    whole = np.rint(planes).astype(np.uint8)
    noise = camera_noise(whole, MIDDLE)
    expected = [3 + 1 / 12, slope]  # with the rounding
    assert np.all(np.abs(noise - expected) < [0.15, 0.0015]) and np.all(noise >= 0)
    for position in (0.0, 0.5, -2.5, 3.3):
        made = shot(whole[0], position, noise)
        measured = np.square(made - level[..., None]).mean(axis=(1, 2))
        # 384 squares a row: SD 7 % each, 128 rows; another rounding on top
        wanted = variance[:, 0] + 2 / 12
        assert (measured / wanted).mean() == pytest.approx(1, abs=0.04)
        assert np.polyfit(level[:, 0], measured, 1)[0] == pytest.approx(slope, abs=0.008)


def test_shots_share_no_noise_with_the_target() -> None:
    random = np.random.default_rng(1)
    whole = np.rint(128 + 2 * random.standard_normal((1, 15, 96, 96, 3))).astype(np.uint8)
    low, high, target = (
        image.astype(float) - 128
        for image in PatchStacks((whole,), np.zeros(1, int), np.zeros(1, int), np.zeros(1), PAIRS).between(
            0, 0.25, random
        )
    )
    # Each other's noise they share a little: planes next to one of them are nodes of the other one's cubic, too.
    assert abs((low * target).mean()) < 0.1 and abs((high * target).mean()) < 0.1


def test_offsets_follow_the_gaussian_and_are_all_different() -> None:
    visits = TrainingPairs(stacks(textured()), CONTINUOUS, seed=3)
    focal_offset_um = np.sort([visits[i][3] for i in range(len(visits))])
    share = (ndtr(focal_offset_um) - ndtr(-3)) / (1 - 2 * ndtr(-3))
    # Multiples of the golden ratio have a discrepancy under (3 + log N) / N; 1 % of jitter comes on top.
    assert np.abs(share - np.arange(2000) / 2000).max() < (3 + np.log(2000)) / 2000 + 0.01
    assert np.unique(focal_offset_um).size == 2000


def test_a_visit_shows_the_shots_of_its_offset() -> None:
    visits = TrainingPairs(stacks(128 + 16 * Z_UM), CONTINUOUS, seed=3)
    for i in range(64):
        low, high, target, focal_offset_um = visits[i]
        assert low.shape == (3, 16, 16) and int(target[0, 0, 0]) == 128
        assert abs(int(low[0, 0, 0]) - (128 + 16 * (focal_offset_um - 0.5))) <= 0.5 + 1e-3
        assert abs(int(high[0, 0, 0]) - (128 + 16 * (focal_offset_um + 0.5))) <= 0.5 + 1e-3


@pytest.fixture(scope="module")
def level_field() -> tuple[PatchStacks, np.ndarray, np.ndarray]:
    """A level section without noise: its stack as a patch, and shots at offsets between the planes with theirs."""
    still = MicroscopeSettings(z_error_sd_um=0, full_well_e=10_000_000, read_noise_e=0)
    settings = SimulateSettings(
        field_px=(96, 96),
        fields={"train": 1},
        z_first_um=-4.5,
        z_last_um=4.5,
        draws=16,
        microscopes={"one": still},
        topography=TopographySettings(field_sd_um=0, tilt_sd_um_per_mm=0, waviness_sd_um=0),
    )
    row = SlideRow.model_validate(
        {"slide": "S", "patient": "P", "sample": "s", "role": "train", "source": "simulated", "tissue": "stromal"}
    )
    (field,) = simulate_slide(row, settings, PAIRS, OpticsSettings(), seed=5)
    assert field.stack is not None and field.continuous is not None and field.continuous_z_um is not None
    near = np.abs(field.stack.z_um) <= 3.5
    within = np.abs(field.continuous_z_um) <= 3
    return stacks(field.stack.planes[near]), field.continuous[within], field.continuous_z_um[within]


def test_shots_between_planes_are_those_that_the_microscope_takes_there(
    level_field: tuple[PatchStacks, np.ndarray, np.ndarray],
) -> None:
    patches, shots, focal_offset_um = level_field
    assert len(focal_offset_um) >= 12
    wrong, apart = [], []
    for pair, n in zip(shots.astype(float), focal_offset_um, strict=True):
        made = np.array(patches.between(0, n, np.random.default_rng(0))[:2])
        wrong.append(np.square(made - pair).mean())
        apart.append(np.square(pair[0] - pair[1]).mean())
    # Two roundings apart, next to nothing of what tells the two shots from each other.
    assert np.mean(wrong) - 2 / 12 < 0.01 * np.mean(apart)
    assert max(wrong) - 2 / 12 < 0.1
