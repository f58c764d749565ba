"""Cross-spectra of all planes: as measured, window by window, and as a model of section and microscope has them.

The model is a layered section through a microscope whose constants are estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import scipy.fft
from scipy.interpolate import CubicSpline

from tsva.acquisition.draws import rng
from tsva.errors import UserError
from tsva.optics.otf import radial_otf
from tsva.optics.pupil import pupil_of
from tsva.restoration.layered_section import Layers, layered_powers
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration.prepared import Field

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


RINGS = 14
EDGES_PX = (128, 96, 64)
"""Windows' edges: the largest of which a field holds three across."""
MOST_WINDOWS = 64
"""Of all fields."""
MOST_PLANES = 33
"""About the in-focus plane of a field: what lies farther adds little and takes long."""
LEAST_PEAK = 1.3
"""Sharpness of a window's best plane over that of its median plane, below which it has no focus of its own."""
LEAST_CONTRAST = 2.0
"""Power in a window's sharpest plane over the noise's, in the rings that sharpness is read from."""
SHARP_FROM, SHARP_TO = 0.06, 0.3
"""Periods a pixel that measure sharpness."""


@dataclass(frozen=True)
class Window:
    """One window of one field.

    Attributes
    ----------
    field : int
        Number of its field.
    y_px, x_px : int
        Its upper left corner.
    focus_um : float
        Where it is sharpest, from its field's in-focus plane.
    gram : (C, R, P, P) float32 array
        Real cross-spectra of the planes from -reach to +reach about its own focus, white noise of variance v having
        power v; images in [0, 1].
    rest_um : float
        Position of the middle one of these planes less `focus_um`.
    """

    field: int
    y_px: int
    x_px: int
    focus_um: float
    gram: np.ndarray
    rest_um: float


@dataclass(frozen=True)
class Windows:
    """All usable windows.

    Attributes
    ----------
    windows : tuple of Window
    edge_px : int
    frequency_px : (R,) float array
        Mean frequency of each ring, periods a pixel.
    modes : (R,) float array
        Independent frequencies of a window in each ring.
    z_um : (P,) float array
        Planes from the middle one.
    """

    windows: tuple[Window, ...]
    edge_px: int
    frequency_px: np.ndarray
    modes: np.ndarray
    z_um: np.ndarray


def measure_windows(fields: list[Field], noise_variance: np.ndarray, reach_um: float, seed: int) -> Windows:
    """Spectra of windows of all fields, about their own focus.

    Parameters
    ----------
    fields : list of Field
        Of one pixel size and one z step.
    noise_variance : (C,) float array
        Of images in [0, 1].
    reach_um : float
        Farthest plane from focus that is used; less where planes or blur allow less.
    seed : int
        Of the choice of windows, where there are many.

    Raises
    ------
    UserError
        If no window has a focus of its own.
    """
    smallest = min(min(field.planes.shape[1:3]) for field in fields)
    edge = next((edge for edge in EDGES_PX if smallest >= 2.5 * edge), min(EDGES_PX))
    places = [(n, y, x) for n, field in enumerate(fields) for y, x in _corners(field.planes.shape[1:3], edge)]
    if len(places) > 2 * MOST_WINDOWS:
        kept = rng(seed, "windows").choice(len(places), 2 * MOST_WINDOWS, replace=False)
        places = [places[i] for i in sorted(kept)]
    rings = _Rings.of(edge)
    step_um = fields[0].z_step_um
    found, shortest = [], []
    for n, y, x in places:
        one = _look(fields[n], y, x, edge, rings, noise_variance)
        if one is not None:
            found.append((n, y, x, *one))
            shortest.append(min(one[1], one[0].shape[-1] - 1 - one[1]))
    reach = min(int(np.floor(reach_um / step_um + 1e-6)), int(np.median(shortest)) if shortest else 0)
    usable = [one for one, short in zip(found, shortest, strict=True) if short >= reach]
    if reach < 2 or not usable:
        raise UserError(
            ", ".join(dict.fromkeys(field.name for field in fields)),
            got="no window whose focus is clear with two planes on either side",
            wanted="tissue with fine structure, in focus near the middle of the stack",
            do="Choose another field, or take the stack farther up and down.",
        )
    contrast = np.array([one[5] for one in usable])
    best = sorted(np.argsort(-contrast)[:MOST_WINDOWS])
    windows = []
    for n, y, x, gram, middle, focus_um, _ in (usable[i] for i in best):
        planes = slice(middle - reach, middle + reach + 1)
        own = gram[:, :, planes, planes]
        windows.append(Window(n, y, x, focus_um, own, float(_used(fields[n])[1][middle] - focus_um)))
    z_um = np.arange(-reach, reach + 1) * step_um
    return Windows(tuple(windows), edge, rings.frequency, rings.modes, z_um)


