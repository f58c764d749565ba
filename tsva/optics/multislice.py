"""Partially coherent images by Abbe's method, slice by slice: slow, and without the fast model's approximations.

Each point of the condenser's disc sends a plane wave. It passes the section's slices, in each of which it loses the
square root of what intensity loses, and spreads between them; the objective passes what enters its pupil, refocused
for every stage position; the intensities of all points add. Nothing is linearised, light is absorbed by one slice
after the other, and Debye's pupil carries depth in the mountant with all its aberration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.fft
from scipy.special import ndtri

from tsva.optics.camera import Grid
from tsva.optics.pupil import FWHM_PER_SD, Pupil, pupil_of, travel_per_depth
from tsva.optics.specimen import Specimen, apparent, focal_heights, layer_heights, layer_weights
from tsva.settings.acquisition import OpticsSettings

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
PLASTIC_SHARE = 0.7548776662466927
"""Irrational step of a sequence that fills 0 to 1 evenly, independently of the golden angle."""


def image_multislice(
    specimen: Specimen | Sequence[Specimen],
    surface_um: np.ndarray,
    z_um: np.ndarray,
    optics: OpticsSettings,
    grid: Grid,
    *,
    spacing_um: float,
    points: int,
    spherical_um: float = 0.0,
    threads: int = 1,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Image a specimen through `optics`, whose condenser ratio is known.

    Parameters
    ----------
    specimen, surface_um, z_um, grid, threads
        As in `imaging.image_specimen`.
    optics : OpticsSettings
        With `condenser_ratio`.
    spacing_um : float
        Distance between slices, in stage travel.
    points : int
        Points of the condenser's disc, in pairs across its middle; each has a wavelength of its own out of the
        colour's spectrum, so that both are averaged over at once.
    spherical_um : float
        Spherical aberration (see `Pupil`).

    Yields
    ------
    plane, channel, image
        As `imaging.image_layers`.

    Raises
    ------
    ValueError
        If the optics have no condenser ratio, or `points` is odd.

    References
    ----------
    Abbe's method: Goodman (2000), Statistical Optics, section 7.2. Multi-slice: Cowley & Moodie (1957), Acta Cryst. 10,
    609. Points: Vogel's sunflower (1979), Math. Biosci. 44, 179.
    """
    if optics.condenser is None:
        raise ValueError("multi-slice imaging needs optics.condenser_ratio")
    if points % 2:
        raise ValueError(f"points is {points}, not even")
    pupil, travel, z_um = pupil_of(optics, spherical_um), travel_per_depth(optics), np.atleast_1d(z_um)
    slabs = [specimen] if isinstance(specimen, Specimen) else list(specimen)
    slabs = [apparent(slab, travel) for slab in slabs]
    heights = _heights(slabs, surface_um, spacing_um)
    densities = _densities(slabs, surface_um, heights, spacing_um)
    step_um = grid.pixel_um / grid.fine
    shape = grid.shape_px[0] * grid.fine, grid.shape_px[1] * grid.fine
    f_y, f_x = scipy.fft.fftfreq(shape[0], step_um), scipy.fft.fftfreq(shape[1], step_um)
    radius2 = (f_y**2)[:, None] + (f_x**2)[None, :]
    for channel in range(3):
        # Amplitude falls by the square root; deepest slices, which the light meets first, come first.
        slices = [np.exp(-density[..., channel] / 2) for density in densities]
        total, energy = np.zeros((len(z_um), *shape), np.float32), 0.0
        for places, wavelength in _source(optics, channel, points):
            cutoff = pupil.na / wavelength
            spread = _spread(optics, pupil, wavelength, radius2, spacing_um / travel)
            within = np.flatnonzero(radius2 <= cutoff**2)
            rho = np.sqrt(radius2.ravel()[within]) / cutoff
            rate = pupil.defocus_rate(rho, wavelength)
            # The field goes on as exp(+ikz); the pupil's phases are minus path.
            passes = pupil.amplitude(rho) * np.exp(-1j * pupil.aberration(rho, wavelength))
            if slices:  # on to the plane of height 0, still within the mountant
                passes *= _spread(optics, pupil, wavelength, radius2.ravel()[within], heights[-1] / travel)
            for place in places:
                row, column = _on_grid(place, optics.condenser * cutoff * step_um, shape)
                energy += float(pupil.amplitude(np.hypot(row / shape[0], column / shape[1]) / step_um / cutoff)) ** 2
                wave = _behind(slices, _plane_wave(row, column, shape), spread, threads).ravel()[within] * passes
                for plane, z in enumerate(z_um):
                    focused = np.zeros(shape, np.complex64)
                    focused.ravel()[within] = wave * np.exp(-1j * z * rate)
                    field = scipy.fft.ifft2(focused, workers=threads, overwrite_x=True)
                    total[plane] += field.real**2 + field.imag**2
        for plane in range(len(z_um)):
            yield plane, channel, _pixels(total[plane] / energy, grid)


