"""Two shots of one field of view: what every network and baseline takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.settings.optics import OpticsSettings


@dataclass(frozen=True)
class Pair:
    """The two shots of a tile, in order of z; the method itself picks the sharper one as Y1.

    Attributes
    ----------
    low, high : (Y, X, C) uint8 arrays
        Shots at F - delta_um and F + delta_um.
    delta_um : float
        Half the distance between the shots.
    optics : OpticsSettings
        The nominal optics.
    n_um : float or None
        Offset of F from the true focus where it is known (oracle methods and scores alone may look).
    """

    low: np.ndarray
    high: np.ndarray
    delta_um: float
    optics: OpticsSettings
    n_um: float | None = None
