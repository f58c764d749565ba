"""Colonic mucosa cut across its crypts: round glands of columnar and goblet cells, lamina propria between."""

from __future__ import annotations

import numpy as np

from tsva.phantom.canvas import Canvas
from tsva.phantom.cells import ridge, step
from tsva.phantom.kinds.stromal import collagen
from tsva.phantom.looks import COLUMNAR, FIBROBLAST, LYMPHOCYTE, PLASMA
from tsva.phantom.nuclei import Nuclei, paint
from tsva.phantom.scatter import scatter, uniform
from tsva.phantom.vessels import vessel

RADIUS_UM = 33.0
SPACING_UM = 82.0
CELL_UM = 5.6
GOBLET_SHARE = 0.3
PROPRIA_PER_MM2 = 6500


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng = canvas.rng
    collagen(canvas, rng.uniform(0, np.pi), layers=3, density=0.2, spread=1.0, cleft=0.6)
    centres = _lattice(canvas)
    crypts = [_crypt(canvas, *centre) for centre in centres]
    owned = np.zeros(canvas.shape, bool)
    for mask, window in crypts:
        if window is not None:
            owned[window] |= mask
    _propria(canvas, owned)


def _lattice(canvas: Canvas) -> np.ndarray:
    """Crypts stand close to a hexagonal lattice, turned at random and disturbed."""
    rng = canvas.rng
    reach = int(np.hypot(canvas.height_um, canvas.width_um) / SPACING_UM) + 2
    i, j = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    y, x = SPACING_UM * (np.sqrt(3) / 2) * i.ravel(), SPACING_UM * (j.ravel() + 0.5 * (i.ravel() % 2))
    turn = rng.uniform(0, np.pi)
    places = np.stack([y * np.cos(turn) - x * np.sin(turn), y * np.sin(turn) + x * np.cos(turn)], axis=1)
    places += (canvas.height_um / 2, canvas.width_um / 2) + rng.uniform(-0.5, 0.5, 2) * SPACING_UM
    places += rng.normal(0, 0.06 * SPACING_UM, places.shape)
    near = np.all((places > -50) & (places < (canvas.height_um + 50, canvas.width_um + 50)), axis=1)
    return places[near]


