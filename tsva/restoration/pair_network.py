"""Networks that restore pairs of shots: what all of them offer to refocusing, training, checkpoints and export.

What a network's output depends on beside its weights: physical constants, and buffers computed of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tsva.acquisition.pair import high_is_sharper
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.methods import METHODS, NetworkName
from tsva.settings.train import TrainSettings


class Decision(Protocol):
    """What a network decides once for a batch of whole images; a tile gets its part of what varies over the image."""

    def tile(self, y: slice, x: slice) -> Self:
        """The same decision for a part of the images."""
        ...


AnyDecision = TypeVar("AnyDecision", bound=Decision)


@dataclass(frozen=True)
class SharperShot:
    """Which shot is Y1.

    Attributes
    ----------
    high : (B,) bool tensor
        Whether the second shot is.
    """

    high: Tensor

    def tile(self, y: slice, x: slice) -> SharperShot:  # noqa: ARG002
        """The same: it holds for the whole image."""
        return self


class TrainingPatches(Protocol):
    """Patches that a network is prepared with: `tsva.training.patches.PatchStacks`."""

    @property
    def pairs(self) -> PairsSettings:
        """Which planes are the shots."""
        ...

    def __len__(self) -> int: ...

    def views(self, patch: int, focal_offset_um: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Low shot, high shot and in-focus image, (Y, X, C) uint8 each."""
        ...

    def from_focus_um(self, patch: int, focal_offset_um: float) -> float:
        """An offset that `views` takes, counted from the patch's true focus."""
        ...


