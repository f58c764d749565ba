"""What a baseline gives back: an image, what it found out on the way, and whether it failed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Restored:
    """A restored patch.

    Attributes
    ----------
    image : (Y, X, C) float array
        In [0, 1], finite. Where a method failed altogether: Y1 as captured.
    focal_offset_um, focal_offset_sd_um : float or None
        Signed offset of F from the true focus, as the method estimated it from the shots, and its standard error.
    kernel : (K, K) float array or None
        The blur that a blind method found.
    failure : str
        Why the image is not to be trusted (a kernel that did not converge, a value that was not finite); else empty.
    """

    image: np.ndarray
    focal_offset_um: float | None = None
    focal_offset_sd_um: float | None = None
    kernel: np.ndarray | None = field(default=None, repr=False)
    failure: str = ""