def _crypt(canvas: Canvas, y_um: float, x_um: float):
    rng = canvas.rng
    radius_um, lumen = RADIUS_UM * np.exp(rng.normal(0, 0.08)), rng.uniform(0.15, 0.35)
    stretch, angle = rng.uniform(1.0, 1.25), rng.uniform(0, np.pi)
    window = canvas.window(y_um, x_um, radius_um * stretch * 1.25)
    if window is None:
        return None, None
    dy, dx = canvas.y_um[window[0]] - np.float32(y_um), canvas.x_um[:, window[1]] - np.float32(x_um)
    along, across = (dx * np.cos(angle) + dy * np.sin(angle)) / np.sqrt(stretch), (dy * np.cos(angle) - dx * np.sin(angle)) * np.sqrt(stretch)
    theta = np.arctan2(across, along)
    waves = rng.normal(0, [0.05, 0.03, 0.02], 3), rng.uniform(0, 2 * np.pi, 3)

    def outline(turn: np.ndarray) -> np.ndarray:
        return radius_um * (1 + sum(a * np.cos((k + 2) * turn + b) for k, (a, b) in enumerate(zip(*waves, strict=True))))

    distance = np.sqrt(along**2 + across**2)
    outer = outline(theta).astype(np.float32)
    height = outer * np.float32(1 - lumen)
    up = (outer - distance + np.float32(0.25) * canvas.grain[window]) / height

    count = int(2 * np.pi * radius_um / CELL_UM)
    edges = (np.arange(count) + rng.uniform(-0.22, 0.22, count)) * 2 * np.pi / count - np.pi
    fraction = np.interp(theta + np.float32(0.02) * canvas.outline[0, 0], np.concatenate([edges, edges[:1] + 2 * np.pi]), np.arange(count + 1)) % count
    cell = fraction.astype(int)
    side_um = np.abs(fraction - np.round(fraction)).astype(np.float32) * np.float32(2 * np.pi / count) * distance
    goblet = rng.random(count) < GOBLET_SHARE

    inside, wall = step(up * height, 0.0, 0.6), step((1 - up) * height, 0.0, 0.8)
    cytoplasm_e = np.float32(0.2) + np.float32(0.1) * up
    cytoplasm_h = np.float32(0.16) - np.float32(0.05) * up
    tone = np.exp(rng.normal(0, 0.12, count)).astype(np.float32)[cell]
    e = cytoplasm_e * tone * np.exp(np.float32(0.22) * canvas.grain[window]) + np.float32(0.1) * ridge(side_um, 0.3)
    h = cytoplasm_h * tone * np.exp(np.float32(0.22) * canvas.other_grain[window])
    e += np.float32(0.18) * ridge((1 - up) * height - 0.8, 0.6)

    centre = (np.concatenate([edges[1:], edges[:1] + 2 * np.pi]) + edges) / 2
    theca_up, theca_long, theca_wide = rng.uniform(0.58, 0.72, count), rng.uniform(0.24, 0.34, count), rng.uniform(0.5, 0.62, count)
    off = (fraction - cell - 0.5).astype(np.float32)
    wide = (np.float32(2 * np.pi / count) * distance / np.float32(CELL_UM)).clip(0.35, 1)
    oval = ((up - theca_up.astype(np.float32)[cell]) / theca_long.astype(np.float32)[cell]) ** 2 + (off * wide / theca_wide.astype(np.float32)[cell]) ** 2
    theca = step(1 - np.sqrt(oval), 0.0, 0.15) * goblet.astype(np.float32)[cell]
    mucin = np.float32(0.07) * np.exp(np.float32(0.6) * canvas.other_grain[window])
    e = e * (1 - theca) + np.float32(0.025) * theta.dtype.type(1) * theca
    h = h * (1 - theca) + mucin * theca

    open_ = inside * wall
    for amounts, fill in ((canvas.eosin, e), (canvas.haematoxylin, h)):
        amounts[window] *= 1 - inside
        amounts[window] += open_ * fill
    mucus = inside * (1 - wall) * step(canvas.other_grain[window], 1.0, 0.8)
    canvas.haematoxylin[window] += np.float32(0.04) * mucus
    canvas.eosin[window] += np.float32(0.3) * ridge(up * height, 0.5)

    base = np.where(goblet, rng.uniform(0.12, 0.2, count), rng.uniform(0.16, 0.36, count))
    far = outline(centre) * (1 - base * (1 - lumen))
    a, b = far * np.cos(centre) * np.sqrt(stretch), far * np.sin(centre) / np.sqrt(stretch)
    long_um = np.where(goblet, rng.uniform(2.4, 3.2, count), rng.uniform(3.8, 5.2, count))
    short_um = np.where(goblet, rng.uniform(1.8, 2.4, count), rng.uniform(1.9, 2.5, count))
    heading = np.arctan2(np.sin(centre) / np.sqrt(stretch), np.cos(centre) * np.sqrt(stretch)) + angle + rng.normal(0, 0.12, count)
    y, x = y_um + a * np.sin(angle) + b * np.cos(angle), x_um + a * np.cos(angle) - b * np.sin(angle)
    paint(canvas, Nuclei(y, x, long_um, short_um, heading), COLUMNAR)
    return up > -0.02, window


def _propria(canvas: Canvas, owned: np.ndarray) -> None:
    """Lymphocytes, plasma cells, fibroblasts and capillaries between the crypts."""
    rng = canvas.rng
    count = int(rng.poisson(PROPRIA_PER_MM2 * np.mean(~owned) * (canvas.height_um + 12) * (canvas.width_um + 12) * 1e-6))
    places = uniform(rng, canvas.height_um, canvas.width_um, 20 * count + 20, 6.0)
    rows = np.clip((places[:, 0] / canvas.pixel_um).astype(int), 0, canvas.shape[0] - 1)
    columns = np.clip((places[:, 1] / canvas.pixel_um).astype(int), 0, canvas.shape[1] - 1)
    places = places[~owned[rows, columns]]
    for place in places[: rng.poisson(3)]:
        vessel(canvas, place[0], place[1], rng.uniform(2.6, 4.0), stretch=rng.uniform(1, 1.8), angle=rng.uniform(0, np.pi), filled=0.9)
    places = places[scatter(places, np.full(len(places), 6.4), count)]
    third = rng.choice(3, len(places), p=(0.4, 0.3, 0.3))
    for which, look in enumerate((LYMPHOCYTE, PLASMA, FIBROBLAST)):
        some = places[third == which]
        radius_um = rng.normal(3.0, 0.25, len(some)) if which < 2 else rng.uniform(1.2, 1.9, len(some))
        long_um = radius_um * (1.08 if which < 2 else 3.2)
        paint(canvas, Nuclei(some[:, 0], some[:, 1], long_um, radius_um, rng.uniform(0, np.pi, len(some))), look)
