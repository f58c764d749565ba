"""Stratified squamous epithelium on its lamina propria; and skin, which adds a granular and a horny layer."""

from __future__ import annotations

import numpy as np

from tsva.phantom.canvas import Canvas
from tsva.phantom.cells import ridge, step, territories
from tsva.phantom.kinds.stromal import collagen, spindles, wanderers
from tsva.phantom.looks import BASAL, PYKNOTIC, VESICULAR
from tsva.phantom.noise import smooth
from tsva.phantom.nuclei import Nuclei, paint
from tsva.phantom.scatter import scatter, uniform


def draw_epithelial(canvas: Canvas) -> None:
    """Non-keratinised epithelium, as of the oesophagus."""
    _draw(canvas, thickness_um=170.0, keratin=False)


def draw_skin(canvas: Canvas) -> None:
    """Epidermis with a horny layer, on a dense dermis."""
    _draw(canvas, thickness_um=75.0, keratin=True)


def _draw(canvas: Canvas, *, thickness_um: float, keratin: bool) -> None:
    rng, grid = canvas.rng, (canvas.shape, canvas.pixel_um, canvas.rng)
    angle = rng.uniform(0, 2 * np.pi)
    up = (canvas.y_um - canvas.height_um / 2) * np.cos(angle) - (canvas.x_um - canvas.width_um / 2) * np.sin(angle)
    side = (canvas.x_um - canvas.width_um / 2) * np.cos(angle) + (canvas.y_um - canvas.height_um / 2) * np.sin(angle)
    ridges = 14.0 * np.cos(2 * np.pi * side / rng.uniform(75, 110) + rng.uniform(0, 2 * np.pi) + 1.2 * smooth(*grid, 60.0))
    base_um = rng.uniform(-55, -35)
    height = (up - base_um - ridges + 4 * smooth(*grid, 22.0) + np.float32(0.2) * canvas.grain).astype(np.float32)
    surface = (up - base_um - thickness_um + 3 * smooth(*grid, 50.0)).astype(np.float32)
    level = np.clip(height / np.maximum(height - surface, 1), -1, 1.5)  # 0 at the basement membrane, 1 at the surface

    courses, tops = collagen(canvas, angle, layers=3, density=0.34 if keratin else 0.22, spread=0.6, cleft=1.2 if keratin else 0.7)
    spindles(canvas, courses, tops, 900)
    wanderers(canvas, 500)
    below = step(-height, 0.0, 0.6)
    # Only what lies outside the epithelium stays.
    _keep_nuclei(canvas, below)
    canvas.eosin *= below
    canvas.haematoxylin *= below
    _layers(canvas, height, surface, level, keratin)


def _keep_nuclei(canvas: Canvas, below: np.ndarray) -> None:
    for amounts in (canvas.nuclear, canvas.occupied, canvas.nuclear_depth, canvas.nuclear_thickness):
        amounts *= below


def _layers(canvas: Canvas, height, surface, level, keratin) -> None:
    rng, pixel_um = canvas.rng, canvas.pixel_um
    places = uniform(rng, canvas.height_um, canvas.width_um, 14000, 12.0)
    rows = np.clip((places[:, 0] / pixel_um).astype(int), 1, canvas.shape[0] - 2)
    columns = np.clip((places[:, 1] / pixel_um).astype(int), 1, canvas.shape[1] - 2)
    at, high, under = level[rows, columns], height[rows, columns], -surface[rows, columns]
    fine = (high > 2.5) & (under > (14 if keratin else 2.0))
    places, at, high, rows, columns = places[fine], at[fine], high[fine], rows[fine], columns[fine]
    size_um = np.interp(high, [0, 10, 30, 90, 170], [6.5, 8.0, 11.0, 15.0, 18.0])
    picked = scatter(places, size_um, len(places))
    places, at, high, size_um, rows, columns = places[picked], at[picked], high[picked], size_um[picked], rows[picked], columns[picked]
    down = height[rows + 1, columns] - height[rows - 1, columns]
    right = height[rows, columns + 1] - height[rows, columns - 1]
    flat = np.arctan2(-right, down)
    aspect = np.interp(at, [0, 0.15, 0.3, 0.6, 0.85, 1], [0.8, 0.9, 1.0, 1.3, 2.4, 4.0])
    count = len(picked)
    cells = territories(canvas, places[:, 0], places[:, 1], size_um / 1.9 * np.sqrt(aspect), size_um / 1.9 / np.sqrt(aspect), flat, reach=2.2)
    inside = step(height, 0.0, 0.5) * step(-surface, 0.0, 0.6)
    border = ridge(cells.second - cells.nearest, 0.06)
    grain, other = np.exp(np.float32(0.2) * canvas.grain), np.exp(np.float32(0.2) * canvas.other_grain)
    clear = step(cells.nearest, 0.45, 0.3) * step(level, 0.3, 0.3) * np.float32(0.0 if keratin else 0.55) * (1 - border)
    e = (np.float32(0.17) + np.float32(0.1) * np.clip(level, 0, 1)) * (1 - clear) + np.float32(0.12) * border
    h = np.float32(0.17) * np.exp(-np.maximum(height, 0) / np.float32(35.0)) + np.float32(0.05)
    if keratin:
        horn = step(-surface, 0.0, 0.6) * step(surface, -14.0, 2.0)
        e = e * (1 - horn)
        h = h * (1 - horn)
        granular = step(surface, -22.0, 5.0) * (1 - horn)
        h = h + granular * np.float32(0.35) * step(canvas.other_grain, 0.6, 0.6)
        flakes = smooth(canvas.shape, pixel_um, rng, 6.0) * np.float32(2.5) + surface
        lamella = np.abs(np.sin(flakes * np.float32(np.pi / 3.6)))
        e = e + horn * np.float32(0.42) * step(np.float32(0.35) - lamella, 0.0, 0.25)
    canvas.eosin += inside * e * grain
    canvas.haematoxylin += inside * h * other
    canvas.eosin += np.float32(0.12) * ridge(height, 0.5) * step(-surface, 0.0, 0.6)

    basal, top = high < 9, at > 0.86
    big = np.interp(at, [0, 0.1, 0.4, 0.8, 1], [2.7, 3.0, 3.6, 2.9, 1.9]) * np.exp(rng.normal(0, 0.08, count))
    shape = np.where(basal, np.exp(rng.normal(0.32, 0.1, count)), np.exp(np.abs(rng.normal(0.12, 0.08, count))) * np.clip(aspect, 1, 2.2) ** 0.7)
    turn = np.where(basal, flat + np.pi / 2, flat) + rng.normal(0, 0.18, count)
    for kind, look in ((basal, BASAL), (~basal & ~top, VESICULAR), (top, PYKNOTIC)):
        paint(canvas, Nuclei(places[kind, 0], places[kind, 1], (big * np.sqrt(shape))[kind], (big / np.sqrt(shape))[kind], turn[kind]), look)
