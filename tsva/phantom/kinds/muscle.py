"""Skeletal muscle cut lengthwise: straight striated fibres, nuclei under their surface, thin endomysium."""

from __future__ import annotations

import numpy as np

from tsva.phantom.canvas import Canvas
from tsva.phantom.cells import ridge, step
from tsva.phantom.fibres import BANK, Bank, course
from tsva.phantom.looks import FLAT
from tsva.phantom.noise import smooth
from tsva.phantom.nuclei import Nuclei, paint
from tsva.phantom.scatter import scatter

FIBRE_UM = 42.0
SARCOMERE_UM = 2.3
NUCLEI_PER_MM2 = 420


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng, grid = canvas.rng, (canvas.shape, canvas.pixel_um, canvas.rng)
    angle = rng.uniform(0, np.pi)
    way = course(canvas, angle, wander_um=5.0, wander_length_um=90.0, crimp_um=0.3, crimp_period_um=30)
    span_um = np.hypot(canvas.height_um, canvas.width_um)
    widths = FIBRE_UM * np.exp(rng.normal(0, 0.25, int(4 * span_um / FIBRE_UM)))
    borders = np.cumsum(widths) - widths.sum() / 2
    across = way.v_um + np.float32(1.2) * smooth(*grid, 30.0)
    fibre = np.searchsorted(borders, across.ravel()).reshape(canvas.shape)
    fibre = np.clip(fibre, 1, len(borders) - 1)
    low, high = borders.astype(np.float32)[fibre - 1], borders.astype(np.float32)[fibre]
    edge_um = np.minimum(across - low, high - across)

    bank = Bank(rng, step_um=(0.08, 0.5), long_um=(1.6, 50), slope=1.0)
    fibrils = bank.look(way, 0, (int(rng.integers(BANK)), int(rng.integers(BANK))))
    # Sarcomeres keep step within a fibre over some micrometres and slip between its fibrils.
    slip = np.float32(0.55) * smooth(*grid, 14.0) + np.float32(0.22) * bank.look(way, 1, (0, 0))
    phase = rng.uniform(0, 1, len(borders)).astype(np.float32)[fibre] + slip
    slant = rng.normal(0, 0.12, len(borders)).astype(np.float32)[fibre] * (across - low)
    bands = np.sin(np.float32(2 * np.pi) * ((way.u_um + slant) / np.float32(SARCOMERE_UM) + phase))
    clear = step(smooth(*grid, 25.0), -0.2, 1.6) * np.float32(0.24)
    strength = np.exp(rng.normal(0, 0.12, len(borders))).astype(np.float32)[fibre]
    gap_um = np.float32(0.9) + np.float32(0.9) * np.maximum(smooth(*grid, 20.0), -0.8)
    inside = step(edge_um - gap_um, 0.0, 0.5)
    canvas.eosin += np.float32(0.36) * strength * inside * np.exp(np.float32(0.16) * fibrils + clear * bands + np.float32(0.08) * canvas.grain)
    canvas.haematoxylin += np.float32(0.035) * inside * np.exp(np.float32(0.4) * bands * clear / np.float32(0.24))
    between = ridge(edge_um, 0.5) * (1 - inside)
    canvas.eosin += np.float32(0.16) * between * np.exp(np.float32(0.5) * canvas.other_grain)
    _nuclei(canvas, way, edge_um, gap_um)


def _nuclei(canvas: Canvas, way, edge_um: np.ndarray, gap_um: np.ndarray) -> None:
    rng, pixel_um = canvas.rng, canvas.pixel_um
    count = int(rng.poisson(NUCLEI_PER_MM2 * canvas.height_um * canvas.width_um * 1e-6))
    under = edge_um - gap_um
    rows, columns = np.nonzero((under[::3, ::3] > 0.3) & (under[::3, ::3] < 1.6))
    if len(rows) == 0:
        return
    some = rng.integers(0, len(rows), 8 * count + 8)
    rows, columns = rows[some] * 3, columns[some] * 3
    places = np.stack([rows, columns], axis=1) * pixel_um
    picked = scatter(places, np.full(len(places), 10.0), count)
    number = len(picked)
    angle = np.array([way.angle(rows[row], columns[row]) for row in picked]).reshape(number)
    paint(
        canvas,
        Nuclei(places[picked, 0], places[picked, 1], rng.uniform(4.0, 7.5, number), rng.uniform(1.0, 1.6, number), angle),
        FLAT,
    )
