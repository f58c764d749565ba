"""Non-keratinised squamous epithelium, as of the oesophagus, on its lamina propria."""

from __future__ import annotations

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.kinds.stromal import collagen, spindles, wanderers
from tsva.simulation.phantom.squamous import clear, draw_cells, lay


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    layers = lay(canvas, thickness_um=165.0, papillae_um=16.0)
    courses, tops = collagen(canvas, layers.angle, layers=3, density=0.22, spread=0.7, cleft=0.8)
    spindles(canvas, courses, tops, 1100)
    wanderers(canvas, 700)
    clear(canvas, layers)
    draw_cells(canvas, layers, top_um=1.5, glycogen=0.5)
