"""The point spread function of the nominal microscope, along the axis and across it (the paper's Fig. 2)."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np

from tsva.evaluation.images import Images
from tsva.optics.psf import radial_psf, sampled_psf
from tsva.optics.pupil import pupil_of
from tsva.settings.acquisition import OpticsSettings

GREEN = 1
SIZE = 61
"""Samples along the edge of a lateral plane."""
AXIAL_SAMPLES = 401
COLOURS = "cividis"


def point_spread(optics: OpticsSettings, delta_um: float) -> dict[str, Any]:
    """Intensity along the optical axis, as a share of the one in focus, at the green wavelength.

    Parameters
    ----------
    optics : OpticsSettings
        The nominal microscope.
    delta_um : float
        Defocus that is marked beside 0.

    Returns
    -------
    dict
        `on_axis` (`defocus_um` and `intensity` at 0 and at `delta_um`), `axial` (lists `defocus_um` and `intensity` of
        the whole curve) and `half_width_um` (half the edge of the lateral pictures).
    """
    pupil, wavelength_um = pupil_of(optics), optics.wavelengths_um[GREEN]
    reach_um = 4 * wavelength_um * optics.refractive_index / optics.na**2
    z_um = np.linspace(-reach_um, reach_um, AXIAL_SAMPLES)
    marked_um = np.array([0.0, delta_um])
    found = radial_psf(pupil, wavelength_um, np.zeros(1), np.append(marked_um, z_um))[:, 0]
    share = found / found[0]
    return {
        "on_axis": [{"defocus_um": z, "intensity": part} for z, part in zip(marked_um, share, strict=False)],
        "axial": {"defocus_um": z_um, "intensity": share[len(marked_um) :]},
        "half_width_um": _half_width_um(optics),
    }


def lateral_pictures(optics: OpticsSettings, delta_um: float, images: Images) -> list[str]:
    """Lateral planes in focus and at `delta_um`: square roots of the intensity (they show the rings), one scale.

    Returns
    -------
    list of str
        Files of the pictures.
    """
    pixel_um = 2 * _half_width_um(optics) / SIZE
    planes_um = np.array([0.0, delta_um])
    planes = sampled_psf(pupil_of(optics), optics.wavelengths_um[GREEN], planes_um, SIZE, pixel_um)
    colours = matplotlib.colormaps[COLOURS](np.arange(256), bytes=True)[:, :3]
    roots = np.sqrt(planes / planes[0].max())
    return [images.palette("psf", (255 * plane).round().astype(np.uint8), colours) for plane in roots]


def _half_width_um(optics: OpticsSettings) -> float:
    return 2 * optics.wavelengths_um[GREEN] / optics.na
