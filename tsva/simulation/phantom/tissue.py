"""From a kind of tissue and a stain protocol to a specimen and its nuclei."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsva.optics.specimen import Specimen
from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.kinds import epithelial, fatty, glandular, lymphoid, muscle, skin, stromal
from tsva.simulation.phantom.section import cut
from tsva.simulation.phantom.stains import STAINS, transmittance

_DRAW = {
    "glandular": glandular.draw,
    "epithelial": epithelial.draw,
    "stromal": stromal.draw,
    "fatty": fatty.draw,
    "lymphoid": lymphoid.draw,
    "muscle": muscle.draw,
    "skin": skin.draw,
}
KINDS = tuple(_DRAW)
"""Names of the kinds of tissue."""


def tissue(
    kind: str, stain: str, *, shape: tuple[int, int], pixel_um: float, rng: np.random.Generator
) -> tuple[Specimen, pd.DataFrame]:
    """A field of digital tissue.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    stain : str
        One of `STAINS`.
    shape : (Y, X)
        Size in pixels.
    pixel_um : float
        Sampling, 0.08 to 0.5 µm: nuclei have structure, and fit their textures.
    rng : numpy.random.Generator
        Where all draws come from: equal states give equal fields.

    Returns
    -------
    Specimen
        Transmittance, depth and thickness.
    pandas.DataFrame
        One row for each nucleus centred in the field: ``y_px``, ``x_px`` (this sampling), ``depth_um``, ``radius_um``
        (of the circle of equal area), ``area_um2`` (of the whole profile, also where the field's edge cuts it).

    Raises
    ------
    ValueError
        If the kind or the stain is unknown, or the sampling too coarse or too fine.
    """
    if kind not in _DRAW:
        raise ValueError(f"no tissue {kind!r}; there are {', '.join(KINDS)}")
    if stain not in STAINS:
        raise ValueError(f"no stain {stain!r}; there are {', '.join(STAINS)}")
    if not 0.08 <= pixel_um <= 0.5:
        raise ValueError(f"pixel_um is {pixel_um}; wanted 0.08 to 0.5")
    canvas = Canvas(shape, pixel_um, float(rng.uniform(3.0, 4.0)), rng)
    _DRAW[kind](canvas)
    amounts, depth_um, thickness_um = cut(canvas)
    amounts *= np.exp(rng.normal(0, 0.06, 2)).astype(np.float32)
    specimen = Specimen(transmittance(amounts, STAINS[stain]), depth_um, thickness_um, pixel_um)
    return specimen, _table(canvas)


def _table(canvas: Canvas) -> pd.DataFrame:
    rows = np.array(canvas.nuclei, dtype=float).reshape(-1, 4)
    y_px, x_px = rows[:, 0] / canvas.pixel_um, rows[:, 1] / canvas.pixel_um
    inside = (y_px >= 0) & (y_px <= canvas.shape[0] - 1) & (x_px >= 0) & (x_px <= canvas.shape[1] - 1)
    table = pd.DataFrame(
        {
            "y_px": y_px,
            "x_px": x_px,
            "depth_um": rows[:, 2],
            "radius_um": np.sqrt(rows[:, 3] / np.pi),
            "area_um2": rows[:, 3],
        }
    )
    return table[inside].reset_index(drop=True)
