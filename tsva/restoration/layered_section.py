"""A section as layers: products of the shots' and the in-focus image's transfer functions, summed over its depth.

One model serves all linear restoration. Its callers differ in what they take for a section (`Layers`) and in how
transfer functions are computed, for reasons that they give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from scipy.interpolate import CubicSpline

from tsva.optics.otf import OtfTable, share_to_knots
from tsva.optics.pupil import travel_per_depth
from tsva.restoration.baselines.plane import colours
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.restoration import BaselineSettings

LAYERS = 15
"""Of a section: a quarter of a micrometre apart in one of 3.5 µm, much less than the depth of field."""


REACH_STEP_UM = 4.0
LEAST_FOCUS = 1e-4
"""Where the in-focus image holds less than this share of the specimen's power, nothing can be learnt about it."""


@dataclass(frozen=True)
class Layers:
    """Where a section's matter lies.

    Attributes
    ----------
    depth_um : (D,) float array
        Of each layer, from the section's middle.
    coupling : (D, D) float array
        K: weight of each pair of layers, adding up to 1. Layers whose structures are independent couple with
        themselves alone.
    """

    depth_um: np.ndarray
    coupling: np.ndarray

    @classmethod
    def uniform(cls, thickness_um: float, structure_depth_um: float, layers: int = LAYERS) -> Layers:
        """Matter that fills a thickness evenly, with structures that reach through part of it.

        K of two layers falls with their distance as a Gaussian of standard deviation `structure_depth_um`. A thickness
        of 0 is a flat specimen in the plane of focus, which gives the textbooks' Wiener filter.
        """
        layers = layers if thickness_um else 1
        depth = (np.arange(layers) - (layers - 1) / 2) * thickness_um / max(layers - 1, 1)
        coupling = np.exp(-0.5 * (np.subtract.outer(depth, depth) / structure_depth_um) ** 2)
        return cls(depth, coupling / coupling.sum())

    @classmethod
    def gaussian(cls, depth_sd_um: float, layers: int, reach: float) -> Layers:
        """Independent layers whose weights are a Gaussian of depth, up to `reach` standard deviations."""
        depth = np.linspace(-reach, reach, layers) * depth_sd_um
        weights = np.exp(-0.5 * (depth / depth_sd_um) ** 2)
        return cls(depth, np.diag(weights / weights.sum()))


@dataclass(frozen=True)
class Powers:
    """Sums over the section's depth of products of transfer functions, per unit of specimen power.

    Attributes
    ----------
    shots : (I, I, …, 3, F) float array
        Σ K H_i H_j of shots i and j, over pairs of layers.
    target : (I, …, 3, F) float array
        Σ K H_0 H_i of the in-focus image and shot i.
    focus : (3, F) float array
        Σ K H_0 H_0 of the in-focus image.
    """

    shots: np.ndarray
    target: np.ndarray
    focus: np.ndarray

    def of_channels(self, channels: int) -> Powers:
        """Those of an image's channels: a grey one is taken for green."""
        which = list(colours(channels))
        return Powers(self.shots[..., which, :], self.target[..., which, :], self.focus[which])

    def expected(self, chances: np.ndarray) -> Powers:
        """Means over the defocus, (n,) of which were given, each with its chance (adding up to 1).

        The covariances that a linear estimate needs are means over whatever is not known, the defocus too.
        """
        shots = np.einsum("n,ijncf->ijcf", chances, self.shots)
        return Powers(shots, np.einsum("n,incf->icf", chances, self.target), self.focus)

    def per_focus(self) -> Powers:
        """As multiples of the in-focus image's power, where that has any."""
        focus = np.maximum(self.focus, LEAST_FOCUS)
        return Powers(self.shots / focus, self.target / focus, np.ones_like(focus))


