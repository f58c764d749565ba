"""Where cells lie: random places that keep their distance."""

from __future__ import annotations

import numpy as np


def scatter(candidates: np.ndarray, distance_um: np.ndarray, count: int, taken: np.ndarray | None = None) -> np.ndarray:
    """Pick places in order, leaving out those too close to one already picked.

    Parameters
    ----------
    candidates : (N, 2) float array
        y and x in micrometres (or any coordinates in which distances are meant), in random order.
    distance_um : (N,) float array
        Smallest distance that each wants; between two, the mean of their wishes counts.
    count : int
        Stop after so many.
    taken : (M, 3) float array, optional
        Places (y, x, distance) that are taken already.

    Returns
    -------
    (K,) int array
        Rows of `candidates`, K ≤ count.

    Notes
    -----
    Random sequential adsorption (Matérn's third hard-core process): nuclei don't penetrate each other, but their
    places have no other order.
    """
    first = 0 if taken is None else len(taken)
    held = np.empty((first + count, 3))
    if taken is not None:
        held[:first] = taken
    picked: list[int] = []
    for row, (place, wish) in enumerate(zip(candidates, distance_um, strict=True)):
        if len(picked) == count:
            break
        used = held[: first + len(picked)]
        apart = (used[:, 0] - place[0]) ** 2 + (used[:, 1] - place[1]) ** 2
        if np.all(apart >= ((used[:, 2] + wish) / 2) ** 2):
            held[first + len(picked)] = (*place, wish)
            picked.append(row)
    return np.array(picked, dtype=int)


def uniform(
    rng: np.random.Generator, height_um: float, width_um: float, count: int, margin_um: float = 0.0
) -> np.ndarray:
    """(count, 2) places spread evenly over a field and a margin around it."""
    span = np.array([height_um, width_um]) + 2 * margin_um
    return rng.random((count, 2)) * span - margin_um
