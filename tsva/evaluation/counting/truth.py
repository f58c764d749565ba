"""The nuclei that digital tissue really has, as seen from one patch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class TrueNuclei:
    """True nuclei of which a patch may show something.

    Attributes
    ----------
    centres_px : (N, 2) float array
        (y, x) in the patch; the middle of its upper left pixel is (0.5, 0.5).
    radius_px : (N,) float array
        Radius of a disk of the nucleus's area.
    inside : (N,) bool array
        The centre lies in the patch.
    """

    centres_px: np.ndarray
    radius_px: np.ndarray
    inside: np.ndarray


def nuclei_near(nuclei: pd.DataFrame, y_px: int, x_px: int, patch_px: int, pixel_um: float) -> TrueNuclei:
    """Nuclei whose centre lies in a patch, and those beside it that reach in.

    Parameters
    ----------
    nuclei : DataFrame
        `y_px`, `x_px` (camera pixels; the middle of the field's upper left pixel is (0, 0)) and `radius_um`.
    y_px, x_px : int
        The patch's upper left corner.
    patch_px : int
        Edge of the patch.
    pixel_um : float
        Size of a pixel in the specimen, in micrometres.

    Returns
    -------
    TrueNuclei
        Each nucleus lies inside one patch of the grid at most.
    """
    centres_px = nuclei[["y_px", "x_px"]].to_numpy(float) - (y_px, x_px) + 0.5
    radius_px = nuclei["radius_um"].to_numpy(float) / pixel_um
    inside = np.all((centres_px >= 0) & (centres_px < patch_px), axis=1)
    reach = radius_px[:, None]
    near = np.all((centres_px >= -reach) & (centres_px < patch_px + reach), axis=1)
    return TrueNuclei(centres_px[near], radius_px[near], inside[near])
