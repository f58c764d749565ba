"""A trained network in a file: weights, and what they were trained for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import torch
from torch import Tensor

from tsva.errors import UserError
from tsva.restoration.colours import FARTHEST, Colours, block_levels
from tsva.restoration.pair_network import (
    Constants,
    PairNetwork,
    TwoShotModule,
    build,
    computed_buffers,
    constants_of,
    differing_buffers,
    differing_constants,
    set_buffers,
)
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.methods import NETWORK_NAMES, NetworkName
from tsva.settings.train import TrainSettings

OPTICS_TOLERANCE = {"na": 0.05, "refractive_index": 0.05, "mountant_index": 0.06, "condenser_ratio": 0.25}
"""How far images may differ from a network's training without a warning."""
FORMAT = 3
"""Format 1 held neither the package's version nor the network's physics; networks of format 2 expected no errors of
shots."""


@dataclass(frozen=True)
class Checkpoint:
    """What `model.ckpt` holds.

    Attributes
    ----------
    network : str
        One of `tsva.settings.methods.NETWORK_NAMES`.
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
    computed : dict of str to Tensor
        Buffers that the network computes of its physics, as they were in training. Empty: computed anew.
    colours : dict
        `Colours.plain` of the training patches. Empty: not known.
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
    computed: dict[str, Tensor] = field(default_factory=dict)
    colours: dict[str, Any] = field(default_factory=dict)

    def restored_network(self) -> PairNetwork[Any]:
        """The network with its weights and its computed buffers, in evaluation mode."""
        network = self._fresh()
        network.load_state_dict(self.weights)
        set_buffers(network, self.computed)
        return network.eval()

    def check_fits(self, path: Path, where: str, pixel_um: float, channels: int, delta_um: float) -> None:
        """Refuse images that the network was not trained for: it knows blur in pixels, colours, one shot offset.

        Parameters
        ----------
        path : Path
            Of the checkpoint, for the message.
        where : str
            Which images.
        pixel_um, channels, delta_um
            Of the images.

        Raises
        ------
        UserError
            Names what differs.
        """
        kinds = {1: "grey (1 channel)", 3: "colour (3 channels)"}
        differences = []
        if self.channels != channels:
            differences.append((kinds[channels], kinds[self.channels]))
        if abs(self.pixel_um / pixel_um - 1) > 0.02:
            differences.append((f"pixels of {pixel_um:g} µm", f"pixels of {self.pixel_um:g} µm"))
        if abs(self.delta_um - delta_um) > 1e-6:
            differences.append((f"shots at ∓{delta_um:g} µm", f"shots at ∓{self.delta_um:g} µm"))
        for got, wanted in differences:
            raise UserError(
                where,
                got=got,
                wanted=f"{wanted}, as {path} was trained on",
                do="Give a checkpoint that was trained on such images.",
            )

    def outside_training(self, optics: OpticsSettings) -> list[str]:
        """A phrase for each key of optics in which images differ from those that the network was trained on.

        Unlike pixels, colours and the shot offset these are often unknown or nearly right, so that nothing is refused.
        """
        trained = OpticsSettings.model_validate(self.optics)
        found = []
        for key, most in OPTICS_TOLERANCE.items():
            got, wanted = getattr(optics, key), getattr(trained, key)
            if got != wanted and (got is None or wanted is None or abs(got - wanted) > most):
                found.append(f"{key} is {got} (trained on: {wanted})")
        return found

    def known_colours(self) -> Colours | None:
        """What colours the network was trained on, where the file states it."""
        return Colours.from_plain(self.colours)

    def strange_colours(self, shots: Sequence[np.ndarray]) -> str | None:
        """A phrase if (Y, X, C) uint8 shots have colours that the network was not trained on; None if they have not, or
        is not known."""
        known = self.known_colours()
        if known is None or not shots or shots[0].shape[2] != 3:
            return None
        return colours_phrase(known.distance(np.concatenate([block_levels(shot) for shot in shots])))

    def plain(self) -> dict[str, Any]:
        """All but tensors, as JSON has it: what `fresh_network` takes."""
        kind = {key: value for key, value in asdict(self).items() if key not in ("weights", "computed")}
        return {**kind, "constants": constants_of(self._fresh())}

    def check_shapes(self) -> None:
        """Raise RuntimeError if weights don't fit, before memory is taken: settings may state any size."""
        if self.channels not in (1, 3):
            raise RuntimeError(f"{self.channels} channels")
        with torch.device("meta"):
            network = self._fresh()
            wanted = {name: value.shape for name, value in network.state_dict().items()}
            there = {name: value.shape for name, value in network.completed(self.weights).items()}
        if wanted != there:
            wrong = sorted(name for name in wanted | there if wanted.get(name) != there.get(name))
            raise RuntimeError(f"{len(wrong)} of {len(wanted)} parameters, such as {wrong[0]}")

    def _fresh(self) -> PairNetwork[Any]:
        settings, optics = TrainSettings.model_validate(self.settings), OpticsSettings.model_validate(self.optics)
        return build(self.network, settings, self.channels, optics, self.delta_um)


