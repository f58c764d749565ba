"""What happens to a section as a whole: thickness, folds, a free margin."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import ridge, step

FOLD_CHANCE = 0.08
MARGIN_CHANCE = 0.12
WAVES_UM = 0.15
"""Standard deviation of the section's own depth: it lies on the glass, but not flat."""


def cut(canvas: Canvas) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finish a drawn section.

    Returns
    -------
    amounts : (Y, X, 2) float32 array
        Haematoxylin and eosin.
    depth_um, thickness_um : (Y, X) float32 arrays
        As in Specimen.
    """
    rng = canvas.rng
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
    depth_um += WAVES_UM * canvas.smooth(35.0)

    uneven = np.exp(0.05 * canvas.smooth(60.0))
    if rng.random() < FOLD_CHANCE:
        uneven *= _fold(canvas)
        thickness_um *= np.minimum(uneven, 2)
    if rng.random() < MARGIN_CHANCE:
        tissue = _margin(canvas)
        uneven *= tissue
        canvas.keep_nuclei(tissue > 0.5)
    amounts = np.stack([(haematoxylin + nuclear) * uneven, eosin * uneven], axis=-1)
    np.maximum(amounts, 0, out=amounts)
    return amounts, depth_um.astype(np.float32), thickness_um.astype(np.float32)


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
