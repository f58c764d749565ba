"""Cell territories: which cell owns a place, and how far its borders are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsva.simulation.phantom.canvas import Canvas


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
