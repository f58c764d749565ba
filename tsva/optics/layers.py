"""From a specimen and its focal surface to depth layers (eqs. 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tsva.optics.specimen import Specimen


def focal_heights(specimen: Specimen, surface_um: np.ndarray) -> np.ndarray:
    """Stage position, (Y, X), at which the middle of what absorbs at each place is in focus.

    Matter that lies nearer the objective (positive depth) comes into focus lower: surface less depth.
    """
    return surface_um - specimen.depth_um


def layer_heights(specimen: Specimen, surface_um: np.ndarray, spacing_um: float) -> np.ndarray:
    """Heights of the layers, (L,), multiples of the spacing that enclose all matter that absorbs anything."""
    matter = specimen.transmittance.min(axis=2) < 1
    if not matter.any():
        return np.zeros(0)
    heights = focal_heights(specimen, surface_um)[matter]
    half = specimen.thickness_um[matter] / 2
    first = np.floor((heights - half).min() / spacing_um)
    last = np.ceil((heights + half).max() / spacing_um)
    return np.arange(first, last + 1) * spacing_um


def layer_weights(
    heights_um: np.ndarray, thickness_um: np.ndarray, layers_um: np.ndarray, spacing_um: float
) -> Iterator[np.ndarray]:
    """How much of the matter at each place belongs to each layer.

    Parameters
    ----------
    heights_um, thickness_um : (Y, X) float arrays
        Middle of the matter as stage positions, and the depth over which it is evenly spread.
    layers_um : (L,) float array
        Heights of the layers, evenly spaced, enclosing all matter.
    spacing_um : float
        Their distance.

    Yields
    ------
    (Y, X) float32 array
        Overlap of the matter's even distribution with the layer's triangle (height 1 on its layer, 0 on the next).
        Triangles add up to one everywhere and so do the weights: no seams where the depth varies.
    """
    middle = (heights_um / spacing_um).astype(np.float32)
    # Below a thousandth of a spacing the difference quotient would lose its digits; the matter is as good as flat.
    half = np.maximum((thickness_um / (2 * spacing_um)).astype(np.float32), np.float32(5e-4))
    for layer in layers_um / spacing_um:
        upper, lower = middle - np.float32(layer) + half, middle - np.float32(layer) - half
        yield (_triangle_integral(upper) - _triangle_integral(lower)) / (2 * half)


def _triangle_integral(position: np.ndarray) -> np.ndarray:
    """Integral of the triangle max(0, 1 - |t|) from -1 to `position`, less one half."""
    inside = np.clip(position, -1, 1)
    return inside - inside * np.abs(inside) / 2
