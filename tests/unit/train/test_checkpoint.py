"""Checkpoints: what comes back, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from checkpoints import colour_checkpoint

from tsva.errors import UserError
from tsva.restoration.checkpoint import Checkpoint, load, save
from tsva.settings.train import TrainSettings

SETTINGS = TrainSettings(width=2, levels=2, crop_px=None)


def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    return colour_checkpoint("tsva", SETTINGS)


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    path, made = tmp_path / "model.ckpt", checkpoint()
    save(made, path)
    held = load(path)
    for field in dataclasses.fields(Checkpoint):
        if field.name != "weights":
            assert getattr(held, field.name) == getattr(made, field.name)
    weights = held.restored_network().state_dict()
    assert weights.keys() == made.weights.keys()
    assert all(torch.equal(weights[name], made.weights[name]) for name in weights)
    assert not held.restored_network().training


def test_it_opens_without_this_package(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    save(checkpoint(), path)
    held = torch.load(path, weights_only=True)
    assert held["network"] == "tsva" and held["settings"]["width"] == 2 and held["optics"]["na"] == 0.75


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "nowhere.ckpt")


@pytest.mark.parametrize("kept", [0, 1, 100, 2000])
def test_a_damaged_file_is_reported(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.ckpt"
    save(checkpoint(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"model\.ckpt.*torch can't read"):
        load(path)


def test_something_else_that_torch_can_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(UserError, match="something else"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "resnet"}, "resnet"),
        ({"channels": 1}, "don't fit"),
        ({"settings": {"width": 3, "levels": 2, "crop_px": None}}, "don't fit"),
        ({"settings": {"breadth": 3}}, "don't fit"),
    ],
)
def test_what_does_not_fit_is_reported(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "model.ckpt"
    save(checkpoint(), path)
    torch.save({**torch.load(path, weights_only=True), **change}, path)
    with pytest.raises(UserError, match=message):
        load(path)
