"""Fine-tuning on part of a stack: what is kept aside, what is chosen, and how colours become grey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tsva
from tsva.errors import UserError
from tsva.restoration.checkpoint import Checkpoint, load, save
from tsva.restoration.packaged_model import packaged_model
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration.kept_area import area_of, chosen_of, kept_pairs, protocol, summary_of
from tsva.training.calibration.measure import measure
from tsva.training.calibration.prepared import Field, prepare
from tsva.training.calibration.tuning import GIVEN, MEASURED, TUNED, for_channels, tune

OPTICS = OpticsSettings(na=0.75, pixel_um=0.345, model="debye")
Z_UM = np.arange(-10, 11) * 0.5


@pytest.fixture(scope="module")
def stack(simulate) -> tsva.Stack:
    return simulate(OPTICS, Z_UM, thickness_um=2.0, field_px=192)


@pytest.fixture(scope="module")
def field(stack: tsva.Stack) -> Field:
    return prepare(stack, "field", 1.5)


@pytest.fixture(scope="module")
def given() -> Checkpoint:
    """The network of the package; its offsets are fitted in a few steps."""
    held = load(packaged_model())
    fusion = {**held.settings["fusion"], "offset_steps": 20, "microscopes": 2}
    return replace(held, settings={**held.settings, "fusion": fusion})


def test_area_kept_aside_is_not_trained_on(field: Field) -> None:
    pairs = protocol([field], 0.5, 1.0, 1.5)
    area = area_of([field], pairs, 1)
    assert pairs.patch_px == 64 and pairs.offsets_um == (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
    sides = area.training, area.verification, area.kept
    stacks = [patches.arrays[0][i].tobytes() for patches in sides for i in patches.index]
    assert len(set(stacks)) == len(stacks) == 9
    right = np.rint(255 * field.planes[10, :64, 128:]).astype(np.uint8)
    assert any(np.array_equal(right, plane) for stack in area.kept.arrays[0] for plane in stack)
    assert len(area.kept) == 3


def test_whole_fields_are_kept_aside_of_many(field: Field) -> None:
    fields = [replace(field, name=f"field {number}") for number in range(6)]
    area = area_of(fields, protocol(fields, 0.5, 1.0, 1.5), 1, aside=(2, 5))
    assert set(area.names) == {"field 2", "field 5"}


def test_shots_of_kept_pairs_lie_within_the_offsets(field: Field) -> None:
    pairs = protocol([field], 0.5, 1.0, 1.5)
    kept = kept_pairs(area_of([field], pairs, 1).kept, OPTICS)
    offsets = np.array([pair.focal_offset_um for _, pair, _ in kept])
    assert np.abs(offsets).max() <= 1.5 and offsets.min() < -0.5 and offsets.max() > 0.5
    for _, pair, target in kept:
        assert pair.low.shape == target.shape and not np.array_equal(pair.low, target)


@pytest.mark.parametrize(
    ("delta_um", "offset_max_um", "word"), [(0.6, 1.5, "whole number"), (0.5, 9.0, "focal offsets up to")]
)
def test_what_planes_do_not_hold_is_refused(field: Field, delta_um: float, offset_max_um: float, word: str) -> None:
    with pytest.raises(UserError, match=word):
        protocol([field], delta_um, 1.0, offset_max_um)


def test_the_chosen_is_better_and_does_no_more_harm() -> None:
    steady, better, rash = np.full(20, 0.1), np.full(20, 0.5), np.r_[np.full(15, 2.0), np.full(5, -1.0)]
    assert chosen_of({GIVEN: steady, MEASURED: better, TUNED: rash}) == MEASURED
    assert chosen_of({MEASURED: steady, TUNED: better}) == TUNED
    assert chosen_of({MEASURED: better, TUNED: steady}) == MEASURED
    assert chosen_of({MEASURED: rash, TUNED: better}) == MEASURED
    assert summary_of(rash) == {"gain_db": 1.25, "made_worse": 0.25, "mean_loss_db": -1.0}


def test_grey_images_see_what_three_equal_colours_would(given: Checkpoint) -> None:
    grey = for_channels(given.weights, 3, 1)
    random = torch.Generator().manual_seed(1)
    # channels of the head's input: image, colour, place in the cell
    cells = torch.rand(1, 3, 1, 4, 5, 5, generator=random)
    one, three = cells.reshape(1, 12, 5, 5), cells.expand(-1, -1, 3, -1, -1, -1).reshape(1, 36, 5, 5)
    wanted = torch.nn.functional.conv2d(three, given.weights["head.weight"])
    assert torch.allclose(torch.nn.functional.conv2d(one, grey["head.weight"]), wanted, atol=1e-5)
    features = torch.rand(1, given.weights["last.weight"].shape[1], 5, 5, generator=random)
    last = torch.nn.functional.conv2d(features, given.weights["last.weight"]).reshape(1, 3, 4, 3, 3).mean(1)
    assert torch.allclose(torch.nn.functional.conv2d(features, grey["last.weight"]), last, atol=1e-5)
    back = for_channels(grey, 1, 3)
    assert {name: value.shape for name, value in back.items()} == {n: v.shape for n, v in given.weights.items()}


def test_a_network_becomes_that_of_the_stack(stack: tsva.Stack, given: Checkpoint, tmp_path: Path) -> None:
    measured = measure([("stack", stack)], OPTICS, offset_sd_um=1.0)
    tuned = tune(measured, given, offset_max_um=1.5, steps=12)
    record = tuned.record
    assert record["kept"] in (MEASURED, TUNED) and record["before_is"] == MEASURED  # colour does not fit grey
    best = max(record["of_each"].values(), key=lambda one: one["gain_db"])
    assert record["of_each"][record["kept"]]["gain_db"] == best["gain_db"] or best["made_worse"] > 0.05
    assert record["denoised_y1"]["gain_db"] < 3.1  # two equal noises become one at best
    assert len(record["pairs"]) == 8 * record["kept_patches"]
    save(tuned.checkpoint, tmp_path / "model.ckpt")
    model = tsva.load_model(tmp_path / "model.ckpt")
    assert (model.channels, model.pixel_um, model.delta_um) == (1, 0.345, 0.5)
    assert model.optics.na == pytest.approx(measured.optics.na)
    restored = tsva.refocus(model, stack, focal_position_um=1.0)
    assert restored.images.shape == (1, 192, 192, 1)
