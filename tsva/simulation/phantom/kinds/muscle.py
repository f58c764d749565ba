"""Skeletal muscle cut lengthwise: straight striated fibres, nuclei under their surface, thin endomysium."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import ridge, scatter, step
from tsva.simulation.phantom.kinds.connective import BANK, Bank, Course, course
from tsva.simulation.phantom.nuclei import FLAT, Nuclei, paint

FIBRE_UM = 40.0
SARCOMERE_UM = 2.3
NUCLEI_PER_MM2 = 450


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng = canvas.rng
    way = course(canvas, rng.uniform(0, np.pi), wander_um=5.0, wander_length_um=90.0, crimp_um=0.3, crimp_period_um=30)
    across = way.v_um + 1.6 * canvas.smooth(30.0) + 0.15 * canvas.waves[0]
    count = int(4 * np.hypot(canvas.height_um, canvas.width_um) / FIBRE_UM)
    widths = FIBRE_UM * np.exp(rng.normal(0, 0.3, count))
    borders = (np.cumsum(widths) - widths.sum() / 2).astype(np.float32)
    fibre = np.clip(np.searchsorted(borders, across.ravel()).reshape(canvas.shape), 1, count - 1)
    edge_um = np.minimum(across - borders[fibre - 1], borders[fibre] - across)
    # Neighbours lie at different heights and are stained differently.
    gap_um = 0.7 + 1.1 * np.maximum(canvas.smooth(18.0), -0.5) + 0.12 * canvas.grain
    _fibres(canvas, way, across - borders[fibre - 1], fibre, step(edge_um - gap_um, 0.0, 0.5), count)
    between = ridge(edge_um, 0.55) * step(gap_um - edge_um, 0.2, 0.4)
    canvas.eosin += 0.14 * between * np.exp(0.6 * canvas.other_grain)
    canvas.haematoxylin += 0.03 * between
    _nuclei(canvas, way, edge_um - gap_um)


def _fibres(
    canvas: Canvas, way: Course, into_um: np.ndarray, fibre: np.ndarray, inside: np.ndarray, count: int
) -> None:
    """Myofibrils along the fibres, sarcomeres across, cracks from shrinkage."""
    rng = canvas.rng
    bank = Bank(rng, step_um=(0.08, 0.5), long_um=(2.2, 60), slope=1.3)
    fibrils = bank.look(way, 0, (int(rng.integers(BANK)), int(rng.integers(BANK))))

    def each(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, count).astype(np.float32)[fibre]

    # Sarcomeres keep step over some micrometres; neighbouring fibrils slip against one another.
    slip = 0.5 * canvas.smooth(13.0) + 0.10 * bank.look(way, 1, (0, 0)) + 0.06 * canvas.waves[1]
    bands = np.sin(2 * np.pi * ((way.u_um + each(-0.25, 0.25) * into_um) / SARCOMERE_UM + each(0, 1) + slip))
    bands += 0.35 * (bands * bands - 0.5)  # dark A bands are narrower than the light I bands in fixed muscle
    clear = 0.45 * step(canvas.smooth(22.0), -0.4, 1.8)
    crack = step(fibrils + 0.8 * canvas.smooth(9.0), -2.5, 0.5)
    tone = np.exp(0.30 * fibrils + clear * bands + 0.2 * canvas.grain + 0.07 * canvas.smooth(16.0))
    canvas.eosin += each(0.27, 0.39) * inside * crack * tone
    canvas.haematoxylin += 0.03 * inside * crack * np.exp(clear * bands + 0.3 * canvas.other_grain)


def _nuclei(canvas: Canvas, way: Course, under_um: np.ndarray) -> None:
    """Long nuclei just under the surface of the fibres, and some between them."""
    rng, pixel_um = canvas.rng, canvas.pixel_um
    count = int(rng.poisson(NUCLEI_PER_MM2 * canvas.height_um * canvas.width_um * 1e-6))
    rows, columns = np.nonzero((under_um[::3, ::3] > -0.4) & (under_um[::3, ::3] < 1.5))
    if len(rows) == 0:
        return
    some = rng.integers(0, len(rows), 10 * count + 10)
    rows, columns = rows[some] * 3, columns[some] * 3
    places = np.stack([rows, columns], axis=1) * pixel_um
    picked = scatter(places, np.full(len(places), 10.0), count)
    number = len(picked)
    angle = np.array([way.angle(rows[row], columns[row]) for row in picked]).reshape(number)
    paint(
        canvas,
        Nuclei(
            places[picked, 0], places[picked, 1], rng.uniform(4.0, 7.5, number), rng.uniform(1.0, 1.7, number), angle
        ),
        FLAT,
    )
