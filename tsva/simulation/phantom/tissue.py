"""From a kind of tissue and a stain protocol to a specimen and its nuclei."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsva.optics.specimen import Specimen
from tsva.simulation.phantom.canvas import Canvas
from tsva.simulation.phantom.kinds import connective, fatty, glandular, lymphoid, muscle, squamous
from tsva.simulation.phantom.section import cut, cut_layers


@dataclass(frozen=True)
class Stain:
    """How one laboratory's slides are coloured.

    Attributes
    ----------
    haematoxylin, eosin : three floats
        Stain vectors: relative optical density in red, green and blue, as published; `vectors` gives them unit norm.
    haematoxylin_strength, eosin_strength : float
        Optical density of this laboratory's slides relative to the amounts that the tissue kinds are drawn with.
    blank : three floats
        Transmittance of glass and mounting medium without tissue.
    source : str
        Where the vectors were published.
    """

    haematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    haematoxylin_strength: float
    eosin_strength: float
    blank: tuple[float, float, float]
    source: str

    @property
    def vectors(self) -> np.ndarray:
        """(2, 3) float64 array: haematoxylin, eosin; rows of unit norm."""
        rows = np.array([self.haematoxylin, self.eosin])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


STAINS = {
    "lab_a": Stain(
        haematoxylin=(0.490157, 0.768971, 0.410402),
        eosin=(0.046153, 0.842068, 0.537393),
        haematoxylin_strength=1.0,
        eosin_strength=1.0,
        blank=(0.985, 0.985, 0.980),
        source="Landini, Colour Deconvolution for ImageJ, vectors 'H&E 2'",
    ),
    "lab_b": Stain(
        haematoxylin=(0.644211, 0.716556, 0.266844),
        eosin=(0.092789, 0.954111, 0.283111),
        haematoxylin_strength=1.15,
        eosin_strength=0.8,
        blank=(0.975, 0.970, 0.975),
        source="Ruifrok & Johnston (2001) as in Landini, Colour Deconvolution for ImageJ, vectors 'H&E'",
    ),
    "lab_c": Stain(
        haematoxylin=(0.5626, 0.7201, 0.4062),
        eosin=(0.2159, 0.8012, 0.5581),
        haematoxylin_strength=0.95,
        eosin_strength=0.9,
        blank=(0.980, 0.975, 0.965),
        source="Macenko et al. (2009), reference matrix of the authors' implementation",
    ),
    "lab_d": Stain(
        haematoxylin=(0.650, 0.704, 0.286),
        eosin=(0.072, 0.990, 0.105),
        haematoxylin_strength=0.9,
        eosin_strength=1.1,
        blank=(0.970, 0.980, 0.975),
        source="Ruifrok & Johnston (2001), haematoxylin, eosin and DAB",
    ),
}
"""Stain protocols by name."""


def transmittance(amounts: np.ndarray, stain: Stain, *, blank: bool = True) -> np.ndarray:
    """Transmitted over incident intensity of a stained section.

    Parameters
    ----------
    amounts : (Y, X, 2) float array
        Haematoxylin and eosin, as optical density (base ten) along each stain's unit vector, at unit strength.
    stain : Stain
        The laboratory's protocol.
    blank : bool
        Whether glass and mounting medium absorb, too.

    Returns
    -------
    (Y, X, 3) float32 array
        Red, green, blue; within (0, 1].

    References
    ----------
    Beer-Lambert law: T = 10^-(A_H v_H + A_E v_E); Ruifrok & Johnston (2001).
    """
    strengths = np.array([stain.haematoxylin_strength, stain.eosin_strength])
    matrix = stain.vectors * strengths[:, None] * -np.log(10)
    density = amounts.astype(np.float32, copy=False) @ matrix.astype(np.float32)
    light = np.exp(density, out=density)
    return light * np.array(stain.blank, np.float32) if blank else light


_DRAW = {
    "glandular": glandular.draw,
    "epithelial": squamous.epithelial,
    "stromal": connective.stromal,
    "fatty": fatty.draw,
    "lymphoid": lymphoid.draw,
    "muscle": muscle.draw,
    "skin": squamous.skin,
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
    canvas = _drawn(kind, stain, shape, pixel_um, rng, layers=1)
    amounts, depth_um, thickness_um = cut(canvas)
    amounts *= _uptake(rng)
    specimen = Specimen(transmittance(amounts, STAINS[stain]), depth_um, thickness_um, pixel_um)
    return specimen, _table(canvas)


def layered_tissue(
    kind: str,
    stain: str,
    *,
    shape: tuple[int, int],
    pixel_um: float,
    rng: np.random.Generator,
    layers: int,
    detail: float = 0.0,
) -> tuple[tuple[Specimen, ...], pd.DataFrame]:
    """A field of digital tissue whose layers differ in depth; further parameters and errors as in `tissue`.

    Parameters
    ----------
    layers : int
        Of the section, of one thickness. Nuclei lie in those that they reach into; borders and fibres run obliquely
        through them; fine detail is each layer's own.
    detail : float
        Strength of fine detail; 1 gives the spectrum of real sections (docs/phantom.md), 0 leaves it out.

    Returns
    -------
    tuple of Specimens
        Slabs above one another, the farthest from the objective first; the glass absorbs in the first.
    pandas.DataFrame
        Nuclei, as of `tissue` with the same generator.
    """
    canvas = _drawn(kind, stain, shape, pixel_um, rng, layers=layers)
    slabs = cut_layers(canvas, detail)
    uptake = _uptake(rng)
    specimens = []
    for index, (amounts, depth_um, thickness_um) in enumerate(slabs):
        amounts *= uptake
        light = transmittance(amounts, STAINS[stain], blank=index == 0)
        specimens.append(Specimen(light, depth_um, thickness_um, pixel_um))
    return tuple(specimens), _table(canvas)


def _drawn(
    kind: str, stain: str, shape: tuple[int, int], pixel_um: float, rng: np.random.Generator, *, layers: int
) -> Canvas:
    if kind not in _DRAW:
        raise ValueError(f"no tissue {kind!r}; there are {', '.join(KINDS)}")
    if stain not in STAINS:
        raise ValueError(f"no stain {stain!r}; there are {', '.join(STAINS)}")
    if not 0.08 <= pixel_um <= 0.5:
        raise ValueError(f"pixel_um is {pixel_um}; wanted 0.08 to 0.5")
    canvas = Canvas(shape, pixel_um, float(rng.uniform(3.0, 4.0)), rng, layers)
    _DRAW[kind](canvas)
    return canvas


def _uptake(rng: np.random.Generator) -> np.ndarray:
    """How much haematoxylin and eosin a field took up, about 1."""
    return np.exp(rng.normal(0, 0.06, 2)).astype(np.float32)


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