def _used(field: Field) -> tuple[slice, np.ndarray]:
    """The planes that are looked at, and their positions."""
    focus = int(np.argmin(np.abs(field.z_um)))
    first = max(0, focus - MOST_PLANES // 2)
    planes = slice(first, min(len(field.z_um), focus + MOST_PLANES // 2 + 1))
    return planes, field.z_um[planes]


def _look(
    field: Field, y: int, x: int, edge: int, rings: _Rings, noise: np.ndarray
) -> tuple[np.ndarray, int, float, float] | None:
    """Gram, middle plane, focus (µm) and contrast of a window; None where it has no clear focus."""
    planes, z_um = _used(field)
    gram = rings.gram(field.planes[planes, y : y + edge, x : x + edge])
    sharp = (rings.frequency > SHARP_FROM) & (rings.frequency < SHARP_TO)
    power = np.einsum("crpp->crp", gram)[:, sharp] - noise[:, None, None]
    weight = rings.modes[sharp] * np.sin(2 * np.pi * np.minimum(rings.frequency[sharp], 0.25)) ** 2
    curve = np.einsum("crp,r->p", power, weight) / weight.sum()
    best = int(np.argmax(curve))
    if best in (0, len(curve) - 1) or curve[best] < LEAST_CONTRAST * noise.sum():
        return None
    if curve[best] < LEAST_PEAK * max(float(np.median(curve)), 0.0):
        return None
    below, here, above = np.log(np.maximum(curve[best - 1 : best + 2], 1e-3 * curve[best]))
    bend = 2 * here - below - above
    part = 0.5 * (above - below) / bend if bend > 0 else 0.0
    focus_um = float(z_um[best] + np.clip(part, -0.5, 0.5) * field.z_step_um)
    return gram, best, focus_um, float(curve[best])


def _corners(shape: tuple[int, ...], edge: int) -> list[tuple[int, int]]:
    """Corners of windows that overlap by half, in the middle of a field."""
    along = []
    for length in shape[:2]:
        count = (length - edge) // (edge // 2) + 1
        first = (length - edge - (count - 1) * (edge // 2)) // 2
        along.append([first + i * (edge // 2) for i in range(count)])
    return [(y, x) for y in along[0] for x in along[1]]


@dataclass(frozen=True)
class _Rings:
    """Rings of frequencies of evenly rising logarithm, for windows of one edge."""

    window: np.ndarray
    order: np.ndarray
    begins: np.ndarray
    weights: np.ndarray
    frequency: np.ndarray
    modes: np.ndarray

    @classmethod
    def of(cls, edge: int) -> _Rings:
        radius = np.hypot(np.fft.fftfreq(edge)[:, None], np.fft.rfftfreq(edge)[None, :])
        limits = np.geomspace(2.5 / edge, 0.5, RINGS + 1)
        ring = np.searchsorted(limits, radius, side="right").ravel() - 1
        ring[(ring < 0) | (ring >= RINGS)] = RINGS
        order = np.argsort(ring, kind="stable")
        begins = np.searchsorted(ring[order], np.arange(RINGS + 1))
        twice = np.full(radius.shape[1], 2.0)
        twice[0] = 1
        twice[-1] = 1
        weights = np.broadcast_to(twice, radius.shape).ravel()[order]
        along = np.hanning(edge + 2)[1:-1]
        window = np.outer(along, along).astype(np.float32)
        frequency = np.array(
            [np.average(radius.ravel()[order[a:b]], weights=weights[a:b]) for a, b in pairwise(begins)]
        )
        # a Hann window makes (3/2)² neighbours of the plane of frequencies one
        modes = np.array([weights[a:b].sum() for a, b in pairwise(begins)]) / 2.25 / 2
        return cls(window, order, begins, weights, frequency, modes)

    def gram(self, planes: np.ndarray) -> np.ndarray:
        """(C, R, Z, Z) of (Z, Y, X, C) planes."""
        images = np.moveaxis(planes - planes.mean(axis=(1, 2), keepdims=True), -1, 0)
        spectra = scipy.fft.rfft2(images * self.window)
        flat = spectra.reshape(*spectra.shape[:2], -1)[..., self.order] * np.sqrt(self.weights)
        out = np.empty((len(flat), RINGS, flat.shape[1], flat.shape[1]), np.float32)
        for ring, (a, b) in enumerate(pairwise(self.begins)):
            part = flat[..., a:b]
            out[:, ring] = (part @ part.conj().swapaxes(-1, -2)).real / max(self.weights[a:b].sum(), 1)
        return out / np.float32(np.sum(self.window**2))