def _heights(slabs: Sequence[Specimen], surface_um: np.ndarray, spacing_um: float) -> np.ndarray:
    """Heights of all slices, falling, evenly spaced from the first that holds matter to the last."""
    held = np.concatenate([layer_heights(slab, surface_um, spacing_um) for slab in slabs])
    if len(held) == 0:
        return held
    return np.arange(round(held.max() / spacing_um), round(held.min() / spacing_um) - 1, -1) * spacing_um


def _behind(slices: Sequence[np.ndarray], wave: np.ndarray, spread: np.ndarray, threads: int) -> np.ndarray:
    """Spectrum of a wave behind the last slice; the wave's own memory is used."""
    for index, part in enumerate(slices):
        if index:
            wave *= spread
            wave = scipy.fft.ifft2(wave, workers=threads, overwrite_x=True)
        wave *= part
        wave = scipy.fft.fft2(wave, workers=threads, overwrite_x=True)
    return wave if slices else scipy.fft.fft2(wave, workers=threads)


def _densities(
    slabs: Sequence[Specimen], surface_um: np.ndarray, heights: np.ndarray, spacing_um: float
) -> list[np.ndarray]:
    """Natural optical density of each slice, (Y, X, 3) float32."""
    summed = [np.zeros(slabs[0].transmittance.shape, np.float32) for _ in heights]
    for slab in slabs:
        density = -np.log(np.maximum(slab.transmittance, np.float32(1e-6)))
        weights = layer_weights(focal_heights(slab, surface_um), slab.thickness_um, heights, spacing_um)
        for part, weight in zip(summed, weights, strict=True):
            part += density * np.maximum(weight, 0)[:, :, None]
    return summed


def _source(optics: OpticsSettings, channel: int, points: int) -> Iterator[tuple[list[tuple[float, float]], float]]:
    """Pairs of opposite places on the condenser's disc (y and x, shares of its radius), and a wavelength for each."""
    for index in range(points // 2):
        radius, turn = np.sqrt((index + 0.5) / (points // 2)), GOLDEN_ANGLE * index
        quantile = (0.5 + PLASTIC_SHARE * index) % 1
        wavelength = optics.wavelengths_um[channel] + optics.bandwidth_um / FWHM_PER_SD * float(ndtri(quantile))
        y, x = float(radius * np.sin(turn)), float(radius * np.cos(turn))
        yield [(y, x), (-y, -x)], wavelength


def _on_grid(place: tuple[float, float], unit: float, shape: tuple[int, int]) -> tuple[int, int]:
    """Periods over the frame, nearest to a place on the disc; waves repeat with the frame.

    `unit` is the disc's radius in cycles a sample; a place on its rim is not moved beyond it.
    """
    exact = [share * unit * size for share, size in zip(place, shape, strict=True)]
    row, column = (round(number) for number in exact)
    if np.hypot(row / shape[0], column / shape[1]) > unit:
        row, column = (int(number) for number in exact)
    return row, column


def _plane_wave(row: int, column: int, shape: tuple[int, int]) -> np.ndarray:
    along_y, along_x = (
        np.exp(2j * np.pi * (number * np.arange(size) % size) / size)
        for number, size in ((row, shape[0]), (column, shape[1]))
    )
    return np.outer(along_y, along_x).astype(np.complex64)


def _spread(
    optics: OpticsSettings, pupil: Pupil, wavelength_um: float, radius2: np.ndarray, depth_um: float
) -> np.ndarray:
    """Propagation by a depth in the mountant: paraxially for eq. 1's pupil, by the angular spectrum for Debye's."""
    index = optics.mountant_index or optics.refractive_index
    if pupil.model == "born_wolf":
        return np.exp(-1j * np.pi * wavelength_um * depth_um / index * radius2).astype(np.complex64)
    axial2 = (index / wavelength_um) ** 2 - radius2
    phase = 2 * np.pi * depth_um * (np.sqrt(np.maximum(axial2, 0)) - index / wavelength_um)
    return np.where(axial2 > 0, np.exp(1j * phase), 0).astype(np.complex64)


def _pixels(intensity: np.ndarray, grid: Grid) -> np.ndarray:
    """Averages over the camera's pixels of a fine image, by way of its spectrum, as the fast model takes them."""
    fine, pixel_um = grid.fine, grid.pixel_um
    f_y = scipy.fft.fftfreq(intensity.shape[0], pixel_um / fine)[:, None]
    f_x = scipy.fft.rfftfreq(intensity.shape[1], pixel_um / fine)[None, :]
    shift_um = (1 - 1 / fine) / 2 * pixel_um
    factor = np.sinc(f_y * pixel_um) * np.sinc(f_x * pixel_um) * np.exp(2j * np.pi * shift_um * (f_y + f_x))
    if fine > 1:
        factor[intensity.shape[0] // 2] = 0
        factor[:, -1] = 0
    return scipy.fft.irfft2(scipy.fft.rfft2(intensity) * factor, intensity.shape)[::fine, ::fine].astype(np.float32)
