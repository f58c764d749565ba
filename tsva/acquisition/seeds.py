"""Random draws that depend on what they are for, and on nothing else."""

from __future__ import annotations

import hashlib
import json

import numpy as np


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
