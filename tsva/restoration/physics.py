"""What a network's output depends on beside its weights: physical constants, and buffers computed of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from tsva.restoration.pair_network import PairNetwork

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
