"""Dense irregular connective tissue: woven bundles of wavy collagen, spindle nuclei, clefts, capillaries."""

from __future__ import annotations

import numpy as np

from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.cells import step
from tsva.simulation.phantom.fibres import BANK, Bank, Course, course
from tsva.simulation.phantom.looks import FIBROBLAST, LYMPHOCYTE
from tsva.simulation.phantom.nuclei import Nuclei, paint
from tsva.simulation.phantom.scatter import scatter, uniform
from tsva.simulation.phantom.vessels import vessel

FIBROBLASTS_PER_MM2 = 900
LYMPHOCYTES_PER_MM2 = 120
VESSELS_PER_MM2 = 50


def draw(canvas: Canvas) -> None:
    """Draw the tissue on an empty canvas."""
    rng = canvas.rng
    courses, tops = collagen(canvas, rng.uniform(0, np.pi), layers=4, density=0.27, spread=0.45)
    for y_um, x_um in uniform(
        rng, canvas.height_um, canvas.width_um, rng.poisson(VESSELS_PER_MM2 * canvas.height_um * canvas.width_um * 1e-6)
    ):
        vessel(
            canvas,
            y_um,
            x_um,
            rng.uniform(3.5, 8),
            stretch=rng.uniform(1, 2.5),
            angle=rng.uniform(0, np.pi),
            filled=rng.uniform(0, 1),
        )
    spindles(canvas, courses, tops, FIBROBLASTS_PER_MM2)
    wanderers(canvas, LYMPHOCYTES_PER_MM2)


def collagen(
    canvas: Canvas, angle: float, *, layers: int, density: float, spread: float, cleft: float = 1.5
) -> tuple[list[Course], np.ndarray]:
    """Weave bundles; return the layers' courses and the index of the uppermost layer at each place."""
    rng = canvas.rng
    fine = Bank(rng, step_um=(0.08, 0.5), long_um=(4.0, 45), slope=1.25)
    broad = Bank(rng, step_um=(0.4, 2.0), long_um=(9, 60), slope=2.2)
    tops = np.zeros(canvas.shape, np.int8)
    courses = []
    for layer in range(layers):
        way = course(
            canvas,
            angle + rng.normal(0, spread) * (layer > 0),
            wander_um=11.0,
            wander_length_um=45.0,
            crimp_um=rng.uniform(0.5, 1.7),
            crimp_period_um=rng.uniform(16, 36),
        )
        courses.append(way)
        shift = (int(rng.integers(BANK)), int(rng.integers(BANK)))
        fibres, bundles = fine.look(way, layer % 2, shift), broad.look(way, layer % 2, shift)
        # Shrinkage opens slits between fibres: the texture's low end falls off to nothing.
        slits = step(fibres + 0.4 * bundles, -1.7, 0.9)
        amount = density * np.exp(np.minimum(0.42 * fibres + 0.3 * bundles, 0.7)) * slits
        gap = step(bundles, -cleft, 0.5)
        if layer == 0:
            canvas.eosin += amount * gap
            continue
        cover = step(bundles + 0.1 * fibres, 0.3, 0.35)
        rest = 1 - cover
        canvas.eosin *= rest
        canvas.eosin += amount * cover
        tops[cover > 0.5] = layer
    canvas.eosin *= np.exp(0.2 * canvas.grain + 0.1 * canvas.speckle)
    # Mature collagen takes up hardly any haematoxylin; the ground substance between bundles is faintly blue.
    canvas.haematoxylin += (0.10 * canvas.eosin + 0.02 * step(canvas.eosin, 0.05, 0.1)) * np.exp(
        0.35 * canvas.other_grain
    )
    canvas.eosin *= np.exp(0.15 * canvas.smooth(40.0))
    return courses, tops


def spindles(canvas: Canvas, courses: list[Course], tops: np.ndarray, per_mm2: float) -> None:
    """Fibroblast nuclei along the fibres they lie on."""
    rng, margin_um = canvas.rng, 10.0
    area_mm2 = (canvas.height_um + 2 * margin_um) * (canvas.width_um + 2 * margin_um) * 1e-6
    count = int(rng.poisson(per_mm2 * area_mm2))
    places = uniform(rng, canvas.height_um, canvas.width_um, 8 * count + 10, margin_um)
    rows, columns = canvas.pixels(places)
    places = places[canvas.eosin[rows, columns] > 0.1]  # on fibres, not in clefts or lumens
    places = places[scatter(places, np.full(len(places), 7.0), count)]
    count = len(places)
    rows, columns = canvas.pixels(places)
    angle = np.array([courses[tops[row, column]].angle(row, column) for row, column in zip(rows, columns, strict=True)])
    paint(
        canvas,
        Nuclei(
            places[:, 0],
            places[:, 1],
            rng.uniform(4.0, 8.5, count),
            rng.uniform(1.1, 2.2, count),
            angle.reshape(count) + rng.normal(0, 0.12, count),
            rng.normal(0, 0.9, count),
        ),
        FIBROBLAST,
    )


def wanderers(canvas: Canvas, per_mm2: float) -> None:
    """Scattered lymphocytes."""
    rng = canvas.rng
    count = int(rng.poisson(per_mm2 * (canvas.height_um + 8) * (canvas.width_um + 8) * 1e-6))
    places = uniform(rng, canvas.height_um, canvas.width_um, count, 4.0)
    radius_um = rng.normal(3.2, 0.25, count)
    paint(
        canvas,
        Nuclei(places[:, 0], places[:, 1], radius_um * 1.05, radius_um, rng.uniform(0, np.pi, count)),
        LYMPHOCYTE,
    )
