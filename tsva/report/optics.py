"""The paper's Fig. 2 for the nominal microscope: the point spread function along the axis and across it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tsva.optics.psf import radial_psf, sampled_psf
from tsva.optics.pupil import pupil_of
from tsva.report.names import listed
from tsva.report.svg import MARKERS, MUTED, SERIES, svg
from tsva.settings.optics import OpticsSettings

GREEN = 1
SIZE = 61
"""Samples along the edge of a lateral plane."""


def on_axis(optics: OpticsSettings, delta_um: float) -> list[dict[str, float]]:
    """Intensity on the axis at ΔD = 0 and `delta_um`, as a share of the one in focus, at the green wavelength.

    Returns
    -------
    list of dict
        `defocus_um`, `intensity`.
    """
    marked = np.array([0.0, delta_um])
    found = radial_psf(pupil_of(optics), optics.wavelengths_um[GREEN], np.zeros(1), marked)[:, 0]
    return [{"defocus_um": z, "intensity": value} for z, value in zip(marked, found / found[0], strict=True)]


def point_spread(optics: OpticsSettings, marked: Sequence[Mapping[str, float]]) -> str:
    """Draw the axial curve with positions marked on it, and the lateral planes there, at the green wavelength.

    Parameters
    ----------
    optics : OpticsSettings
        The nominal microscope.
    marked : sequence of mappings
        As :func:`on_axis` returns; the first is the focus.

    Returns
    -------
    str
        An SVG element; intensities are shares of the peak in focus.
    """
    pupil, wavelength = pupil_of(optics), optics.wavelengths_um[GREEN]
    reach_um = 4 * wavelength * optics.refractive_index / optics.na**2
    z_um = np.linspace(-reach_um, reach_um, 401)
    places_um = np.array([mark["defocus_um"] for mark in marked])
    axial = radial_psf(pupil, wavelength, np.zeros(1), z_um)[:, 0]
    half_um = 2 * wavelength / optics.na
    lateral = sampled_psf(pupil, wavelength, places_um, SIZE, 2 * half_um / SIZE)
    peak = lateral[0].max()

    def draw(figure: Figure) -> None:
        curve, *planes = figure.subplots(1, 1 + len(marked), width_ratios=(1.5, *[1] * len(marked)))
        curve.plot(z_um, axial / peak, color=MUTED)
        for mark, colour, marker in zip(marked, SERIES, MARKERS, strict=False):
            z, height = mark["defocus_um"], mark["intensity"]
            curve.plot(
                [z, z], [0, height], color=colour, marker=marker, markevery=[1], label=f"ΔD = {z:g} µm: {height:.2f}"
            )
        curve.set(xlabel="ΔD (µm)", ylabel="intensity on the axis", title="Along the axis", ylim=(0, 1.35))
        curve.legend(loc="upper left")
        for axes, z, plane in zip(planes, places_um, lateral / peak, strict=True):
            # the square root shows the rings
            image = axes.imshow(np.sqrt(plane), extent=(-half_um, half_um) * 2, vmin=0, vmax=1, cmap="cividis")
            axes.set(xlabel="µm", title=f"Across, ΔD = {z:g} µm")
            axes.grid(visible=False)
        figure.colorbar(image, ax=planes, shrink=0.7, label="√ intensity")

    label = f"Point spread function: along the axis, and across it at ΔD = {listed(f'{z:g}' for z in places_um)} µm."
    return svg(draw, "point-spread", label, (9.6, 3.2))
