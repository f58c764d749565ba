"""Stain protocols and the Beer-Lambert law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
}
"""Stain protocols by name."""


def transmittance(amounts: np.ndarray, stain: Stain) -> np.ndarray:
    """Transmitted over incident intensity of a stained section.

    Parameters
    ----------
    amounts : (Y, X, 2) float array
        Haematoxylin and eosin, as optical density (base ten) along each stain's unit vector, at unit strength.
    stain : Stain
        The laboratory's protocol.

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
    return np.exp(density, out=density) * np.array(stain.blank, np.float32)
