"""Optical transfer functions under defocus, straight from the pupil's autocorrelation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import CubicSpline

from tsva.optics.condenser import sum_of_waves, unit_nodes, weak_object_transfer
from tsva.optics.pupil import Pupil, pupil_of, spectrum
from tsva.settings.acquisition import OpticsSettings

RADIAL_KNOTS = 1025
"""Knots of the radial table; see `knots_to_share` for how they lie. At 12 µm of defocus the spline is good to 1e-5."""


def radial_otf(
    pupil: Pupil,
    wavelength_um: float | np.ndarray,
    share: np.ndarray,
    z_um: np.ndarray,
    condenser: float | None = None,
) -> np.ndarray:
    """Incoherent transfer function over spatial frequency and defocus; real, because the pupil is round.

    Parameters
    ----------
    pupil : Pupil
        Aperture, model and aberration.
    wavelength_um : float or (W,) float array
        In vacuum. Several at once take little longer than one.
    share : (S,) float array
        Spatial frequency over the cut-off 2 NA / λ, of each wavelength its own; zero is returned from 1 on.
    z_um : (Z,) float array
        Defocus ΔD.
    condenser : float, optional
        Aperture of the condenser over that of the objective: the weak-object transfer function of `condenser.py`.

    Returns
    -------
    (S, Z) or (W, S, Z) float array
        1 at frequency 0, at every z.

    Notes
    -----
    The pupil and its copy, displaced by s pupil radii, overlap in a lens |x| <= 1 - s/2; the autocorrelation is
    integrated over a quarter of it with Gauss-Legendre nodes, about half as many as the phase has radians. With
    x = (1 - s/2)(1 - u²) the lens' tip is smooth in u. For eq. 1 the phase difference is 2 s x times the defocus,
    whatever y: one node across is then exact (Hopkins 1955; Stokseth 1969).
    """
    if condenser is not None:
        return weak_object_transfer(pupil, wavelength_um, share, z_um, condenser)
    share, z_um = np.atleast_1d(share).astype(float), np.atleast_1d(z_um).astype(float)
    inside = share < 1
    s = 2 * share[inside]
    rim, shortest = np.ones(1), float(np.min(wavelength_um))
    defocus = np.abs(z_um).max(initial=0) * np.abs(pupil.defocus_rate(rim, shortest)[0])
    aberration = 4 * np.abs(pupil.aberration(rim, shortest)[0])
    even_across = pupil.model == "born_wolf" and pupil.spherical_um == 0
    u, along_weights = unit_nodes(18 + int(0.55 * (defocus + aberration)))
    v, across_weights = unit_nodes(1 if even_across else 14 + int(0.04 * defocus + 0.5 * aberration))

    reach = (1 - s / 2)[:, None]
    x = reach * (1 - u**2)
    y_rim = u * np.sqrt(reach * (1 + x + s[:, None] / 2))
    area = 4 * (along_weights * 2 * u * reach * y_rim)[:, :, None] * across_weights
    near = np.sqrt((x - s[:, None] / 2)[:, :, None] ** 2 + (y_rim[:, :, None] * v) ** 2)
    far = np.minimum(np.sqrt((x + s[:, None] / 2)[:, :, None] ** 2 + (y_rim[:, :, None] * v) ** 2), 1)

    area *= pupil.amplitude(near) * pupil.amplitude(far)
    rate = pupil.defocus_rate(far, 1.0) - pupil.defocus_rate(near, 1.0)
    still = pupil.aberration(far, 1.0) - pupil.aberration(near, 1.0)
    rho, weights = unit_nodes(40)
    energy = 2 * np.pi * np.sum(weights * rho * pupil.amplitude(rho) ** 2)

    otf = np.zeros((*np.shape(wavelength_um), len(share), len(z_um)))
    rows = len(s), -1
    moved = still.reshape(rows) if pupil.spherical_um else None
    waves = sum_of_waves(area.reshape(rows), rate.reshape(rows), moved, z_um, 1 / np.asarray(wavelength_um))
    otf[..., inside, :] = waves / energy
    return otf


class OtfTable:
    """A microscope's transfer functions for any frequency and any defocus within reach.

    Over z a transfer function is band-limited (the phase across the pupil turns at a bounded rate), so a Chebyshev
    series represents it to rounding; over frequency it is tabulated at knots for a cubic spline.

    Parameters
    ----------
    optics : OpticsSettings
        Aperture, model, spectra.
    reach_um : float
        Largest |z| that will be asked for.
    spherical_um : float
        Spherical aberration (see `Pupil`).
    """

    def __init__(self, optics: OpticsSettings, reach_um: float, spherical_um: float = 0.0) -> None:
        self.reach_um = float(reach_um)
        pupil = pupil_of(optics, spherical_um)
        ends = 1.0 if optics.condenser is None else (1 + optics.condenser) / 2
        self.cutoffs = [ends * pupil.cutoff(spectrum(optics, channel)[0].min()) for channel in range(3)]
        self._series = self._all_series(optics, pupil)

    def knots(self) -> np.ndarray:
        """(RADIAL_KNOTS,) evenly spaced places of the knots on the table's own axis, 0 to 1; see `knots_to_share`."""
        return np.linspace(0, 1, RADIAL_KNOTS)

    def at_knots(self, channel: int, z_um: np.ndarray) -> np.ndarray:
        """Transfer function at the knots, (RADIAL_KNOTS, Z), for defocus `z_um`, (Z,).

        Raises
        ------
        ValueError
            If a z lies beyond the table's reach.
        """
        z_um = np.atleast_1d(z_um)
        if np.abs(z_um).max(initial=0) > self.reach_um * (1 + 1e-9):
            raise ValueError(f"defocus {np.abs(z_um).max()} µm is beyond the table's reach of {self.reach_um} µm")
        series = self._series[channel]
        return np.polynomial.chebyshev.chebvander(z_um / self.reach_um, series.shape[1] - 1).dot(series.T).T

    def series(self, channel: int) -> np.ndarray:
        """Chebyshev coefficients over z / reach at the knots, (RADIAL_KNOTS, degree + 1)."""
        return self._series[channel]

    def _all_series(self, optics: OpticsSettings, pupil: Pupil) -> list[np.ndarray]:
        """Of each colour, (knots, degree + 1) Chebyshev coefficients over z / reach."""
        shortest = min(spectrum(optics, channel)[0].min() for channel in range(3))
        turns = int(self.reach_um * np.abs(pupil.defocus_rate(np.ones(1), shortest)[0]))
        z_nodes, u_nodes = self.reach_um * _chebyshev_nodes(turns + 32), _chebyshev_nodes(int(1.5 * turns) + 64)
        table = np.zeros((3, RADIAL_KNOTS, len(z_nodes)))
        lines = sorted({float(line) for channel in range(3) for line in spectrum(optics, channel)[0]})
        for places_of, to_share in _pieces(optics.condenser):
            share = to_share((u_nodes + 1) / 2)
            at_nodes = _by_wavelength(pupil, lines, share, z_nodes, optics.condenser)
            for channel in range(3):
                for wavelength, weight in zip(*spectrum(optics, channel), strict=True):
                    knots = knots_to_share(self.knots()) * self.cutoffs[channel] / pupil.cutoff(wavelength)
                    places, own_knots = places_of(knots)
                    basis = np.polynomial.chebyshev.chebvander(2 * own_knots - 1, len(u_nodes) - 1)
                    table[channel, places] += weight * basis @ _chebyshev_series(at_nodes(wavelength))
        return [_chebyshev_series(one.T).T for one in table]


