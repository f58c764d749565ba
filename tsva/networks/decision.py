"""What a network decides once for a whole image, and hands down to its tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor


class Decision(Protocol):
    """Facts of a batch of whole images; a tile gets its part of those that vary over the image."""

    def tile(self, y: slice, x: slice) -> Self:
        """The same decision for a part of the images."""
        ...


@dataclass(frozen=True)
class Order:
    """Which shot is Y1.

    Attributes
    ----------
    swap : (B,) bool tensor
        Where `high` is Y1.
    """

    swap: Tensor

    def tile(self, y: slice, x: slice) -> Order:
        """Itself: the order belongs to the whole image."""
        return self
