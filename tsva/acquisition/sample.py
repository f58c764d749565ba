"""Which patches a slow method restores: a few at every offset, spread over the slides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tsva.acquisition.seeds import rng


def sample_pairs(slides: Sequence[str], offsets: int, per_offset: int, seed: int) -> np.ndarray:
    """Choose patches for every offset, from as many slides as there are.

    Parameters
    ----------
    slides : sequence of N str
        Slide of each patch.
    offsets : int
        How many offsets there are.
    per_offset : int
        Patches at each of them; all if there are fewer.
    seed : int

    Returns
    -------
    (N, offsets) bool array
        True where a patch is restored at an offset. Every slide has its turn before any has a second one; the turn goes
        on from offset to offset, so that all slides are seen. The same for every method, so that slow methods are
        compared on the same pairs.
    """
    names = sorted(set(slides))
    where = {name: [i for i, slide in enumerate(slides) if slide == name] for name in names}
    order = [str(name) for name in rng(seed, "sample", "slides").permutation(names)]
    chosen = np.zeros((len(slides), offsets), dtype=bool)
    turn = 0
    for offset in range(offsets):
        left = {name: list(rng(seed, "sample", name, offset).permutation(where[name])) for name in names}
        for _ in range(min(per_offset, len(slides))):
            while not left[order[turn % len(order)]]:
                turn += 1
            chosen[left[order[turn % len(order)]].pop(), offset] = True
            turn += 1
    return chosen
