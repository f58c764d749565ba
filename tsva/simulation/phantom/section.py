"""What happens to a section as a whole: thickness, layers in depth, folds, a free margin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tsva.simulation.phantom.canvas import Canvas, smooth, spectral
from tsva.simulation.phantom.cells import ridge, step

FOLD_CHANCE = 0.08
MARGIN_CHANCE = 0.12
WAVES_UM = 0.15
"""Standard deviation of the section's own depth: it lies on the glass, but not flat."""
SLANT = 0.5
"""Standard deviation of the slopes (along y and x) at which borders and fibres run through the section."""
SLANT_LENGTH_UM = 6.0
DETAIL_FREQUENCIES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Cycles per µm."""
DETAIL_UM = (1.7, 0.7, 0.64, 0.52, 0.26, 0.12)
"""Amplitude of a layer's fine detail at these frequencies: root of the power spectrum (µm²) of log density. Chosen so
that the spectrum of digital sections is that of real ones (docs/phantom.md); nothing else was looked at."""


def cut(canvas: Canvas) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finish a drawn section.

    Returns
    -------
    amounts : (Y, X, 2) float32 array
        Haematoxylin and eosin.
    depth_um, thickness_um : (Y, X) float32 arrays
        As in Specimen.
    """
    # Where drawn nuclei overlap more than the section has room for, all of them give way alike.
    crowd = np.maximum(canvas.occupied, 1)
    nuclear = canvas.nuclear / crowd
    room = 1 - np.minimum(canvas.occupied, 1)
    haematoxylin, eosin = canvas.haematoxylin * room, canvas.eosin * room
    rest = haematoxylin + eosin
    weight = np.maximum(rest + nuclear, 1e-6)
    share = nuclear / weight
    filled = np.maximum(canvas.nuclear, 1e-6)
    depth_um = share * canvas.nuclear_depth / filled
    thickness_um = share * canvas.nuclear_thickness / filled + (1 - share) * np.float32(canvas.section_um)
    whole = _whole(canvas)
    depth_um += whole.waves_um
    thickness_um *= whole.doubled
    amounts = np.stack([(haematoxylin + nuclear) * whole.uneven, eosin * whole.uneven], axis=-1)
    np.maximum(amounts, 0, out=amounts)
    return amounts, depth_um.astype(np.float32), thickness_um.astype(np.float32)


