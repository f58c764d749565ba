"""What the network sees: the right planes, every patch once an epoch, the offsets' quotas, the same every time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from tsva.acquisition.draws import bin_weights
from tsva.settings.acquisition import PairsSettings
from tsva.settings.train import TrainSettings
from tsva.training.dataset import TrainingPairs, VerificationPairs
from tsva.training.patches import PatchStacks, Truth

PAIRS = PairsSettings(patch_px=32)
PLANES = 15  # ±3.5 µm every 0.5 µm


def numbered(patches: int = 5, edge: int = 32, focal_offset_um: float = 1.5) -> PatchStacks:
    """Two slides whose pixels tell patch (tens) and plane (units), all but the last patch in the first array."""
    values = 16 * np.arange(patches)[:, None] + np.arange(PLANES)
    whole = np.broadcast_to(values[..., None, None, None], (patches, PLANES, edge, edge, 3)).astype(np.uint8)
    array = np.array([0] * (patches - 1) + [1])
    index = np.array([*range(patches - 1), 0])
    return PatchStacks((whole[:-1], whole[-1:]), array, index, np.full(patches, focal_offset_um), PAIRS)


def textured(seed: int = 0) -> PatchStacks:
    """Patches of noise, the same in all planes."""
    one = np.random.default_rng(seed).integers(0, 256, (4, 1, 32, 32, 3), np.uint8)
    stacks = np.repeat(one, PLANES, axis=1)
    return PatchStacks((stacks,), np.zeros(4, int), np.arange(4), np.zeros(4), PAIRS)


def drawn(**keys: object) -> TrainSettings:
    return TrainSettings.model_validate({"offsets": "drawn", "crop_px": None, "epochs": 2, "steps": None, **keys})


@given(patch=st.integers(0, 4), step=st.integers(-6, 6))
def test_shots_lie_half_a_micrometre_either_side_of_the_offset_and_the_target_in_the_middle(
    patch: int, step: int
) -> None:
    low, high, target = numbered().views(patch, 0.5 * step)
    assert [int(view[0, 0, 0]) - 16 * patch for view in (low, high, target)] == [7 + step - 1, 7 + step + 1, 7]


def test_offsets_are_told_from_each_patchs_own_focus() -> None:
    """Shots lie by the target's plane; what is given counts from the focus, 0.2 µm above or below it."""
    plain, beside_um = numbered(), np.array([0.2, -0.2, 0.2, -0.2, 0.2])
    patches = dataclasses.replace(plain, target_offset_um=beside_um)
    for of_plain, of_patches in (
        (TrainingPairs(plain, drawn(), 0), TrainingPairs(patches, drawn(), 0)),
        (VerificationPairs(plain, 5), VerificationPairs(patches, 5)),
    ):
        for number in range(5):
            one, other = of_plain[number], of_patches[number]
            assert all(torch.equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))
            patch = int(one[2][0, 0, 0]) // 16
            assert other[3] - one[3] == pytest.approx(beside_um[patch])
    some = patches.subset(np.arange(5) % 2 == 1)
    assert some.from_focus_um(1, 1.0) == pytest.approx(0.8)
    with pytest.raises(ValueError, match="target_offset_um"):
        dataclasses.replace(plain, target_offset_um=beside_um[:4])


def test_views_read_nothing_and_copy_nothing() -> None:
    patches = numbered()
    assert all(np.shares_memory(view, patches.arrays[0]) for view in patches.views(0, 2.0))


def test_stacks_with_other_planes_are_refused() -> None:
    whole = numbered()
    with pytest.raises(ValueError, match="15"):
        PatchStacks((whole.arrays[0][:, 1:],), whole.array[:1], whole.index[:1], whole.focal_offset_um[:1], PAIRS)
    with pytest.raises(ValueError, match="mixed"):
        grey = whole.arrays[0][..., :1]
        PatchStacks((whole.arrays[0], grey), whole.array, whole.index, whole.focal_offset_um, PAIRS)


