"""Shots between the planes of a stack, as the microscope would have taken them there."""

from __future__ import annotations

import math

import numpy as np

NODES = 4
"""Planes that a shot between planes is interpolated from: they lie 0.5 µm apart (1 µm about a middle one that is left
out), and along z an image through NA 0.75 holds no period below 1.6 µm."""
PATCHES = 16
"""That the camera's noise is read from, at most."""


def shot_between(
    stack: np.ndarray,
    middle: int,
    position: float,
    noise: np.ndarray,
    random: np.random.Generator,
    *,
    with_middle: bool = False,
) -> np.ndarray:
    """A plane at any position, by the cubic through the nearest planes, and with a plane's noise.

    The middle plane takes no part where it is the target: a shot must not share its noise. What interpolation averages
    away of the other planes' noise is drawn anew, or else training would see less noise than shots have.

    Parameters
    ----------
    stack : (Z, Y, X, C) uint8 array
    middle : int
        Number of the middle plane; as many lie on either side.
    position : float
        In planes from the middle one.
    noise : (C, 2) float array
        See `camera_noise`.
    random : Generator
    with_middle : bool
        The target is another image than the middle plane, so that its noise does no harm.

    Returns
    -------
    (Y, X, C) uint8 array
    """
    nodes, weights = _nearest(middle, position, () if with_middle else (0,))
    shot = _sum(stack, nodes, weights)
    lost = 1 - np.square(weights).sum()
    if lost > 0:
        # rows of whole length: numpy would start anew for the three colours of every pixel
        base, slope = np.broadcast_to((lost * noise.T).astype(np.float32)[:, None], (2, *shot.shape[1:])).copy()
        variance = shot * slope
        variance += base
        sd = np.sqrt(np.maximum(variance, 0, out=variance), out=variance)
        shot += np.multiply(sd, random.standard_normal(shot.shape, np.float32), out=sd)
    return np.clip(np.rint(shot, out=shot), 0, 255, out=shot).astype(np.uint8)


def camera_noise(stacks: np.ndarray, middle: int) -> np.ndarray:
    """Variance of a camera's noise as a line over the grey level, by what far planes don't share with their neighbours.

    Parameters
    ----------
    stacks : (patch, Z, Y, X, C) uint8 array
    middle : int
        Number of the middle plane.

    Returns
    -------
    (C, 2) float array
        Variance at level 0 and its slope, none negative; grey levels of 0 to 255. With the rounding to 8 bits.
    """
    nodes, weights = _nearest(middle, middle - 2, (0, middle - 2))
    share = 1 + np.square(weights).sum()
    levels, squares = [], []
    for stack in stacks[:: -(-len(stacks) // PATCHES)]:
        for side in (-1, 1):
            expected = _sum(stack, middle + side * (nodes - middle), weights)
            levels.append(expected)
            squares.append(np.square(stack[middle + side * (middle - 2)] - expected) / share)
    channels = range(stacks.shape[-1])
    return np.array([_line(np.array(levels)[..., c], np.array(squares)[..., c]) for c in channels])


def _nearest(middle: int, position: float, without: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the planes next to a position, and their weights in the cubic through them."""
    planes = np.array([plane for plane in range(-middle, middle + 1) if plane not in without])
    nodes = planes[np.lexsort((np.abs(planes), np.abs(planes - position)))[:NODES]]
    weights = [
        math.prod((position - other) / (node - other) for other in nodes.tolist() if other != node)
        for node in nodes.tolist()
    ]
    return middle + nodes, np.array(weights, np.float32)


def _sum(stack: np.ndarray, planes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.tensordot(weights, stack[planes].astype(np.float32), axes=1)


def _line(level: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Variance at level 0 and slope, by least squares, none negative."""
    slope = np.cov(level.ravel(), variance.ravel())[0, 1] / max(float(level.var()), 1e-6)
    slope = min(max(float(slope), 0.0), float(variance.mean() / max(level.mean(), 1e-6)))
    return float(variance.mean() - slope * level.mean()), slope