def cut_layers(canvas: Canvas, detail: float) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Finish a drawn section as layers, the farthest from the objective first; each as of `cut`.

    What fills a layer beside nuclei is the drawn matter, displaced along a slope of its own at every place: borders of
    cells and fibres stand oblique in the section. Fine detail, smaller than a layer is thick, differs from layer to
    layer.

    Parameters
    ----------
    canvas : Canvas
        With as many layers as are wanted.
    detail : float
        Strength of fine detail, 1 as in real sections; 0 leaves it out.
    """
    whole, count = _whole(canvas), canvas.layers
    rng = canvas.rng.spawn(1)[0]  # the canvas's own draws stay those of an extruded section
    faces_um = canvas.layer_faces_um()
    slopes = [SLANT * smooth(canvas.shape, canvas.pixel_um, rng, SLANT_LENGTH_UM) for _ in "yx"] if count > 1 else []
    nuclear_in, occupied_in = canvas.nuclear_in, canvas.occupied_in
    if count == 1:
        nuclear_in, occupied_in = canvas.nuclear[None], canvas.occupied[None]
    textures: list[np.ndarray] | list[None] = _textures(canvas, rng) if detail else [None] * count
    layers = []
    for index, texture in enumerate(textures):
        middle_um = float(faces_um[index] + faces_um[index + 1]) / 2
        room = whole.uneven * (1 - np.minimum(occupied_in[index], 1)) / count
        rest = [_slanted(part, slopes, middle_um / canvas.pixel_um) for part in (canvas.haematoxylin, canvas.eosin)]
        nuclear = nuclear_in[index] / np.maximum(canvas.occupied, 1) * whole.uneven
        amounts = np.stack([rest[0] * room + nuclear, rest[1] * room], axis=-1)
        np.maximum(amounts, 0, out=amounts)
        if texture is not None:
            uneven = np.exp(detail * texture)
            amounts *= (uneven / uneven.mean())[:, :, None]
        thickness_um = np.full(canvas.shape, canvas.section_um / count, np.float32)
        layers.append((amounts, middle_um + whole.waves_um, thickness_um * whole.doubled))
    return layers


def _slanted(drawn: np.ndarray, slopes: list[np.ndarray], height_px: float) -> np.ndarray:
    """What is drawn, displaced by slope times height; beyond the edge it goes on as at the edge."""
    if not slopes or height_px == 0:
        return drawn
    rows = np.arange(drawn.shape[0], dtype=np.float32)[:, None]
    columns = np.arange(drawn.shape[1], dtype=np.float32)[None, :]
    places = np.stack([rows + slopes[0] * np.float32(height_px), columns + slopes[1] * np.float32(height_px)])
    return ndimage.map_coordinates(drawn, places, order=1, mode="nearest")


def _textures(canvas: Canvas, rng: np.random.Generator) -> list[np.ndarray]:
    """Log density of fine detail, one (Y, X) float32 field for each layer.

    As in a texture that has no direction of its own, structures of frequency f are shared by layers h apart as
    exp(-2π f h): coarse ones go through the section, fine ones are each layer's own.
    """
    thickness_um = np.float32(canvas.section_um / canvas.layers)

    def amplitude(frequency: np.ndarray) -> np.ndarray:
        logarithm = np.interp(np.log2(np.maximum(frequency, 1e-6)), np.log2(DETAIL_FREQUENCIES), np.log2(DETAIL_UM))
        return np.exp2(logarithm).astype(np.float32)

    def common(frequency: np.ndarray) -> np.ndarray:
        return amplitude(frequency) * np.exp(-np.pi * frequency * thickness_um)

    def own(frequency: np.ndarray) -> np.ndarray:
        return amplitude(frequency) * np.sqrt(1 - np.exp(-2 * np.pi * frequency * thickness_um))

    shared = spectral(canvas.shape, canvas.pixel_um, rng, common)[0]
    pairs = [spectral(canvas.shape, canvas.pixel_um, rng, own) for _ in range((canvas.layers + 1) // 2)]
    return [shared + field for pair in pairs for field in pair][: canvas.layers]


@dataclass(frozen=True)
class _Whole:
    """Height of the section above the glass, (Y, X) µm; its unevenness as a factor; how far folds double it."""

    waves_um: np.ndarray
    uneven: np.ndarray
    doubled: np.ndarray | float


def _whole(canvas: Canvas) -> _Whole:
    """Draw what happens to the section as a whole; nuclei beyond a free margin are taken off the list."""
    rng = canvas.rng
    waves_um = WAVES_UM * canvas.smooth(35.0)
    uneven = np.exp(0.05 * canvas.smooth(60.0))
    doubled: np.ndarray | float = 1.0
    if rng.random() < FOLD_CHANCE:
        uneven *= _fold(canvas)
        doubled = np.minimum(uneven, 2)
    if rng.random() < MARGIN_CHANCE:
        tissue = _margin(canvas)
        uneven *= tissue
        canvas.keep_nuclei(tissue > 0.5)
    return _Whole(waves_um, uneven, doubled)


def _line(canvas: Canvas, offset: float) -> np.ndarray:
    """Signed distance in micrometres from a gently curved line across the field."""
    rng = canvas.rng
    angle = rng.uniform(0, 2 * np.pi)
    across = (canvas.y_um - canvas.height_um / 2) * np.cos(angle) - (canvas.x_um - canvas.width_um / 2) * np.sin(angle)
    return (across + 9 * canvas.smooth(50.0) - offset).astype(np.float32)


def _fold(canvas: Canvas) -> np.ndarray:
    """Optical thickness where the section lies double."""
    distance_um = _line(canvas, canvas.rng.uniform(-0.3, 0.3) * canvas.width_um)
    width_um = canvas.rng.uniform(4, 10)
    return 1 + 0.9 * step(width_um - np.abs(distance_um), 0.0, 1.0) + 0.2 * ridge(np.abs(distance_um) - width_um, 0.6)


def _margin(canvas: Canvas) -> np.ndarray:
    """1 on tissue, 0 beyond a ragged edge."""
    distance_um = _line(canvas, canvas.rng.uniform(0.15, 0.35) * min(canvas.height_um, canvas.width_um))
    return 1 - step(distance_um + 1.0 * canvas.waves[0] + 0.4 * canvas.grain, 0.0, 0.8)
