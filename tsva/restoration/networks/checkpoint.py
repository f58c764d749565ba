"""A trained network in a file: weights, and what they were trained for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tsva.errors import UserError
from tsva.restoration.networks import build
from tsva.settings.optics import OpticsSettings
from tsva.settings.train import NETWORK_NAMES, NetworkName, TrainSettings

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """What `model.ckpt` holds.

    Attributes
    ----------
    network : str
        One of `tsva.settings.train.NETWORK_NAMES`.
    settings : dict
        `TrainSettings`, as JSON has them.
    channels : int
        Of an image: 1 or 3.
    pixel_um, delta_um, offset_max_um : float
        Pixel size, half the distance between the shots, and the largest offset it was trained on.
    optics : dict
        `OpticsSettings`, as JSON has them.
    step, seed : int
    data : str
        Fingerprint of the training patches.
    weights : dict of str to Tensor
    """

    network: NetworkName
    settings: dict
    channels: int
    pixel_um: float
    delta_um: float
    offset_max_um: float
    optics: dict
    step: int
    seed: int
    data: str
    weights: dict[str, Tensor]

    def restored_network(self) -> nn.Module:
        """The network with its weights, in evaluation mode."""
        network = self._fresh()
        network.load_state_dict(self.weights)
        return network.eval()

    def check_shapes(self) -> None:
        """Raise RuntimeError if weights don't fit, before memory is taken: settings may tell of any size."""
        if self.channels not in (1, 3):
            raise RuntimeError(f"{self.channels} channels")
        with torch.device("meta"):
            wanted = {name: value.shape for name, value in self._fresh().state_dict().items()}
        there = {name: value.shape for name, value in self.weights.items()}
        if wanted != there:
            amiss = sorted(name for name in wanted | there if wanted.get(name) != there.get(name))
            raise RuntimeError(f"{len(amiss)} of {len(wanted)} parameters, such as {amiss[0]}")

    def _fresh(self) -> nn.Module:
        settings, optics = TrainSettings.model_validate(self.settings), OpticsSettings.model_validate(self.optics)
        return build(self.network, settings, self.channels, optics, self.delta_um)


def fresh_network(**kind: Any) -> nn.Module:
    """A network as exported packages have it, with all its outputs, from what a checkpoint holds beside weights."""
    return with_all_outputs(Checkpoint(**kind, weights={})._fresh())


def with_all_outputs(network: nn.Module) -> nn.Module:
    """A network with the outputs that are exported of it: itself, or what its method ``telling()`` gives."""
    telling = getattr(network, "telling", None)
    return telling() if telling else network


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint that ``torch.load(path, weights_only=True)`` reads as plain dictionaries."""
    torch.save({"format": FORMAT, **asdict(checkpoint)}, path)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, on the CPU.

    Raises
    ------
    UserError
        If the file is missing, damaged, of another format or of a network that this version doesn't have.
    """
    if not path.is_file():
        raise UserError(
            str(path), got="no such file", wanted="a model.ckpt of the train stage", do="Mend the path, or train first."
        )
    try:
        held = read_sound(path)
    except Exception as error:  # whatever torch's zip reader and unpickler raise: RuntimeError, EOFError, KeyError…
        raise _unusable(path, f"a file that torch can't read ({type(error).__name__})") from None
    if not isinstance(held, dict) or held.pop("format", None) != FORMAT:
        raise _unusable(path, "something else than a checkpoint of this format")
    if held.get("network") not in NETWORK_NAMES:
        raise _unusable(path, f"the network {held.get('network')!r}")
    try:
        checkpoint = Checkpoint(**held)
        checkpoint.check_shapes()
    except (TypeError, AttributeError, ValidationError, RuntimeError) as error:
        raise _unusable(path, f"weights or settings that don't fit ({str(error).splitlines()[0]})") from None
    return checkpoint


def read_sound(path: Path) -> Any:
    """What `torch.save` wrote, on the CPU and without running code of it.

    Raises
    ------
    Exception
        Of many kinds, if a bit of the file is wrong, which torch doesn't look for, or if it unfolds to more than it
        takes on disk.
    """
    with ZipFile(path) as archive:
        if any(entry.compress_type != ZIP_STORED for entry in archive.infolist()):
            raise BadZipFile("compressed")
        damaged = archive.testzip()
    if damaged is not None:
        raise BadZipFile(damaged)
    return torch.load(path, map_location="cpu", weights_only=True)


def _unusable(path: Path, got: str) -> UserError:
    return UserError(
        str(path), got=got, wanted="a checkpoint of this version's train stage", do="Train it anew or get another copy."
    )
