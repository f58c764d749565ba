"""Colours of a network's training: a stain is told whatever its amount, and an unknown one is warned of."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import tsva
from tsva.acquisition.pair import Pair
from tsva.errors import UserError
from tsva.restoration.checkpoint import load, save
from tsva.restoration.colours import FARTHEST, Colours, block_levels, density
from tsva.restoration.packaged_model import packaged_model
from tsva.settings.acquisition import OpticsSettings

STAIN = np.array([0.2, 0.6, 0.4])


def levels(stain: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    return np.exp(-amounts[:, None] * stain) * 0.95


def test_the_amount_of_a_stain_changes_nothing_and_its_kind_does() -> None:
    random = np.random.default_rng(1)
    mixed = np.abs(STAIN + 0.05 * random.normal(size=(500, 3)))
    known = Colours.of([np.vstack([np.exp(-mixed), np.ones((40, 3))])], stain_jitter=0.0)
    assert known is not None and known.blocks == 500
    far = np.array([[0.0, 0.0, 0.0], *np.repeat([[0.5], [1.0], [2.0]], 3, axis=1) * STAIN])
    found = known.distances(np.exp(-far), white=1.0)
    assert np.isnan(found[0])  # glass has no colour
    np.testing.assert_allclose(found[1:], found[1], rtol=1e-6)
    assert found[1] < 0.5
    assert known.distance(levels(STAIN[[1, 0, 2]], np.linspace(0.6, 2, 20))) > FARTHEST


def test_without_jitter_it_is_mean_and_covariance_of_the_shares() -> None:
    random = np.random.default_rng(2)
    dense = random.uniform(0.2, 0.9, (300, 3))
    known = Colours.of([np.vstack([np.exp(-dense), np.ones((40, 3))])], stain_jitter=0.0)
    assert known is not None
    dense = density(np.exp(-dense), 1.0)
    shares = dense[:, [0, 2]] / dense.sum(axis=1, keepdims=True)
    kept = dense.sum(axis=1) > 0.3
    np.testing.assert_allclose(known.mean, shares[kept].mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(known.covariance, np.cov(shares[kept].T), atol=2e-4)
    wider = Colours.of([np.exp(-dense)], stain_jitter=0.2)
    assert wider is not None and wider.covariance[0][0] > 1.1 * known.covariance[0][0]


def test_little_tissue_tells_no_colours() -> None:
    assert Colours.of([np.full((100, 3), 0.97)], 0.1) is None
    assert Colours.of([], 0.1) is None


def test_levels_are_means_of_blocks() -> None:
    image = np.random.default_rng(3).integers(0, 256, (130, 200, 3), np.uint8)
    found = block_levels(image)
    assert found.shape == (6, 3)
    np.testing.assert_allclose(found[1], image[:64, 64:128].mean(axis=(0, 1)) / 255)
    assert block_levels(image[:20, :30]).shape == (1, 3)


def pair(stain: np.ndarray) -> Pair:
    random = np.random.default_rng(4)
    amounts = np.clip(1 + 0.4 * random.normal(size=(128, 128, 1)), 0.2, 3)
    shot = np.rint(255 * np.exp(-amounts * stain)).astype(np.uint8)
    return Pair(shot, shot, 0.5, OpticsSettings.model_validate(load(packaged_model()).optics))


def test_a_pair_of_an_unknown_stain_is_warned_of() -> None:
    model = tsva.load_model()
    with pytest.warns(UserWarning, match="standard deviations from those that the network was trained on"):
        tsva.refocus(model, pair(STAIN[[1, 0, 2]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tsva.refocus(model, pair(STAIN))


def test_a_checkpoint_without_colours_says_nothing_and_a_wrong_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    save(load(packaged_model()), path)
    held = torch.load(path, weights_only=True)
    torch.save({key: value for key, value in held.items() if key != "colours"}, path)
    assert load(path).known_colours() is None
    strange = [pair(STAIN[[1, 0, 2]]).low]
    assert load(path).strange_colours(strange) is None
    assert load(packaged_model()).strange_colours(strange) is not None
    torch.save(held | {"colours": {"mean": [0.2], "covariance": [[1, 0], [0, 1]], "blocks": 3}}, path)
    with pytest.raises(UserError, match="colours"):
        load(path)
