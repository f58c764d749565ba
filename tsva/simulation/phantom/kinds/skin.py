"""Skin: epidermis with a granular and a horny layer, on a dense dermis."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import step
from tsva.simulation.phantom.kinds.stromal import collagen, spindles, wanderers
from tsva.simulation.phantom.squamous import Layers, clear, draw_cells, lay

HORN_UM = 17.0
"""Thickness of the horny layer of skin."""


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    layers = lay(canvas, thickness_um=95.0, papillae_um=14.0)
    courses, tops = collagen(canvas, layers.angle, layers=3, density=0.29, spread=0.45, cleft=0.5)
    spindles(canvas, courses, tops, 1000)
    wanderers(canvas, 400)
    clear(canvas, layers)
    draw_cells(canvas, layers, top_um=HORN_UM + 3, glycogen=0.1)
    _horn(canvas, layers)


def _horn(canvas: Canvas, layers: Layers) -> None:
    """Granular layer with keratohyalin; above it the horny layer in a basket weave of flakes."""
    below = layers.below_um
    granular = step(below, HORN_UM - 0.5, 1.0) * step(-below, -(HORN_UM + 8), 5.0) * step(layers.height_um, 10, 4)
    canvas.haematoxylin += (
        granular * 0.45 * step(canvas.smooth(0.5) + 0.5 * canvas.grain + 0.4 * canvas.waves[0], 0.6, 0.8)
    )
    canvas.eosin *= 1 - 0.35 * granular
    horn = step(below, 0.0, 0.6) * step(-below, -HORN_UM, 1.2) * step(layers.height_um, 2, 2)
    along = np.cos(layers.angle) * canvas.x_um + np.sin(layers.angle) * canvas.y_um
    flakes = below + 2.4 * canvas.smooth(7.0) + 1.2 * np.sin(along / 6.0 + 2 * canvas.smooth(15.0))
    spacing = np.pi / (2.6 + 0.5 * canvas.smooth(20.0))
    lamella = np.abs(np.sin(flakes * spacing))
    thick = 0.32 + 0.16 * canvas.smooth(9.0) + 0.35 * step(below, HORN_UM - 3.5, 3.0)
    canvas.eosin += (
        horn * 0.34 * step(thick - lamella, 0.0, 0.22) * np.exp(0.3 * canvas.grain + 0.25 * canvas.smooth(10.0))
    )