def _by_wavelength(
    pupil: Pupil, wavelengths_um: list[float], share: np.ndarray, z_nodes: np.ndarray, condenser: float | None
) -> Callable[[float], np.ndarray]:
    """Transfer functions, (S, Z), of one of the wavelengths at z, (Z,): Chebyshev nodes, times the reach.

    Defocus turns the phase by z over the wavelength, so that without an aberration the shortest one's table serves all.
    """
    if pupil.spherical_um:
        found = radial_otf(pupil, np.array(wavelengths_um), share, z_nodes, condenser)
        return dict(zip(wavelengths_um, found, strict=True)).__getitem__
    reference_um = min(wavelengths_um)
    reach_um = z_nodes.max() / _chebyshev_nodes(len(z_nodes)).max()
    series = _chebyshev_series(radial_otf(pupil, reference_um, share, z_nodes, condenser).T)

    def scaled(wavelength: float) -> np.ndarray:
        nodes = z_nodes / reach_um * reference_um / wavelength
        return (np.polynomial.chebyshev.chebvander(nodes, len(z_nodes) - 1) @ series).T

    return scaled


def camera_otf(
    optics: OpticsSettings, z_um: np.ndarray, shape_px: tuple[int, int], *, spherical_um: float = 0.0
) -> np.ndarray:
    """Transfer functions from the specimen to camera pixels, on the frequencies of `numpy.fft.rfft2`.

    Parameters
    ----------
    optics : OpticsSettings
        Aperture, spectra, pixel size.
    z_um : (Z,) float array
        Defocus ΔD.
    shape_px : (int, int)
        Height and width of the image in camera pixels.
    spherical_um : float
        Spherical aberration (see `Pupil`).

    Returns
    -------
    (Z, 3, Y, X // 2 + 1) float array
        With the square pixel's own transfer function; real, 1 at frequency 0.
    """
    z_um = np.atleast_1d(z_um).astype(float)
    table = OtfTable(optics, max(1.0, float(np.abs(z_um).max(initial=0))), spherical_um)
    f_y = np.fft.fftfreq(shape_px[0], optics.pixel_um)[:, None]
    f_x = np.fft.rfftfreq(shape_px[1], optics.pixel_um)[None, :]
    radius = np.hypot(f_y, f_x)
    pixel = np.sinc(f_y * optics.pixel_um) * np.sinc(f_x * optics.pixel_um)
    otf = np.empty((len(z_um), 3, *radius.shape))
    for channel in range(3):
        spline = CubicSpline(table.knots(), table.at_knots(channel, z_um))
        otf[:, channel] = np.moveaxis(spline(share_to_knots(radius / table.cutoffs[channel])), -1, 0) * pixel
    return otf


