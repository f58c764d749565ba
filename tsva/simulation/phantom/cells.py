"""Cells: where they lie, which one owns a place, and the bodies of those that lie free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.simulation.phantom.canvas import Canvas


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


@dataclass(frozen=True)
class Territories:
    """Voronoi cells.

    Attributes
    ----------
    nearest, second, third : (Y, X) float32 arrays
        Distances to the three nearest centres in units of their cells' sizes; `FAR` where there is none in reach.
    owner : (Y, X) int32 array
        Index of the nearest centre; -1 where there is none in reach.
    """

    nearest: np.ndarray
    second: np.ndarray
    third: np.ndarray
    owner: np.ndarray


FAR = np.float32(1e3)


def territories(
    canvas: Canvas,
    y_um: np.ndarray,
    x_um: np.ndarray,
    long_um: np.ndarray,
    short_um: np.ndarray,
    angle: np.ndarray,
    *,
    reach: float,
    warp_um: tuple[np.ndarray, np.ndarray] | None = None,
) -> Territories:
    """Voronoi cells, each with a metric of its own.

    Parameters
    ----------
    canvas : Canvas
        The field.
    y_um, x_um, long_um, short_um, angle : (N,) float arrays
        Centres, half axes and direction of the cells.
    reach : float
        Cells are looked for so many half axes away from their centres.
    warp_um : two (Y, X) float arrays, optional
        Displacement of every place along and across each cell's direction, so that borders curve.

    Notes
    -----
    Each cell updates a window around itself, which is many times cheaper than looking up the nearest centres of every
    pixel in a tree.
    """
    nearest, second, third = np.full((3, *canvas.shape), FAR, np.float32)
    owner = np.full(canvas.shape, -1, np.int32)
    slack_um = 0.0 if warp_um is None else 3 * float(max(np.std(warp_um[0]), np.std(warp_um[1])))
    for index in range(len(y_um)):
        window = canvas.window(y_um[index], x_um[index], reach * long_um[index] + slack_um)
        if window is None:
            continue
        along, across = canvas.turned(window, y_um[index], x_um[index], angle[index])
        if warp_um is not None:
            along, across = along + warp_um[0][window], across + warp_um[1][window]
        along, across = along / float(long_um[index]), across / float(short_um[index])
        distance = np.sqrt(along * along + across * across)
        first, later, last = nearest[window], second[window], third[window]
        owner[window][distance < first] = index
        np.minimum(last, np.maximum(later, distance), out=last)
        np.minimum(later, np.maximum(first, distance), out=later)
        np.minimum(first, distance, out=first)
    return Territories(nearest, second, third, owner)


def step(values: np.ndarray, edge: float, width: float) -> np.ndarray:
    """0 below `edge`, 1 above, rising linearly over `width` (float32)."""
    rising = (values - edge) * (1 / width) + 0.5
    return np.clip(rising, 0, 1, out=rising)


def ridge(values: np.ndarray, width: float) -> np.ndarray:
    """1 where `values` is zero, falling to 0 as a Gaussian of standard deviation `width` (float32)."""
    scaled = values * (1 / width)
    return np.exp(-0.5 * scaled * scaled)


def bodies(
    canvas: Canvas,
    y_um: np.ndarray,
    x_um: np.ndarray,
    long_um: np.ndarray,
    short_um: np.ndarray,
    angle: np.ndarray,
    *,
    eosin: float,
    haematoxylin: float,
    granules: float,
) -> None:
    """Draw cell bodies over what is there.

    Parameters
    ----------
    canvas : Canvas
        The field.
    y_um, x_um, long_um, short_um, angle : (N,) float arrays
        Centres, half axes and direction of the long axis.
    eosin, haematoxylin : float
        Amounts.
    granules : float
        Standard deviation of log amount over lobes of about 1 µm.
    """
    for y, x, long, short, turn in zip(y_um, x_um, long_um, short_um, angle, strict=True):
        window = canvas.window(y, x, 1.3 * long)
        if window is None:
            continue
        along, across = canvas.turned(window, y, x, turn)
        radius = np.sqrt((along / float(long)) ** 2 + (across / float(short)) ** 2)
        cover = step((1 - radius) * float(short) + 0.3 * canvas.waves[0][window], 0.0, 0.6)
        texture = np.exp(granules * canvas.speckle[window] + 0.2 * canvas.grain[window])
        for amounts, amount in ((canvas.eosin, eosin), (canvas.haematoxylin, haematoxylin)):
            part = amounts[window]
            part += cover * (amount * texture - part)
