"""Images of layered specimens at many stage positions (eqs. 2 and 3), and the position where a section looks sharpest.

Every layer is transformed once at its own fine sampling. A plane's spectrum is the sum over the layers of spectrum
times transfer function. The transfer function depends on the radius alone. So frequencies are sorted by radius, and the
sum over layers becomes stacked small matrix products, some for each radial bin. The camera's coarser sampling folds the
spectrum, so that the transform back has the camera's size.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, reduce
from typing import Literal

import numpy as np
import scipy.fft
from scipy.interpolate import CubicSpline
from scipy.special import j0

from tsva.optics.aliasing import PIECE, fold_of
from tsva.optics.camera import Grid
from tsva.optics.otf import OtfTable, radial_otf
from tsva.optics.pupil import pupil_of, spectrum, travel_per_depth
from tsva.optics.specimen import Specimen, apparent, focal_heights, layer_heights, layer_weights
from tsva.settings.acquisition import OpticsSettings

LEAST_AT_ONCE, SPECTRA_BYTES = 16, 300_000_000
"""Planes that are computed together, as what their sum has in common takes as long as twenty: all of them, if their
spectra on the way back fit into so much memory. A plane is the same to the last bit in any company."""


def image_layers(
    layers: Iterable[Iterable[np.ndarray]],
    heights_um: np.ndarray,
    z_um: np.ndarray,
    table: OtfTable,
    grid: Grid,
    *,
    dtype: type = np.float32,
    threads: int = 1,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Image absorbing layers, colour by colour and plane by plane.

    Parameters
    ----------
    layers : iterable of L iterables of three arrays
        What each layer takes away of the light in each colour, at the fine sampling. Only one array is held at a time.
    heights_um : (L,) float array
        Stage positions at which the layers are in focus.
    z_um : (Z,) float array
        Stage positions of the planes.
    table : OtfTable
        The microscope's transfer functions.
    grid : Grid
        Sampling; the specimen is continued periodically, so leave a margin.
    dtype : type
        Of computation and result: numpy.float32 or numpy.float64.
    threads : int
        Of the Fourier transforms.

    Yields
    ------
    plane, channel : int
        Indices; all planes of a colour come before the next colour.
    image : (Y, X) array
        Transmitted over incident intensity, averaged over each camera pixel: one less what the layers take away.
    """
    z_um = np.atleast_1d(z_um)
    if len(heights_um) == 0:
        yield from (
            (plane, channel, np.ones(grid.shape_px, dtype)) for channel in range(3) for plane in range(len(z_um))
        )
        return
    defocus = np.subtract.outer(z_um, heights_um)
    complex_type = np.result_type(dtype, np.complex64).type
    knots = table.knots()
    folds = [fold_of(grid, cutoff, len(knots) - 1, np.dtype(complex_type)) for cutoff in table.cutoffs]
    # Working memory is taken once: fresh pages cost as much as the arithmetic on them.
    plane_bytes = max(fold.working_memory(1) for fold in folds) * np.dtype(dtype).itemsize
    at_once = min(max(LEAST_AT_ONCE, SPECTRA_BYTES // plane_bytes), len(z_um))
    folded = np.empty((at_once, grid.shape_px[0], grid.shape_px[1] // 2 + 1), complex_type)
    numbers = max(fold.working_memory(at_once) for fold in folds)
    memory = _working_memory(numbers, np.dtype(dtype), threading.get_ident())
    # all colours of a layer at once: their parts of it follow from the same weights
    matter = [np.empty((len(fold.bins), len(heights_um), PIECE), complex_type) for fold in folds]
    for index, layer in enumerate(layers):
        for fold, spectra, taken in zip(folds, matter, layer, strict=True):
            spectra[:, index] = fold.gather(scipy.fft.rfft2(np.asarray(taken, dtype), workers=threads))
    for channel, fold in enumerate(folds):
        transfer = CubicSpline(knots, table.at_knots(channel, defocus.ravel())).c
        transfer = transfer.reshape(4, -1, *defocus.shape).transpose(1, 0, 3, 2).astype(dtype)  # (bin, 4, layer, z)
        for start, stop in _batches(len(z_um), at_once):
            fold.of_layers(folded, matter[channel], transfer[..., start:stop], memory)
            for index in range(stop - start):
                taken = scipy.fft.irfft2(folded[index], grid.shape_px, workers=threads)
                yield start + index, channel, np.subtract(1, taken, out=taken)


@lru_cache(maxsize=1)
def _working_memory(numbers: int, dtype: np.dtype, thread: int) -> np.ndarray:  # noqa: ARG001
    """Hundreds of MB, so that slabs share it: a thread sums over layers one after the other. Threads share none."""
    return np.empty(numbers, dtype)


def _batches(planes: int, most: int) -> Iterator[tuple[int, int]]:
    """Where planes begin and end that are computed together, in parts as equal as can be."""
    step = -(-planes // -(-planes // most))
    yield from ((start, min(start + step, planes)) for start in range(0, planes, step))


def image_specimen(
    specimen: Specimen | Sequence[Specimen],
    surface_um: np.ndarray,
    z_um: np.ndarray,
    table: Callable[[float], OtfTable],
    grid: Grid,
    *,
    spacing_um: float,
    travel_per_depth: float = 1.0,
    absorption: Literal["multiplies", "adds"] = "multiplies",
    threads: int = 1,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Image a specimen on its focal surface; further parameters and what it yields as in `image_layers`.

    Parameters
    ----------
    specimen : Specimen or sequence of Specimens
        Sampled `grid.fine` times as finely as the camera. Several are slabs above one another.
    surface_um : (Y, X) float array
        Focal surface at the specimen's samples.
    table : callable
        Gives a table of transfer functions that reaches up to a given distance, in µm.
    spacing_um : float
        Distance between layers.
    travel_per_depth : float
        Stage travel over depth, see `pupil.travel_per_depth`.
    absorption : str
        What slabs do to one another. `multiplies`: light that one has let through passes the next, so that their
        images multiply; exact where the slabs' details are independent and farther apart than the depth of field.
        Within a slab matter is one column, divided over layers (eqs. 2 and 3). `adds`: all slabs are one column, and
        the light that it takes away is divided over them by their optical density.

    Raises
    ------
    ValueError
        If specimen and grid don't fit.
    """
    slabs = [specimen] if isinstance(specimen, Specimen) else list(specimen)
    for slab in slabs:
        if slab.transmittance.shape[:2] != tuple(grid.fine * edge for edge in grid.shape_px):
            raise ValueError(f"a specimen of {slab.transmittance.shape} on a camera of {grid.shape_px} × {grid.fine}")
        if abs(slab.pixel_um * grid.fine / grid.pixel_um - 1) > 1e-6:
            raise ValueError(f"samples of {slab.pixel_um} µm; wanted {grid.pixel_um} / {grid.fine}")
    slabs = [apparent(slab, travel_per_depth) for slab in slabs]
    heights = [layer_heights(slab, surface_um, spacing_um) for slab in slabs]
    everywhere = np.unique(np.concatenate(heights))
    reach = float(np.abs(np.subtract.outer(np.atleast_1d(z_um), everywhere)).max(initial=0))
    transfer = table(reach)
    if absorption == "adds" and len(slabs) > 1:
        column = _column(slabs, surface_um, everywhere, spacing_um)
        return image_layers(column, everywhere, z_um, transfer, grid, threads=threads)
    images = [
        image_layers(_column([slab], surface_um, own, spacing_um), own, z_um, transfer, grid, threads=threads)
        for slab, own in zip(slabs, heights, strict=True)
    ]
    return images[0] if len(images) == 1 else _product(images)


def _column(
    slabs: Sequence[Specimen], surface_um: np.ndarray, heights: np.ndarray, spacing_um: float
) -> Iterator[Iterator[np.ndarray]]:
    """What each layer takes away of each colour's light; slabs share it by their optical densities."""
    shares = [_shares([slab.transmittance[:, :, channel] for slab in slabs]) for channel in range(3)]
    each = [layer_weights(focal_heights(slab, surface_um), slab.thickness_um, heights, spacing_um) for slab in slabs]
    for weights in zip(*each, strict=True):
        yield (reduce(np.add, map(np.multiply, weights, of_slabs)) for of_slabs in shares)


def _shares(through: list[np.ndarray]) -> list[np.ndarray]:
    """What each slab takes away of the light, given what it lets through."""
    if len(through) == 1:
        return [1 - through[0]]
    taken = 1 - np.prod(through, axis=0)
    densities = [-np.log(np.maximum(part, np.float32(1e-6))) for part in through]
    scale = taken / np.maximum(sum(densities), np.float32(1e-6))
    return [density * scale for density in densities]


def _product(images: list[Iterator[tuple[int, int, np.ndarray]]]) -> Iterator[tuple[int, int, np.ndarray]]:
    for parts in zip(*images, strict=True):
        plane, channel, image = parts[0]
        for _, _, other in parts[1:]:
            image *= other
        yield plane, channel, image


SLOPE = 2.6
"""Power of tissue falls as f^-SLOPE."""
LAYERS = 9
REACH_UM, STEP_UM = 2.0, 0.05
FREQUENCIES = np.linspace(0.01, 0.5, 99)
"""Cycles a pixel."""


def best_focus_um(optics: OpticsSettings, spherical_um: float, thickness_um: float) -> float:
    """Stage position at which a section's Brenner gradient is largest, less that of the section's middle.

    Aberration makes the planes above and below the focus unlike. A thick section adds both up, so that the sharpest
    plane moves towards the side where contrast falls more slowly.

    Parameters
    ----------
    optics : OpticsSettings
        With the condenser and the mountant.
    spherical_um : float
        Spherical aberration (see `Pupil`).
    thickness_um : float
        Of the section, in the mountant; its layers are taken as independent.

    Returns
    -------
    float
        Micrometres; 0 without aberration.
    """
    if not spherical_um:
        return 0.0
    pupil = pupil_of(optics, spherical_um)
    stage_um = np.arange(-round(REACH_UM / STEP_UM), round(REACH_UM / STEP_UM) + 1) * STEP_UM
    depth_um = np.linspace(-0.5, 0.5, LAYERS) * thickness_um * travel_per_depth(optics)
    defocus_um = (stage_um[:, None] + depth_um).ravel()
    # the gradient is that of the mean of the colours
    transfer = np.zeros((len(FREQUENCIES), len(defocus_um)))
    for channel in range(3):
        for wavelength, weight in zip(*spectrum(optics, channel), strict=True):
            share = FREQUENCIES / optics.pixel_um / pupil.cutoff(wavelength)
            transfer += weight / 3 * radial_otf(pupil, wavelength, share, defocus_um, optics.condenser)
    # rings of the spectrum; the mean over directions of |difference of two pixels' distance|²; the pixel's own blur
    seen = FREQUENCIES ** (1 - SLOPE) * 2 * (1 - j0(4 * np.pi * FREQUENCIES)) * np.sinc(FREQUENCIES) ** 2
    gradient = seen @ (transfer.reshape(len(FREQUENCIES), len(stage_um), LAYERS) ** 2).mean(axis=-1)
    best = int(np.clip(np.argmax(gradient), 1, len(stage_um) - 2))
    left, middle, right = gradient[best - 1 : best + 2]
    return float(stage_um[best] + STEP_UM * 0.5 * (left - right) / (left - 2 * middle + right))