def knots_to_share(knots: np.ndarray) -> np.ndarray:
    """From the table's axis to the share of the cut-off, 1 - (1 - u)².

    A transfer function ends as (1 - share)^1.5; over u it ends as a cube, which a cubic spline can follow.
    """
    return 1 - (1 - knots) ** 2


def share_to_knots(share: np.ndarray) -> np.ndarray:
    """Inverse of `knots_to_share`, of arrays of any shape; shares above 1 give 1."""
    return 1 - np.sqrt(1 - np.minimum(share, 1))


Places = Callable[[np.ndarray], tuple[np.ndarray | slice, np.ndarray]]
"""From shares of 2 NA / λ to those that lie in a range of frequency, and where in it they are, 0 to 1."""


def _pieces(condenser: float | None) -> list[tuple[Places, Callable[[np.ndarray], np.ndarray]]]:
    """Ranges of frequency in which a transfer function is smooth up to the ends, on the axis that makes it so.

    Returns the range's places and the map from this axis to shares of 2 NA / λ.
    """
    if condenser is None:
        return [(lambda share: (slice(None), share_to_knots(share)), knots_to_share)]
    # At the kink the condenser's image begins to leave the pupil: like the end, as the power 1.5.
    kink, width = (1 - condenser) / 2, condenser

    def below(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = share < kink
        return there, share[there] / kink

    def above(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = (share >= kink) & (share < kink + width)
        return there, 2 / np.pi * np.arcsin(np.sqrt((share[there] - kink) / width))

    end = above, lambda t: kink + width * np.sin(np.pi / 2 * t) ** 2
    return [(below, lambda t: kink * t), end] if kink > 0 else [end]


def _chebyshev_nodes(count: int) -> np.ndarray:
    return np.cos((np.arange(count) + 0.5) * np.pi / count)


def _chebyshev_series(values: np.ndarray) -> np.ndarray:
    """Coefficients, (count, …), of the series through `values`, (count, …), at the Chebyshev nodes.

    Beyond the phase range (in radians) such a series falls faster than exponentially: 32 terms more reach rounding.
    """
    count = len(values)
    angles = (np.arange(count) + 0.5) * np.pi / count
    series = 2 / count * np.cos(np.multiply.outer(np.arange(count), angles)) @ values
    series[0] /= 2
    return series
