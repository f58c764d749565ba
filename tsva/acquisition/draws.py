"""Random draws, which depend on what they are for and on nothing else; and focal offsets."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from tsva.settings.acquisition import PairsSettings


def rng(seed: int, *key: str | int) -> np.random.Generator:
    """Random generator of its own for every seed and key.

    What is drawn for a patch is a function of the seed and of the patch's name alone, so that adding a slide, or
    working in another order, changes nothing elsewhere.

    Parameters
    ----------
    seed : int
        The run's seed.
    *key : str or int
        Names what is drawn and for what, e.g. ``"offset", slide, field, row, column``. 1 and "1" differ, and so do
        ("ab", "c") and ("a", "bc").

    Returns
    -------
    numpy.random.Generator
        PCG64, seeded by the SHA-256 of seed and key.

    Raises
    ------
    TypeError
        If a part of the key is neither text nor a whole number.
    """
    text = json.dumps([int(seed), *(_plain(part) for part in key)], ensure_ascii=True)
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode("ascii")).digest(), "big")))


def _plain(part: str | int) -> str | int:
    if isinstance(part, str):
        return str(part)
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        return int(part)
    raise TypeError(f"a key of random numbers holds {part!r}; text and whole numbers only")


def bin_weights(focal_offset_um: ArrayLike, sd_um: float, step_um: float) -> np.ndarray:
    """Share of a Gaussian that each offset stands for, the offsets together making 1.

    The paper's "Average" columns are means with these weights (0.5 µm bins, standard deviation 1 µm), not means over
    random draws.

    Parameters
    ----------
    focal_offset_um : (N,) array
        Offsets of F from the true focus, in micrometres: the middles of the bins.
    sd_um : float
        Standard deviation of the offset.
    step_um : float
        Width of a bin.

    Returns
    -------
    (N,) float array
        Φ((n + step/2) / sd) - Φ((n - step/2) / sd), renormalised; empty for no offsets.

    Raises
    ------
    ValueError
        If ``sd_um`` or ``step_um`` is not above 0.
    """
    if not (sd_um > 0 and step_um > 0):
        raise ValueError(f"sd_um is {sd_um} and step_um {step_um}; both have to be above 0")
    # By symmetry from the lower tail, where Φ keeps its digits however far out the bin lies.
    far = -np.abs(np.asarray(focal_offset_um, dtype=float))
    share = ndtr((far + step_um / 2) / sd_um) - ndtr((far - step_um / 2) / sd_um)
    total = share.sum()
    return share / total if total > 0 else share


def offset_at_um(share: ArrayLike, pairs: PairsSettings) -> np.ndarray:
    """Quantile of the Gaussian of offsets within ``offset_max_um``, planes or none: even shares give draws from it.

    Parameters
    ----------
    share : array
        In [0, 1].
    pairs : PairsSettings

    Returns
    -------
    float array
        Shaped like `share`; in micrometres.
    """
    edge = ndtr(-pairs.offset_max_um / pairs.offset_sd_um)
    return pairs.offset_sd_um * ndtri(edge + np.asarray(share) * (1 - 2 * edge))


def draw_offset_um(seed: int, slide: str, field: str, row: int, column: int, settings: PairsSettings) -> float:
    """Offset n of F from the true focus for one patch: a draw from the Gaussian on the grid.

    Parameters
    ----------
    seed : int
        The run's seed.
    slide, field, row, column
        The patch's name; the draw depends on it and on the seed alone.
    settings : PairsSettings
        Grid and standard deviation.

    Returns
    -------
    float
        One of ``settings.offsets_um``, with the probabilities of :func:`bin_weights`.
    """
    weights = bin_weights(settings.offsets_um, settings.offset_sd_um, settings.z_step_um)
    u = rng(seed, "offset", slide, field, row, column).random()
    # The sum of the weights may miss 1 by a rounding, so the last bin takes what lies above the one before.
    return settings.offsets_um[int(np.searchsorted(np.cumsum(weights)[:-1], u, side="right"))]