def colours_phrase(distance: float) -> str | None:
    """What is to be said of a distance of `Colours`; None if it is near enough, or NaN."""
    if not distance > FARTHEST:
        return None
    return (
        f"the colours lie {distance:.1f} standard deviations from those that the network was trained on "
        f"(at most {FARTHEST:g})"
    )


def fresh_network(constants: Constants, **kind: Any) -> TwoShotModule:
    """A network as exported packages have it, with all its outputs, of `Checkpoint.plain`.

    Raises
    ------
    UserError
        If the network that this version builds has other physical constants.
    """
    network = Checkpoint(**kind, weights={})._fresh()
    _refuse(f"network {kind['network']}", differing_constants(network, constants), "another version")
    return network.with_all_outputs()


def save(checkpoint: Checkpoint, path: Path, *, with_computed: bool = True) -> None:
    """Write a checkpoint that ``torch.load(path, weights_only=True)`` reads as plain dictionaries.

    Beside the fields of `Checkpoint` it holds ``format``, ``tsva_version`` and ``constants`` (of the physics that the
    network is built of).

    Parameters
    ----------
    checkpoint : Checkpoint
    path : Path
    with_computed : bool
        Buffers that the network computes of its physics, too, which take more room than a small network's weights.
        Without them they are computed anew when the file is read.

    Raises
    ------
    RuntimeError
        If the weights don't fit the settings.
    """
    checkpoint.check_shapes()
    network = checkpoint._fresh()
    computed = (checkpoint.computed or computed_buffers(network)) if with_computed else {}
    held = {"computed": computed, "constants": constants_of(network)}
    torch.save({"format": FORMAT, "tsva_version": version("tsva"), **asdict(checkpoint), **held}, path)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, on the CPU.

    Raises
    ------
    UserError
        If the file is missing, damaged, of another format or of a network that this version doesn't have.
    """
    if not path.is_file():
        raise UserError(
            str(path),
            got="no such file",
            wanted="a model.ckpt of the train stage",
            do="Correct the path, or train first.",
        )
    try:
        held = read_sound(path)
    except Exception as error:  # whatever torch's zip reader and unpickler raise: RuntimeError, EOFError, KeyError…
        raise _unusable(path, f"a file that torch can't read ({type(error).__name__})") from None
    if not isinstance(held, dict) or not isinstance(held.get("format"), int):
        raise _unusable(path, "something else than a checkpoint")
    writer = f"tsva {held.pop('tsva_version', 'of an unknown version')}"
    if (number := held.pop("format")) != FORMAT:
        raise _unusable(path, f"a checkpoint of format {number}, written by {writer}", f"format {FORMAT}")
    if held.get("network") not in NETWORK_NAMES:
        raise _unusable(path, f"the network {held.get('network')!r}")
    try:
        constants = held.pop("constants")
        checkpoint = Checkpoint(**held)
        checkpoint.check_shapes()
        checkpoint.known_colours()
        network = checkpoint._fresh()
        checkpoint = replace(checkpoint, weights=network.completed(checkpoint.weights))
        other = differing_constants(network, constants)
        if checkpoint.computed:
            other = other or differing_buffers(network, checkpoint.computed)
    except (TypeError, AttributeError, ValueError, RuntimeError, KeyError) as error:
        raise _unusable(path, f"weights or settings that don't fit ({str(error).splitlines()[0]})") from None
    _refuse(str(path), other, writer)
    return checkpoint


def _refuse(where: str, differences: list[str], writer: str) -> None:
    """Weights that were trained on another linear stage would restore something else, and nobody would notice."""
    if differences:
        raise UserError(
            where,
            got=f"a network that {writer} trained with other physics: {'; '.join(differences)}",
            wanted="the constants and computed tables of this version",
            do="Use the version that trained it, or train it anew.",
        )


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


def _unusable(path: Path, got: str, wanted: str = "a checkpoint of this version's train stage") -> UserError:
    return UserError(str(path), got=got, wanted=wanted, do="Train it anew or get another copy.")
