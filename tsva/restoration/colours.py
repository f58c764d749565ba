"""Which colours of tissue a network was trained on, and whether an image's are among them.

The optical densities of red, green and blue, as shares of their sum, distinguish stains, whatever their amount
(Beer-Lambert). The distribution of the shares over the training patches is kept in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BLOCK_PX = 64
"""Shares are those of mean levels of blocks of this edge."""
LEAST_WHITE = 0.85
"""Glass is taken to be grey and at least as bright as this: a field without glass doesn't show it."""
LEAST_DENSITY = 0.3
"""Blocks of a smaller sum of densities have no colour worth the name."""
DARKEST = 1 / 255
FARTHEST = 3.5
"""Distances beyond are called unknown colours. Five pictures of haematoxylin and eosin and one of a brown stain lay
within 3.3 of both packaged networks. With red and green exchanged they lay at 4.3 to 8 from that for slides, and at 3.4
to 6 from that for pairs, which was trained on more stains (docs/trust.md)."""
AUGMENTATIONS = 32
"""Random stains of each block, as training makes them."""
RIDGE = 1e-4
"""Variance added to both shares: one slide's colours alone would have none."""


@dataclass(frozen=True)
class Colours:
    """Distribution of the shares of red and blue in the optical density, over blocks of training patches.

    Attributes
    ----------
    mean : (float, float)
    covariance : ((float, float), (float, float))
    blocks : int
        That it was measured on.
    """

    mean: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]
    blocks: int

    @classmethod
    def of(cls, levels: Iterable[np.ndarray], stain_jitter: float) -> Colours | None:
        """Measure training slides.

        Parameters
        ----------
        levels : iterable of (N, 3) arrays
            `block_levels` of each slide's patches.
        stain_jitter : float
            `TrainSettings.stain_jitter`: the network saw each block in other stains, too.

        Returns
        -------
        Colours or None
            None if fewer than ten blocks hold tissue.
        """
        dense = [density(each) for each in levels]
        dense = [each[each.sum(axis=1) > LEAST_DENSITY] for each in dense]
        blocks = np.concatenate(dense) if dense else np.empty((0, 3))
        if len(blocks) < 10:
            return None
        random = np.random.default_rng(0)
        seen = np.repeat(blocks, AUGMENTATIONS, axis=0)
        # as `tsva.training.dataset.augmented` does
        scale = np.exp(stain_jitter * random.normal(size=seen.shape))
        mixing = stain_jitter / 4 * random.normal(size=(len(seen), 3, 3))
        seen = np.maximum(scale * seen + np.einsum("ncd,nd->nc", mixing, seen), 0)
        shares = _shares(seen)
        covariance = np.cov(shares.T) + RIDGE * np.eye(2)
        (rr, rb), (_, bb) = covariance.tolist()
        red, blue = shares.mean(axis=0).tolist()
        return cls((red, blue), ((rr, rb), (rb, bb)), len(blocks))

    @classmethod
    def from_plain(cls, held: dict[str, Any]) -> Colours | None:
        """Of `plain`; None of an empty dictionary.

        Raises
        ------
        TypeError, ValueError
            If it is something else.
        """
        if not held:
            return None
        mean, covariance = np.asarray(held["mean"], float), np.asarray(held["covariance"], float)
        if mean.shape != (2,) or covariance.shape != (2, 2) or not np.isfinite([*mean, *covariance.ravel()]).all():
            raise ValueError("colours that are no mean and covariance of two shares")
        if covariance[0, 0] <= 0 or np.linalg.det(covariance) <= 0:
            raise ValueError("colours whose covariance is not positive")
        (rr, rb), (_, bb) = covariance.tolist()
        return cls((float(mean[0]), float(mean[1])), ((rr, rb), (rb, bb)), int(held["blocks"]))

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    def distances(self, levels: np.ndarray, white: float | None = None) -> np.ndarray:
        """How far blocks lie from the training's, in standard deviations (Mahalanobis).

        Parameters
        ----------
        levels : (…, 3) array
            Mean levels of blocks, in [0, 1].
        white : float, optional
            Level of glass; by default of the brightest blocks.

        Returns
        -------
        (…) float array
            NaN where there is too little tissue.
        """
        dense = density(levels, white)
        away = _shares(dense) - np.asarray(self.mean)
        inverse = np.linalg.inv(np.asarray(self.covariance))
        found = np.sqrt(np.einsum("...i,ij,...j->...", away, inverse, away))
        return np.where(dense.sum(axis=-1) > LEAST_DENSITY, found, np.nan)

    def distance(self, levels: np.ndarray, white: float | None = None) -> float:
        """The median of `distances` of (…, 3) levels; NaN where there is too little tissue."""
        found = self.distances(levels, white)
        found = found[np.isfinite(found)]
        return float(np.median(found)) if len(found) else float("nan")


def block_levels(images: np.ndarray) -> np.ndarray:
    """(N, 3) mean levels in [0, 1] of the blocks of (…, Y, X, 3) uint8 images; small images are one block each."""
    height, width = images.shape[-3:-1]
    tall, wide = min(BLOCK_PX, height), min(BLOCK_PX, width)
    rows, columns = height // tall, width // wide
    cut = images[..., : rows * tall, : columns * wide, :].reshape(-1, rows, tall, columns, wide, 3)
    return np.asarray(cut.mean(axis=(2, 4), dtype=np.float64).reshape(-1, 3) / 255)


def density(levels: np.ndarray, white: float | None = None) -> np.ndarray:
    """Optical densities of levels, (…, 3), at least 0; glass is grey."""
    if white is None:
        flat = levels.reshape(-1, 3)
        white = float(np.quantile(flat, 0.98, axis=0).max()) if len(flat) else 1.0
    return np.asarray(np.maximum(-np.log(np.maximum(levels, DARKEST) / max(white, LEAST_WHITE)), 0))


def _shares(dense: np.ndarray) -> np.ndarray:
    """(…, 2) shares of red and blue."""
    return np.asarray(dense[..., [0, 2]] / np.maximum(dense.sum(axis=-1, keepdims=True), 1e-9))