class Pairs(Protocol):
    """Low shot, high shot and in-focus image, (C, Y, X) uint8 tensors, and the focal offset in µm, by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, pair: int, /) -> tuple[Tensor, Tensor, Tensor, float]: ...


class TwoShotModule(nn.Module):
    """A module that takes (low, high), in [0, 1], (B, C, Y, X) each: a network, or what is exported of it.

    Attributes
    ----------
    multiple, halo_px : int
        Cell that tiles are aligned to, and how far a pixel of the output sees.
    outputs : tuple of str
        Names of what ``forward(low, high)`` returns; the restored image comes first.
    image_px : int or None
        Edge of the only images that it takes; None: it takes all.
    """

    multiple: int
    halo_px: int
    outputs: tuple[str, ...] = ("restored",)
    image_px: int | None = None


class PairNetwork(TwoShotModule, Generic[AnyDecision]):
    """A network that restores the in-focus image of a pair.

    A subclass has ``forward(low, high, decision=None)``, `fresh` and `decide`; the other methods are for networks that
    estimate more than the image or that are trained in another way.
    """

    runs_on_meta: ClassVar[bool] = True
    """Whether it can be built and run without memory; not so where buffers are computed by NumPy."""
    one_for_a_slide: ClassVar[tuple[str, ...]] = ()
    """Names, in what `decide` returns, of the values that a slide has one of, (B, C) each; the focal offset varies."""

    @classmethod
    def fresh(cls, settings: TrainSettings, channels: int, optics: OpticsSettings, delta_um: float) -> Self:
        """The network of this size with random weights, for images of 1 or 3 channels."""
        raise NotImplementedError

    def decide(self, low: Tensor, high: Tensor) -> AnyDecision:
        """What the network has to know of whole images, (B, C, Y, X), before it sees their tiles."""
        raise NotImplementedError

    def decide_at(self, focal_offset_um: Tensor, sd_um: Tensor, of_slide: Mapping[str, Tensor]) -> AnyDecision:
        """What `decide` returns, where the focal offset was measured and a slide's values are known.

        Parameters
        ----------
        focal_offset_um, sd_um : (B, 1, Y, X) float tensors
            By pixel.
        of_slide : mapping of str to (B, C) float tensors
            By the names of `one_for_a_slide`.
        """
        raise NotImplementedError

    def with_error(self, low: Tensor, high: Tensor, decision: AnyDecision) -> tuple[Tensor, Tensor | None]:
        """Restored images, (B, C, Y, X), and the expected error of their pixels, (B, 1, Y, X), if it is estimated."""
        return self(low, high, decision), None

    def focal_offset(self, decision: AnyDecision) -> tuple[Tensor, Tensor] | None:  # noqa: ARG002
        """Focal offset and its standard deviation in µm, (B,) each, if they are estimated."""
        return None

    def prepare(self, patches: TrainingPatches, settings: TrainSettings, seed: int) -> None:
        """Fit, in place, what is fitted before the training steps; nothing for most networks."""

    @property
    def trained_part(self) -> Callable[..., Any]:
        """What training computes, and compiles where the settings want that: the network itself for most."""
        return self

    def training_loss(
        self,
        low: Tensor,
        high: Tensor,
        target: Tensor,
        focal_offset_um: Tensor,  # noqa: ARG002
        image_loss: Callable[[Tensor, Tensor], Tensor],
        forward: Callable[..., Any],
    ) -> Tensor:
        """Loss of a batch.

        Parameters
        ----------
        low, high, target : (B, C, Y, X) float tensors
            In [0, 1].
        focal_offset_um : (B,) float tensor
            True focal offsets.
        image_loss : callable
            Of restored images and targets.
        forward : callable
            `trained_part`, compiled where the settings want that.
        """
        restored: Tensor = forward(low, high)
        return image_loss(restored.float(), target)

    def calibrate(self, pairs: Pairs) -> None:
        """Fit, in place, what is fitted to verification pairs after the training steps; nothing for most networks."""

    def extra_arithmetic(self, height: int, width: int) -> int:  # noqa: ARG002
        """Multiply-accumulates of a pair that torch's FlopCounter does not see."""
        return 0

    held_constants: ClassVar[frozenset[str]] = frozenset()
    """Constants of `physics` that begin a new network alone: a trained one holds its own values among the weights."""

    def completed(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of an earlier version with what they lack, set so that it changes nothing."""
        return dict(weights)

    def physics(self) -> dict[str, ModuleType]:
        """Modules whose constants the output depends on beside the weights, by the name they have in checkpoints."""
        return {}

    def with_all_outputs(self) -> TwoShotModule:
        """The same as a module that returns everything that the network estimates."""
        return self

    def for_export(self) -> TwoShotModule:
        """`with_all_outputs` in operations that exchange formats have."""
        return self.with_all_outputs()


def network_class(name: NetworkName) -> type[PairNetwork[Any]]:
    """The class that `tsva.settings.methods.METHODS` names."""
    module, _, attribute = METHODS[name].place.partition(":")
    found: type[PairNetwork[Any]] = getattr(import_module(module), attribute)
    return found


def build(
    name: NetworkName,
    settings: TrainSettings,
    channels: int,
    optics: OpticsSettings | None = None,
    delta_um: float = 0.5,
) -> PairNetwork[Any]:
    """A network with fresh weights (from torch's global generator).

    Parameters
    ----------
    name : str
        One of `tsva.settings.methods.NETWORK_NAMES`.
    settings : TrainSettings
        Of which width and levels are used; of Fusion, its own section.
    channels : int
        Of an image: 1 or 3.
    optics : OpticsSettings, optional
        Nominal optics (default: the settings' own), which Fusion is built for.
    delta_um : float
        Half the distance between the shots, likewise.
    """
    network = network_class(name).fresh(settings, channels, optics or OpticsSettings(), delta_um)
    # Half the time of channels first on a CPU.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class SharperShotNetwork(PairNetwork[SharperShot]):
    """A network that needs to know which shot is Y1, if anything."""

    def decide(self, low: Tensor, high: Tensor) -> SharperShot:
        """By Brenner's gradient of the whole images."""
        return SharperShot(high_is_sharper(low, high))


Constants = Mapping[str, Any]
"""By "part.NAME": numbers, or lists of them."""
TOLERANCE = 1e-5
"""Of a buffer's largest value: processors round sums differently, by some 1e-7 of it."""


def constants_of(network: PairNetwork) -> dict[str, Any]:
    """Constants that a network's code holds, of the modules that its ``physics`` names; none for most networks."""
    found: dict[str, Any] = {}
    seen: list[tuple[str, object]] = []
    for part, module in network.physics().items():
        for name, value in vars(module).items():
            # a constant that a module imports from one before it is named once
            if name.isupper() and not any(name == other and value is same for other, same in seen):
                seen.append((name, value))
                found[f"{part}.{name}"] = _plain(value)
    return found


def computed_buffers(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the buffers that are computed and not among the weights."""
    weights = network.state_dict().keys()
    return {name: value.detach().clone() for name, value in network.named_buffers() if name not in weights}


def set_buffers(network: nn.Module, computed: Mapping[str, Tensor]) -> None:
    """Put stored values in the place of computed ones."""
    buffers = dict(network.named_buffers())
    for name, value in computed.items():
        buffers[name].copy_(value)


def differing_constants(network: PairNetwork, constants: Constants) -> list[str]:
    """A phrase for each constant of the network's code that isn't as it was stored, but for what the weights hold."""
    here = constants_of(network)
    there = {name: _plain(value) for name, value in constants.items()}
    return [
        f"{name} is {there.get(name, 'missing')} (here {here.get(name, 'missing')})"
        for name in sorted((here.keys() | there.keys()) - network.held_constants)
        if here.get(name) != there.get(name)
    ]


def differing_buffers(network: nn.Module, computed: Mapping[str, Tensor]) -> list[str]:
    """The name of each computed buffer that isn't, to `TOLERANCE`, as it was stored."""
    here = computed_buffers(network)
    return [name for name in sorted(here.keys() | computed.keys()) if not _equal(here.get(name), computed.get(name))]


def _equal(here: Tensor | None, there: Tensor | None) -> bool:
    if here is None or not isinstance(there, Tensor) or here.shape != there.shape or here.dtype != there.dtype:
        return False
    distance = (here.double() - there.double()).abs().max()
    return bool(distance <= TOLERANCE * here.double().abs().max())


def _plain(value: Any) -> Any:
    """As JSON would give it back."""
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
