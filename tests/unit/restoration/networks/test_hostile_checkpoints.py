"""Checkpoints from elsewhere: no code of theirs runs, and none takes more memory than it brings."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from checkpoints import colour_checkpoint

from tsva.errors import UserError
from tsva.restoration.checkpoint import Checkpoint, load, save
from tsva.settings.methods import NETWORK_NAMES
from tsva.settings.train import TrainSettings

SETTINGS = TrainSettings.model_validate(
    {"width": 2, "levels": 2, "crop_px": None, "fusion": {"width": 8, "depth": 1, "crop_px": 64, "batch": 4}}
)


def checkpoint(name: str = "tsva") -> Checkpoint:
    torch.manual_seed(0)
    return colour_checkpoint(name, SETTINGS)


def write_changed(path: Path, **changes: object) -> None:
    """A checkpoint of which some entries are others than `save` writes."""
    save(checkpoint(), path)
    torch.save({**torch.load(path, weights_only=True), **changes}, path)


class Harm:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self._path}",)


@pytest.mark.parametrize("wrapped", [True, False])
def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, wrapped: bool) -> None:
    path, sign = tmp_path / "model.ckpt", tmp_path / "ran"
    if wrapped:
        torch.save({"format": 1, "network": "tsva", "weights": Harm(sign)}, path)
    else:
        path.write_bytes(pickle.dumps(Harm(sign)))
    with pytest.raises(UserError, match=r"model\.ckpt: got a file that torch can't read"):
        load(path)
    assert not sign.exists()


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_every_network_comes_back(tmp_path: Path, name: str) -> None:
    save(checkpoint(name), tmp_path / "model.ckpt")
    assert load(tmp_path / "model.ckpt").network == name


@pytest.mark.parametrize("change", [{"width": 256, "levels": 7}, {"width": 256}, {"levels": 7}])
def test_settings_of_a_huge_network_with_small_weights(tmp_path: Path, change: dict[str, int]) -> None:
    """Width 256 on seven levels would be some 200 GB."""
    write_changed(tmp_path / "model.ckpt", settings={**checkpoint().settings, **change})
    with pytest.raises(UserError, match="don't fit"):
        load(tmp_path / "model.ckpt")


@pytest.mark.parametrize("channels", [10**9, 0, -1, 2, "3"])
def test_channels_that_no_image_has(tmp_path: Path, channels: int) -> None:
    write_changed(tmp_path / "model.ckpt", channels=channels)
    with pytest.raises(UserError, match="don't fit"):
        load(tmp_path / "model.ckpt")


def test_a_flipped_bit_in_the_weights_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    save(checkpoint(), path)
    data = bytearray(path.read_bytes())
    largest = max(checkpoint().weights.values(), key=torch.numel)
    place = data.find(bytes(largest.untyped_storage())[:64])
    assert place > 0, "weights are stored as they are"
    data[place + 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"model\.ckpt"):
        load(path)
