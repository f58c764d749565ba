"""What the spectra of planes should be: a layered section through a microscope whose constants are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from tsva.optics.otf import radial_otf
from tsva.optics.pupil import pupil_of
from tsva.restoration.layered_section import Layers, layered_powers
from tsva.settings.acquisition import OpticsSettings

LAYERS = 9
Z_SAMPLES = 6
"""Of a transfer function for each depth of field (diffraction's n λ / NA²)."""


@dataclass(frozen=True)
class Constants:
    """What is looked for.

    Attributes
    ----------
    optics : OpticsSettings
        With its aperture and condenser.
    spherical_um : float
        Primary spherical aberration, root mean square path difference.
    thickness_um : float
        Of the section, in stage travel.
    structure_um : float
        How deep a structure reaches into it, standard deviation, in stage travel.
    focus_um : float
        Middle of the section less the position where it looks sharpest.
    """

    optics: OpticsSettings
    spherical_um: float = 0.0
    thickness_um: float = 1.0
    structure_um: float = 1.0
    focus_um: float = 0.0


def modelled(
    constants: Constants, z_um: np.ndarray, frequency_px: np.ndarray, channels: int, target: bool = False
) -> np.ndarray:
    """Cross-spectra of planes per unit of the specimen's power.

    Parameters
    ----------
    constants : Constants
    z_um : (P, N) float array
        Planes from the position that looks sharpest; N cases.
    frequency_px : (R,) float array
        Periods a pixel.
    channels : int
        1 (green) or 3.
    target : bool
        With the plane at 0 as an additional last one.

    Returns
    -------
    (C, R, P, P) float array
        Means over the cases. The camera pixel's own transfer function is not in it: it is the same in all planes.
    """
    z_um = np.atleast_2d(np.asarray(z_um, float).T).T
    if target:
        z_um = np.concatenate([z_um, np.zeros((1, z_um.shape[1]))])
    layers = Layers.uniform(constants.thickness_um, constants.structure_um, LAYERS)
    reach_um = float(np.abs(z_um).max()) + abs(constants.focus_um) + constants.thickness_um / 2
    splines = _splines(constants.optics, constants.spherical_um, _grid_reach(reach_um), tuple(frequency_px), channels)

    def transfer(at_um: np.ndarray) -> np.ndarray:
        return np.stack([spline(at_um) for spline in splines], axis=-2)  # (…, C, R)

    shots = layered_powers(transfer, layers, z_um - constants.focus_um).shots  # (P, P, N, C, R)
    return np.asarray(np.moveaxis(shots.mean(axis=2), (2, 3), (0, 1)))


def _grid_reach(reach_um: float) -> float:
    """In steps, so that one table serves many thicknesses."""
    step = 2.0 ** np.floor(np.log2(max(reach_um, 1e-3))) / 4
    return float(np.ceil(reach_um * 1.02 / step) * step)


@lru_cache(maxsize=64)
def _splines(
    optics: OpticsSettings, spherical_um: float, reach_um: float, frequency_px: tuple[float, ...], channels: int
) -> list[CubicSpline]:
    """Transfer functions of z, (R,), of each colour."""
    pupil = pupil_of(optics, spherical_um)
    field_um = optics.refractive_index * min(optics.wavelengths_um) / optics.na**2
    count = int(np.ceil(reach_um / field_um * Z_SAMPLES)) + 4
    z_um = np.linspace(-reach_um, reach_um, 2 * count + 1)
    frequency = np.array(frequency_px) / optics.pixel_um
    splines = []
    for colour in range(3) if channels == 3 else (1,):
        # the middle wavelength alone: with the spectrum's width the aperture found is the same to a ten-thousandth
        middle = optics.wavelengths_um[colour]
        found = radial_otf(pupil, middle, frequency / pupil.cutoff(middle), z_um, optics.condenser)
        splines.append(CubicSpline(z_um, found.T))
    return splines
