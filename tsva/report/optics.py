"""The paper's Fig. 2 for the nominal microscope: the point spread function along the axis and across it."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tsva.optics.psf import radial_psf, sampled_psf
from tsva.optics.pupil import pupil_of
from tsva.report.svg import MUTED, SERIES, svg
from tsva.settings.optics import OpticsSettings

GREEN = 1
SIZE = 61
"""Samples along the edge of a lateral plane."""


def point_spread(optics: OpticsSettings, delta_um: float) -> str:
    """Draw the axial curve with ΔD = 0 and `delta_um` marked, and the lateral planes at both, at the green wavelength.

    Parameters
    ----------
    optics : OpticsSettings
        The nominal microscope.
    delta_um : float
        Half the distance between the shots.

    Returns
    -------
    str
        An SVG element; intensities are shares of the peak in focus.
    """
    pupil, wavelength = pupil_of(optics), optics.wavelengths_um[GREEN]
    reach_um = 4 * wavelength * optics.refractive_index / optics.na**2
    z_um = np.linspace(-reach_um, reach_um, 401)
    marked = np.array([0.0, delta_um])
    peak = radial_psf(pupil, wavelength, np.zeros(1), np.zeros(1))[0, 0]
    axial = radial_psf(pupil, wavelength, np.zeros(1), z_um)[:, 0] / peak
    step_um = 4 * wavelength / (2 * optics.na) / SIZE * 2
    lateral = sampled_psf(pupil, wavelength, marked, SIZE, step_um) / peak

    def draw(figure: Figure) -> None:
        curve, *planes = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
        curve.plot(z_um, axial, color=MUTED)
        for place, (z, plane) in enumerate(zip(marked, lateral, strict=True)):
            height = plane[SIZE // 2, SIZE // 2]
            curve.plot(
                [z, z], [0, height], color=SERIES[place], marker="os"[place], label=f"ΔD = {z:g} µm: {height:.2f}"
            )
        curve.set(xlabel="ΔD (µm)", ylabel="intensity on the axis", title="Along the axis")
        curve.legend()
        half = SIZE * step_um / 2
        for axes, z, plane in zip(planes, marked, lateral, strict=True):
            # the square root shows the rings
            image = axes.imshow(np.sqrt(plane), extent=(-half, half, -half, half), vmin=0, vmax=1, cmap="cividis")
            axes.set(xlabel="µm", title=f"Across, ΔD = {z:g} µm")
            axes.grid(visible=False)
        figure.colorbar(image, ax=planes, shrink=0.7, label="√ intensity")

    label = f"Point spread function: along the axis, and across it at ΔD = 0 and {delta_um:g} µm."
    return svg(draw, "point-spread", label, (9.6, 3.2))
