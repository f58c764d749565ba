"""Nuclei: ellipsoids cut by the section, with chromatin, membrane and nucleoli."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.phantom.canvas import TILE, Canvas

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
    coarse : float
        Size of the clumps relative to about 1 µm.
    rim : float
        Optical density of the membrane seen edge-on, relative to `density`.
    nucleoli : float
        Mean number of visible nucleoli.
    irregular : float
        Waviness of the outline relative to the radius.
    variation : float
        Standard deviation of log density between nuclei: uptake of stain differs.
    """

    density: float
    clumping: float
    coarse: float
    rim: float
    nucleoli: float
    irregular: float
    variation: float = 0.15


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


def paint(canvas: Canvas, nuclei: Nuclei, chromatin: Chromatin) -> None:
    """Draw nuclei at depths of their own and list them in `canvas.nuclei`.

    The centre's height is uniform over all heights at which the section cuts the nucleus (small caps excepted), so
    that some are seen as whole profiles and others as pale caps, as in real sections.
    """
    rng, half = canvas.rng, canvas.section_um / 2
    count = len(nuclei.y_um)
    reach = np.minimum(half + LOST_CAP * nuclei.short_um, np.maximum(DEEPEST_UM, 2 * DEEPEST_UM - half + nuclei.short_um))
    z_um = rng.uniform(-1, 1, count) * reach
    density = chromatin.density * np.exp(rng.normal(0, chromatin.variation, count))
    bend = np.zeros(count) if nuclei.bend is None else nuclei.bend
    spots = rng.poisson(chromatin.nucleoli, count)
    for index in range(count):
        _paint_one(canvas, nuclei, index, float(z_um[index]), float(density[index]), float(bend[index]), int(spots[index]), chromatin)


def _paint_one(
    canvas: Canvas, nuclei: Nuclei, index: int, z_um: float, density: float, bend: float, spots: int, look: Chromatin
) -> None:
    rng, pixel_um, half = canvas.rng, canvas.pixel_um, canvas.section_um / 2
    y_um, x_um = float(nuclei.y_um[index]), float(nuclei.x_um[index])
    long_um, short_um, angle = float(nuclei.long_um[index]), float(nuclei.short_um[index]), float(nuclei.angle[index])
    reach_px = int((long_um * (1 + 2 * look.irregular) + abs(bend)) / pixel_um) + 2
    top, left = round(y_um / pixel_um) - reach_px, round(x_um / pixel_um) - reach_px
    size = 2 * reach_px + 1
    corner, other = rng.integers(0, TILE - size, 2)
    if top + size <= 0 or left + size <= 0 or top >= canvas.shape[0] or left >= canvas.shape[1]:
        return

    dy = ((np.arange(top, top + size) * pixel_um) - y_um).astype(np.float32)[:, None]
    dx = ((np.arange(left, left + size) * pixel_um) - x_um).astype(np.float32)[None, :]
    along = (dx * np.cos(angle) + dy * np.sin(angle)) / long_um
    across = (dy * np.cos(angle) - dx * np.sin(angle) - bend * (along**2 - 0.3)) / short_um
    texture = (slice(corner, corner + size), slice(other, other + size))
    radius = np.sqrt(along**2 + across**2) + look.irregular * canvas.outline[texture]

    half_chord = short_um * np.sqrt(np.maximum(0, 1 - radius**2))
    upper, lower = np.minimum(z_um + half_chord, half), np.maximum(z_um - half_chord, -half)
    chord = np.where(half_chord > 0, np.maximum(0, upper - lower), 0)
    inside = chord > 0
    share = chord / canvas.section_um
    edge = np.exp(-(((radius - 0.93) * short_um / 0.32) ** 2)) * inside
    clumps = canvas.chromatin[0][texture] if look.coarse < 1 else canvas.outline[texture] * 0.6 + canvas.chromatin[1][texture] * 0.8
    amount = density * (share * np.exp(look.clumping * clumps) + look.rim * edge * np.sqrt(share))
    for _ in range(spots):
        far, turn, size_um = 0.55 * rng.random() ** 0.5, rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 0.85)
        spot = (along - far * np.cos(turn)) ** 2 * long_um**2 + (across - far * np.sin(turn)) ** 2 * short_um**2
        amount += 0.8 * density * np.exp(-((spot / size_um**2) ** 2)) * share
    area_um2 = float(np.count_nonzero(inside)) * pixel_um**2
    middle = float(max(z_um - short_um, -half) + min(z_um + short_um, half)) / 2
    canvas.nuclei.append((y_um, x_um, middle, area_um2))

    rows, columns = slice(max(top, 0), top + size), slice(max(left, 0), left + size)
    part = (slice(max(-top, 0), size - max(top + size - canvas.shape[0], 0)), slice(max(-left, 0), size - max(left + size - canvas.shape[1], 0)))
    canvas.nuclear[rows, columns] += amount[part]
    canvas.occupied[rows, columns] += share[part]
    canvas.nuclear_depth[rows, columns] += (amount * (upper + lower) / 2 * inside)[part]
    canvas.nuclear_thickness[rows, columns] += (amount * chord)[part]
