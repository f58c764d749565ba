"""What lies under the objective: the common ground of digital tissue, real fields and the optics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Specimen:
    """Transmitted intensity of a section and where in depth its matter lies.

    Attributes
    ----------
    transmittance : (Y, X, 3) float32 array
        Transmitted over incident intensity, 0 to 1 (Beer-Lambert is already applied), red, green, blue.
    depth_um : (Y, X) float32 array
        Mean depth of what absorbs at this place, relative to the middle of the section; positive is
        nearer the objective.
    thickness_um : (Y, X) float32 array
        Full depth over which the matter at this place is spread, evenly.
    pixel_um : float
        Sampling of the three maps (finer than the camera's).
    """

    transmittance: np.ndarray
    depth_um: np.ndarray
    thickness_um: np.ndarray
    pixel_um: float
