"""Shots between planes: exact where theory says so, near the true shot, without the target's noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from tsva.settings.optics import OpticsSettings
from tsva.settings.pairs import PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings, TopographySettings
from tsva.settings.train import TrainSettings
from tsva.simulate import simulate_slide
from tsva.training.patches import PatchStacks
from tsva.training.visits import Visits

PAIRS = PairsSettings(patch_px=32)
Z_UM = 0.5 * np.arange(-7, 8)
CONTINUOUS = TrainSettings.model_validate({"offsets": "continuous", "crop_px": 16, "steps": 125, "batch": 16})
offsets = st.floats(-3, 3)


def stacks(planes: np.ndarray) -> PatchStacks:
    """One patch, (Z, Y, X, C) or one value a plane."""
    whole = planes if planes.ndim == 4 else np.broadcast_to(planes[:, None, None, None], (len(planes), 32, 32, 3))
    return PatchStacks((whole[None].astype(np.uint8),), np.zeros(1, int), np.zeros(1, int), np.zeros(1), PAIRS)


def textured(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (15, 32, 32, 3), np.uint8)


@given(n_um=offsets, cubic=st.tuples(*[st.floats(-0.5, 0.5)] * 4))
def test_shots_of_what_is_cubic_along_z_are_exact_but_for_rounding(n_um: float, cubic: tuple[float, ...]) -> None:
    def truth(z_um: np.ndarray | float) -> np.ndarray:
        return 128 + 2 * np.polyval(cubic, z_um)

    low, high, _ = stacks(np.rint(truth(Z_UM))).between(0, n_um)
    # Half a level for the planes' rounding, times the sum of the weights' sizes (1.5 at most), and half for the shot's.
    assert abs(low[0, 0, 0] - truth(n_um - 0.5)) < 1.26
    assert abs(high[0, 0, 0] - truth(n_um + 0.5)) < 1.26


@given(n_um=offsets)
def test_the_targets_plane_has_no_part_in_the_shots(n_um: float) -> None:
    planes = textured()
    other = planes.copy()
    other[7] = 255 - other[7]
    for shot, again in zip(stacks(planes).between(0, n_um)[:2], stacks(other).between(0, n_um)[:2], strict=True):
        np.testing.assert_array_equal(shot, again)


@given(step=st.integers(-6, 6).filter(lambda step: abs(step) != 1))
def test_on_a_plane_the_shot_is_that_plane(step: int) -> None:
    patches = stacks(textured())
    for shot, plane in zip(patches.between(0, step / 2), patches.views(0, step / 2), strict=True):
        np.testing.assert_array_equal(shot, plane)


@given(n_um=offsets, row=st.integers(0, 16), column=st.integers(0, 16))
def test_a_crop_is_cut_from_the_whole(n_um: float, row: int, column: int) -> None:
    patches, where = stacks(textured()), (slice(row, row + 16), slice(column, column + 16))
    for cut, whole in zip(patches.between(0, n_um, where), patches.between(0, n_um), strict=True):
        np.testing.assert_array_equal(cut, whole[where])


@given(n_um=offsets)
def test_planes_in_reverse_exchange_the_shots(n_um: float) -> None:
    low, high, _ = stacks(textured()).between(0, n_um)
    mirrored = stacks(textured()[::-1]).between(0, -n_um)
    # Sums in another order may round the other way.
    assert np.abs(low.astype(int) - mirrored[1]).max() <= 1
    assert np.abs(high.astype(int) - mirrored[0]).max() <= 1


def test_offsets_follow_the_gaussian_and_are_all_different() -> None:
    visits = Visits(stacks(textured()), CONTINUOUS, seed=3)
    n_um = np.sort([visits[i][3] for i in range(len(visits))])
    share = (ndtr(n_um) - ndtr(-3)) / (1 - 2 * ndtr(-3))
    # Multiples of the golden ratio have a discrepancy under (3 + log N) / N; 1 % of jitter comes on top.
    assert np.abs(share - np.arange(2000) / 2000).max() < (3 + np.log(2000)) / 2000 + 0.01
    assert np.unique(n_um).size == 2000


def test_a_visit_shows_the_shots_of_its_offset() -> None:
    visits = Visits(stacks(np.rint(128 + 16 * Z_UM)), CONTINUOUS, seed=3)
    for i in range(64):
        low, high, target, n_um = visits[i]
        assert low.shape == (3, 16, 16) and int(target[0, 0, 0]) == 128
        assert abs(int(low[0, 0, 0]) - (128 + 16 * (n_um - 0.5))) <= 0.5 + 1e-9
        assert abs(int(high[0, 0, 0]) - (128 + 16 * (n_um + 0.5))) <= 0.5 + 1e-9


@pytest.fixture(scope="module")
def level_field() -> tuple[PatchStacks, np.ndarray, np.ndarray]:
    """A level section without noise: its stack as a patch, and shots at offsets between the planes with theirs."""
    still = MicroscopeSettings(z_error_sd_um=0, full_well_e=10_000_000, read_noise_e=0)
    settings = SimulateSettings(
        field_px=(96, 96), fields={"train": 1}, z_first_um=-4.5, z_last_um=4.5, draws=16, microscopes={"one": still},
        topography=TopographySettings(field_sd_um=0, tilt_sd_um_per_mm=0, waviness_sd_um=0),
    )  # fmt: skip
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
    patches, shots, n_um = level_field
    assert len(n_um) >= 12
    wrong, apart = [], []
    for pair, n in zip(shots.astype(float), n_um, strict=True):
        made = np.array(patches.between(0, n)[:2])
        wrong.append(np.square(made - pair).mean())
        apart.append(np.square(pair[0] - pair[1]).mean())
    # Two roundings apart, next to nothing of what tells the two shots from each other.
    assert np.mean(wrong) - 2 / 12 < 0.01 * np.mean(apart)
    assert max(wrong) - 2 / 12 < 0.1
