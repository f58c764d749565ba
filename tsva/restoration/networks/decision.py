"""What a network decides once for a whole image, and hands down to its tiles."""

from __future__ import annotations

from typing import Any, Protocol, Self

from torch import Tensor, nn

from tsva.restoration.networks.sharper import high_is_sharper


class Decision(Protocol):
    """Facts of a batch of whole images; a tile gets its part of those that vary over the image."""

    def tile(self, y: slice, x: slice) -> Self:
        """The same decision for a part of the images."""
        ...


def decide(network: nn.Module, low: Tensor, high: Tensor) -> Any:
    """What a network wants to know of whole images, (B, C, Y, X), before it sees their tiles.

    Returns
    -------
    Decision, or (B,) bool tensor
        What the network's own ``decide`` says; for networks without one, which shot is the sharper.
    """
    if hasattr(network, "decide"):
        return network.decide(low, high)  # type: ignore[operator]
    return high_is_sharper(low, high)


def part_of(decision: Decision | Tensor, y: slice, x: slice) -> Any:
    """The decision for a tile."""
    return decision if isinstance(decision, Tensor) else decision.tile(y, x)
