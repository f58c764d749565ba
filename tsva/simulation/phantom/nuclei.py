"""Nuclei: ellipsoids cut by the section, with chromatin, membrane and nucleoli; looks of the cell types."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.simulation.phantom.canvas import TILE, Canvas

DEEPEST_UM = 1.0
"""No nucleus lies deeper than this from the middle of the section."""
LOST_CAP = 0.4
"""A nucleus whose centre is further outside the section than this share of its half height is not seen."""


@dataclass(frozen=True)
class Chromatin:
    """What a kind of nucleus looks like.

    Attributes
    ----------
    density : float
        Optical density of haematoxylin through a full section.
    clumping : float
        Relative standard deviation of the chromatin.
    rim : float
        Optical density of the membrane seen edge-on, relative to `density`.
    nucleoli : float
        Mean number of visible nucleoli.
    irregular : float
        Waviness of the outline relative to the radius.
    variation : float
        Standard deviation of log density between nuclei: uptake of stain differs.
    coarse : bool
        Clumps of 1 to 2 µm rather than below 1 µm.
    """

    density: float
    clumping: float
    rim: float
    nucleoli: float
    irregular: float
    variation: float = 0.15
    coarse: bool = False


@dataclass(frozen=True)
class Nuclei:
    """Nuclei of one kind, struct of (N,) arrays.

    Attributes
    ----------
    y_um, x_um : float arrays
        Centres.
    long_um, short_um : float arrays
        Half axes in the plane; the half axis in depth is the short one.
    angle : float arrays
        Direction of the long axis, radians from +x towards +y.
    bend : float array or None
        Sagitta of the long axis over `long_um`; straight if None.
    """

    y_um: np.ndarray
    x_um: np.ndarray
    long_um: np.ndarray
    short_um: np.ndarray
    angle: np.ndarray
    bend: np.ndarray | None = None


def paint(canvas: Canvas, nuclei: Nuclei, look: Chromatin) -> None:
    """Draw nuclei at depths of their own and list them in `canvas.nuclei`.

    The centre's height is uniform over all heights at which the section cuts the nucleus (small caps excepted), so
    that some are seen as whole profiles and others as pale caps, as in real sections.
    """
    rng, half_um = canvas.rng, canvas.section_um / 2
    count = len(nuclei.y_um)
    cut_um = half_um + LOST_CAP * nuclei.short_um
    # A cap that reaches from z - short to the section's face is this deep on average: (z - short + half) / 2.
    shallow_um = np.maximum(DEEPEST_UM, 2 * DEEPEST_UM - half_um + nuclei.short_um)
    z_um = rng.uniform(-1, 1, count) * np.minimum(cut_um, shallow_um)
    density = look.density * np.exp(rng.normal(0, look.variation, count))
    spots = rng.poisson(look.nucleoli, count)
    for index in range(count):
        _paint_one(canvas, nuclei, index, float(z_um[index]), float(density[index]), int(spots[index]), look)


def _paint_one(
    canvas: Canvas, nuclei: Nuclei, index: int, z_um: float, density: float, spots: int, look: Chromatin
) -> None:
    rng, half_um = canvas.rng, canvas.section_um / 2
    y_um, x_um = float(nuclei.y_um[index]), float(nuclei.x_um[index])
    long_um, short_um = float(nuclei.long_um[index]), float(nuclei.short_um[index])
    bend = 0.0 if nuclei.bend is None else float(nuclei.bend[index])
    reach_px = int((long_um * (1 + 2 * look.irregular) + abs(bend)) / canvas.pixel_um) + 2
    top, left = round(y_um / canvas.pixel_um) - reach_px, round(x_um / canvas.pixel_um) - reach_px
    size = 2 * reach_px + 1
    row, column = rng.integers(0, TILE - size, 2)
    tile = slice(row, row + size), slice(column, column + size)
    if top + size <= 0 or left + size <= 0 or top >= canvas.shape[0] or left >= canvas.shape[1]:
        return

    # The whole nucleus is drawn, also where the field's edge cuts it: its area is that of the whole.
    dy = (np.arange(top, top + size, dtype=np.float32) * canvas.pixel_um - y_um)[:, None]
    dx = (np.arange(left, left + size, dtype=np.float32) * canvas.pixel_um - x_um)[None, :]
    cos, sin = float(np.cos(nuclei.angle[index])), float(np.sin(nuclei.angle[index]))
    along = (dx * cos + dy * sin) / long_um
    across = (dy * cos - dx * sin - bend * (along * along - 0.3)) / short_um
    radius = np.sqrt(along * along + across * across) + look.irregular * canvas.outline[tile]

    half_chord_um = short_um * np.sqrt(np.maximum(0, 1 - radius * radius))
    upper_um, lower_um = np.minimum(z_um + half_chord_um, half_um), np.maximum(z_um - half_chord_um, -half_um)
    chord_um = np.where(half_chord_um > 0, np.maximum(0, upper_um - lower_um), 0)
    share = chord_um / canvas.section_um
    edge = np.exp(-(((radius - 0.93) * (short_um / 0.32)) ** 2))
    amount = density * (share * np.exp(look.clumping * _clumps(canvas, tile, look)) + look.rim * edge * np.sqrt(share))
    for _ in range(spots):
        far, turn, size_um = 0.55 * rng.random() ** 0.5, rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 0.85)
        apart = ((along - far * np.cos(turn)) * long_um) ** 2 + ((across - far * np.sin(turn)) * short_um) ** 2
        amount += 0.8 * density * np.exp(-((apart / size_um**2) ** 2)) * share

    middle_um = (max(z_um - short_um, -half_um) + min(z_um + short_um, half_um)) / 2
    canvas.nuclei.append((y_um, x_um, middle_um, float(np.count_nonzero(share)) * canvas.pixel_um**2))
    seen = slice(max(top, 0), top + size), slice(max(left, 0), left + size)
    part = tuple(
        slice(max(-start, 0), size - max(start + size - whole, 0))
        for start, whole in zip((top, left), canvas.shape, strict=True)
    )
    canvas.nuclear[seen] += amount[part]
    canvas.occupied[seen] += share[part]
    canvas.nuclear_depth[seen] += (amount * (upper_um + lower_um) / 2)[part]
    canvas.nuclear_thickness[seen] += (amount * chord_um)[part]
    faces_um = canvas.layer_faces_um()
    for layer in range(len(canvas.nuclear_in)):
        within_um = np.minimum(upper_um, faces_um[layer + 1]) - np.maximum(lower_um, faces_um[layer])
        within_um = np.where(chord_um > 0, np.maximum(within_um, 0), 0)[part]
        canvas.nuclear_in[layer][seen] += (amount[part] * within_um) / np.maximum(chord_um[part], 1e-6)
        canvas.occupied_in[layer][seen] += within_um * (canvas.layers / canvas.section_um)


def _clumps(canvas: Canvas, tile: tuple[slice, slice], look: Chromatin) -> np.ndarray:
    if look.coarse:
        return 0.6 * canvas.outline[tile] + 0.8 * canvas.chromatin[1][tile]
    return canvas.chromatin[0][tile]


LYMPHOCYTE = Chromatin(density=0.9, clumping=0.5, rim=0.2, nucleoli=0.0, irregular=0.07)
"""Small, round, dark, with blocks of chromatin."""
PLASMA = Chromatin(density=0.9, clumping=0.5, coarse=True, rim=0.3, nucleoli=0.0, irregular=0.05)
"""Round, chromatin in a clock face."""
VESICULAR = Chromatin(density=0.56, clumping=0.45, rim=0.6, nucleoli=1.8, irregular=0.09)
"""Large and pale, sharp membrane, nucleoli: centroblasts, intermediate squamous cells."""
COLUMNAR = Chromatin(density=0.76, clumping=0.46, rim=0.35, nucleoli=1.0, irregular=0.09)
"""Oval nuclei of columnar epithelium."""
BASAL = Chromatin(density=0.92, clumping=0.42, rim=0.3, nucleoli=0.5, irregular=0.1)
"""Crowded, dark nuclei of a basal layer."""
PYKNOTIC = Chromatin(density=1.2, clumping=0.2, rim=0.1, nucleoli=0.0, irregular=0.1)
"""Shrunken and structureless: superficial squamous cells."""
FIBROBLAST = Chromatin(density=0.85, clumping=0.45, rim=0.35, nucleoli=0.4, irregular=0.13, variation=0.25)
"""Spindles between collagen fibres."""
FLAT = Chromatin(density=1.05, clumping=0.3, rim=0.2, nucleoli=0.0, irregular=0.12, variation=0.2)
"""Thin, dark: endothelium, adipocytes, muscle periphery."""