def powers(
    optics: OpticsSettings,
    z_um: np.ndarray,
    settings: BaselineSettings,
    frequency: np.ndarray,
    spherical_um: float = 0.0,
) -> Powers:
    """Of a section whose matter fills its thickness, structures reaching through part of it.

    Parameters
    ----------
    optics : OpticsSettings
    z_um : (I, …) float array
        Defocus of each shot, from the section's middle.
    settings : BaselineSettings
        `section_thickness_um` and `structure_depth_um`: see `Layers.uniform`; depths in the mountant, of which the
        stage travels a part (`travel_per_depth`).
    frequency : (F,) float array
        Cycles per µm, none above a camera's corner.
    spherical_um : float
        Primary spherical aberration of the microscope.

    Returns
    -------
    Powers
        The square pixel's own transfer function is in, taken along a diagonal.
    """
    travel = travel_per_depth(optics)
    layers = Layers.uniform(travel * settings.section_thickness_um, travel * settings.structure_depth_um)
    transfer = partial(_transfers, optics, spherical_um, frequency)
    return layered_powers(transfer, layers, np.asarray(z_um, dtype=float))


def layered_powers(transfer: Callable[[np.ndarray], np.ndarray], layers: Layers, z_um: np.ndarray) -> Powers:
    """Sums over a section's layers.

    Parameters
    ----------
    transfer : callable
        Defocus in µm, (…), to transfer functions, (…, C, F).
    layers : Layers
    z_um : (I, …) float array
        Defocus of each shot, from the section's middle.

    Returns
    -------
    Powers
        Of C colours.
    """
    shots = transfer(np.subtract.outer(z_um, layers.depth_um))
    focus = transfer(-layers.depth_um)
    related = np.einsum("de,i...ecf->i...dcf", layers.coupling, shots)
    return Powers(
        np.einsum("i...dcf,j...dcf->ij...cf", shots, related),
        np.einsum("dcf,i...dcf->i...cf", focus, related),
        np.einsum("dcf,de,ecf->cf", focus, layers.coupling, focus),
    )


def _transfers(optics: OpticsSettings, spherical_um: float, frequency: np.ndarray, z_um: np.ndarray) -> np.ndarray:
    """(…, 3, F) transfer functions at defocus (…)."""
    # even in z without an aberration
    places, where = np.unique(np.round(z_um if spherical_um else np.abs(z_um), 6), return_inverse=True)
    # in steps, so that one table serves many distances of the shots
    reach_um = REACH_STEP_UM * float(np.ceil(max(np.abs(places).max(), 1.0) / REACH_STEP_UM))
    pixel = np.sinc(frequency * optics.pixel_um / np.sqrt(2)) ** 2
    found = np.empty((len(places), 3, len(frequency)))
    for colour, series in enumerate(_series(optics, reach_um, spherical_um, tuple(frequency))):
        found[:, colour] = chebvander(places / reach_um, len(series) - 1) @ series * pixel
    return found[where.reshape(np.shape(z_um))]


@lru_cache(maxsize=64)
def _series(
    optics: OpticsSettings, reach_um: float, spherical_um: float, frequency: tuple[float, ...]
) -> list[np.ndarray]:
    """(degree + 1, F) Chebyshev coefficients over z / reach of each colour, at frequencies.

    The opposite aberration mirrors them in z: terms of odd degree change their sign.
    """
    if spherical_um < 0:
        opposite = _series(optics, reach_um, -spherical_um, frequency)
        return [one * (-1.0) ** np.arange(len(one))[:, None] for one in opposite]
    table = _table(optics, reach_um, spherical_um)
    return [
        np.ascontiguousarray(
            CubicSpline(table.knots(), table.series(colour))(share_to_knots(np.array(frequency) / cutoff)).T
        )
        for colour, cutoff in enumerate(table.cutoffs)
    ]


@lru_cache(maxsize=32)
def _table(optics: OpticsSettings, reach_um: float, spherical_um: float) -> OtfTable:
    """One for all frequencies: the offset is looked for at others than restoration is done at."""
    return OtfTable(optics, reach_um, spherical_um)
