"""The contract of all methods: a batch of pairs in; restored images and what is estimated beside them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tsva.acquisition.pair import Pair


@dataclass(frozen=True)
class Restoration:
    """What a method made of N pairs of one size.

    Attributes
    ----------
    images : (N, Y, X, C) uint8 array
        Restored images; Y1 as captured where a method failed altogether.
    expected_error : (N, Y, X) float32 array or None
        Expected root mean square error of each pixel's colours, of images in [0, 1].
    expected_rmse : (N,) float array or None
        The same of each image.
    focal_offset_um, focal_offset_sd_um : (N,) float arrays or None
        Focal offset as estimated from the shots, and its standard deviation; the mean of an image whose offset varies.
    failures : tuple of N str
        Why an image is not to be trusted (a kernel that did not converge, a value that was not finite); else empty.
    """

    images: np.ndarray
    expected_error: np.ndarray | None = None
    expected_rmse: np.ndarray | None = None
    focal_offset_um: np.ndarray | None = None
    focal_offset_sd_um: np.ndarray | None = None
    failures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.failures:
            object.__setattr__(self, "failures", ("",) * len(self.images))


class Method(Protocol):
    """A method of any kind, ready to restore."""

    def __call__(self, pairs: Sequence[Pair]) -> Restoration:
        """Restore pairs of one size, at least one."""
        ...


def joined(parts: Sequence[Restoration]) -> Restoration:
    """The restorations of one method, one after the other."""

    def along(name: str) -> np.ndarray | None:
        values = [getattr(part, name) for part in parts]
        return None if any(value is None for value in values) else np.concatenate(values)

    return Restoration(
        np.concatenate([part.images for part in parts]),
        along("expected_error"),
        along("expected_rmse"),
        along("focal_offset_um"),
        along("focal_offset_sd_um"),
        tuple(failure for part in parts for failure in part.failures),
    )