def test_each_epoch_visits_every_patch_once_in_another_order() -> None:
    visits = TrainingPairs(numbered(patches=7), drawn(epochs=3), seed=1)
    patches = [int(visits[i][2][0, 0, 0]) // 16 for i in range(len(visits))]
    epochs = [patches[i : i + 7] for i in range(0, 21, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_steps_and_epochs_count_visits() -> None:
    assert len(TrainingPairs(numbered(), drawn(epochs=4, batch=3), 0)) == 21  # whole batches
    assert TrainingPairs(numbered(), drawn(epochs=4, batch=3), 0).steps == 7
    assert len(TrainingPairs(numbered(), drawn(epochs=None, steps=6, batch=3), 0)) == 18


def test_drawn_offsets_are_the_patches_own() -> None:
    visits = TrainingPairs(numbered(focal_offset_um=-2.5), drawn(), seed=1)
    assert {visits[i][3] for i in range(len(visits))} == {-2.5}


def test_redrawn_offsets_fill_the_gaussians_quotas_without_the_target_as_a_shot() -> None:
    visits = TrainingPairs(numbered(), drawn(offsets="gaussian", epochs=None, steps=250, batch=8), seed=3)
    focal_offset_um = np.array([visits[i][3] for i in range(len(visits))])
    offsets = np.array(PAIRS.strict_offsets_um)
    shares = np.array([(focal_offset_um == n).mean() for n in offsets])
    # Multiples of the golden ratio have a discrepancy under (3 + log N) / N; 1 % of jitter comes on top, at both ends.
    assert np.abs(shares - bin_weights(offsets, 1.0, 0.5)).max() < (3 + np.log(2000)) / 2000 + 0.005
    assert shares.sum() == pytest.approx(1)


def test_shots_and_target_are_turned_and_cropped_alike() -> None:
    visits = TrainingPairs(textured(), drawn(crop_px=16, flips=True, epochs=None, steps=8, batch=4), seed=5)
    samples = [visits[i] for i in range(32)]
    for low, high, target, _ in samples:
        assert target.shape == (3, 16, 16)
        assert torch.equal(low, target) and torch.equal(high, target)
    assert len({sample[2].numpy().tobytes() for sample in samples}) == 32


def test_turns_are_the_eight_symmetries_of_a_square_and_nothing_else() -> None:
    image = textured().arrays[0][0, 0].transpose(2, 0, 1)
    eight = {np.rot90(m, k, (1, 2)).tobytes() for m in (image, image[..., ::-1]) for k in range(4)}
    patches = textured().subset(np.array([True, False, False, False]))
    for flips, expected in ((True, 8), (False, 4)):
        visits = TrainingPairs(patches, drawn(flips=flips, epochs=100), seed=2)
        seen = {visits[i][2].numpy().tobytes() for i in range(100)}
        assert len(seen) == expected and seen <= eight


@given(visit=st.integers(0, 31), other=st.integers(0, 31))
def test_a_visit_depends_on_seed_and_number_alone(visit: int, other: int) -> None:
    settings = drawn(offsets="gaussian", crop_px=16, epochs=None, steps=8, batch=4)
    first, again = TrainingPairs(textured(), settings, seed=5), TrainingPairs(textured(), settings, seed=5)
    again[other]
    assert all(torch.equal(a, b) for a, b in zip(first[visit][:3], again[visit][:3], strict=True))
    assert first[visit][3] == again[visit][3]


def test_another_seed_sees_otherwise() -> None:
    settings = drawn(crop_px=16, epochs=None, steps=8, batch=4)
    one, two = (TrainingPairs(textured(), settings, seed) for seed in (1, 2))
    assert any(not torch.equal(one[i][2], two[i][2]) for i in range(8))


def simulated(patches: int = 4, draws: int = 3) -> PatchStacks:
    """`numbered` with what simulated slides know: clean images of 200 + patch, shots of 100 + draw."""
    whole = numbered(patches)
    truths = []
    for array in whole.arrays:
        count = len(array)
        clean = np.broadcast_to(200 + np.arange(count)[:, None, None, None], (count, 32, 32, 3)).astype(np.uint8)
        shots = 100 + 10 * np.arange(draws)[:, None] + np.arange(2)
        shots = np.broadcast_to(shots[None, ..., None, None, None], (count, draws, 2, 32, 32, 3)).astype(np.uint8)
        truths.append(Truth(clean, np.ones(count, bool), shots, np.tile([-0.3, 0.1, 1.2][:draws], (count, 1))))
    return dataclasses.replace(whole, truths=tuple(truths))


def test_simulated_slides_are_trained_at_all_offsets_towards_images_without_noise() -> None:
    settings = drawn(offsets="gaussian", epochs=None, steps=100, batch=8)
    pairs = TrainingPairs(simulated(), settings, seed=3)
    seen = [pairs[i] for i in range(len(pairs))]
    assert {n for *_, n in seen} >= {-0.5, 0.5}
    assert {int(target[0, 0, 0]) for _, _, target, _ in seen} == {200, 201, 202}  # three patches lie in the first array
    continuous = TrainingPairs(simulated(), drawn(offsets="continuous", epochs=None, steps=10, batch=8), seed=3)
    assert all(int(continuous[i][2][0, 0, 0]) >= 200 for i in range(80))


def test_shots_between_planes_use_the_middle_plane_where_it_is_not_the_target() -> None:
    real, known = textured(), textured()
    stacks = real.arrays[0].copy()
    stacks[:, 7] = 0  # the middle plane alone is black
    clean = Truth(stacks[:, 7] + 50, np.ones(4, bool), np.empty((4, 0, 2, 32, 32, 3), np.uint8), np.empty((4, 0)))
    real, known = (dataclasses.replace(real, arrays=(stacks,), truths=truths) for truths in ((), (clean,)))
    random = np.random.default_rng(0)
    assert real.between(0, 0.5, random)[0].mean() > 100  # the low shot lies on the middle plane
    low, _, target = known.between(0, 0.5, random)
    assert low.max() == 0 and target.min() == 50


@given(most=st.integers(1, 40))
def test_verification_takes_the_pairs_between_the_planes_where_there_are_some(most: int) -> None:
    pairs = VerificationPairs(simulated(), most)
    assert len(pairs) == min(most, 4 * 3)
    seen = [pairs[i] for i in range(len(pairs))]
    assert {n for *_, n in seen[:4]} == {-0.3}  # all patches have their turn before any comes again
    for low, high, target, n in seen:
        draw = [-0.3, 0.1, 1.2].index(n)
        assert (int(low[0, 0, 0]), int(high[0, 0, 0])) == (100 + 10 * draw, 101 + 10 * draw)
        assert int(target[0, 0, 0]) >= 200


def test_verification_of_real_slides_fills_the_gaussian_and_repeats_itself() -> None:
    pairs, again = (VerificationPairs(numbered(patches=5), 500) for _ in range(2))
    offsets = np.array([pairs[i][3] for i in range(len(pairs))])
    assert len(offsets) == 500 and np.abs(offsets).max() < 3
    shares = np.array([(offsets < edge).mean() for edge in (-1.0, 0.0, 1.0)])
    np.testing.assert_allclose(shares, ndtr([-1.0, 0.0, 1.0]), atol=0.01)
    patches = [int(pairs[i][2][0, 0, 0]) // 16 for i in range(500)]
    assert {patches.count(patch) for patch in range(5)} == {100}
    assert all(torch.equal(one, other) for one, other in zip(pairs[7][:3], again[7][:3], strict=True))


def test_grey_patches_behind_a_memory_map_are_copied(recwarn: pytest.WarningsRecorder) -> None:
    """torch warns of arrays that can't be written to, once a process."""
    whole = textured().arrays[0][..., :1].copy()
    whole.flags.writeable = False
    patches = PatchStacks((whole,), np.zeros(4, int), np.arange(4), np.zeros(4), PAIRS)
    view = VerificationPairs(patches, 1)[0][2]
    assert not np.shares_memory(view.numpy(), whole)
    np.testing.assert_array_equal(view[0], whole[0, 7, ..., 0])
    assert not recwarn.list
