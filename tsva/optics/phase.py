"""Integrals of waves over the pupil at many values of defocus: the sum that transfer functions spend their time in."""

from __future__ import annotations

import numpy as np
from scipy.special import jv

BLOCK = 16_384
"""Points taken at once: what they need stays in the processor's cache."""


def sum_of_waves(area: np.ndarray, rate: np.ndarray, still: np.ndarray | None, z_um: np.ndarray) -> np.ndarray:
    """Σ over points of area cos(z rate + still), for every z.

    Parameters
    ----------
    area, rate : (S, P) float arrays
        Weight of each point, and its phase for each micrometre of defocus.
    still : (S, P) float array or None
        Phase in focus; None if it is 0 everywhere.
    z_um : (Z,) float array
        Defocus.

    Returns
    -------
    (S, Z) float array
        To rounding.

    Notes
    -----
    With |rate| <= R, cos(z rate) = J₀(z R) + 2 Σ (-1)ᵏ J₂ₖ(z R) T₂ₖ(rate / R), and sin likewise of odd orders
    (Jacobi & Anger). The sums over points of area T are the same for all z, and T follows by recurrence: a product and
    a difference a point and order take the place of a cosine a point and z. Orders end where J has fallen to rounding.
    """
    highest = float(np.abs(rate).max(initial=0)) or 1.0
    phase = highest * float(np.abs(z_um).max(initial=0))
    orders = int(phase + 12 * np.cbrt(phase) + 24) // 2
    even = [(-1) ** k * (1 if k == 0 else 2) * jv(2 * k, highest * z_um) for k in range(orders)]
    odd = [(-1) ** k * 2 * jv(2 * k + 1, highest * z_um) for k in range(orders)] if still is not None else []
    found = np.empty((len(area), len(z_um)))
    step = max(1, BLOCK // max(1, area.shape[1]))
    for start in range(0, len(area), step):
        here = slice(start, start + step)
        x = rate[here] / highest
        weight = area[here] if still is None else area[here] * np.cos(still[here])
        found[here] = _moments(weight, np.ones_like(x), 2 * x**2 - 1, x, orders) @ np.array(even)
        if still is not None:
            weight = area[here] * np.sin(still[here])
            found[here] -= _moments(weight, x, x, x, orders) @ np.array(odd)
    return found


def _moments(weight: np.ndarray, first: np.ndarray, before: np.ndarray, x: np.ndarray, orders: int) -> np.ndarray:
    """(S, orders) sums of weight T over points, of the orders of one parity: T(m + 2) = 2 T(2) T(m) - T(m - 2).

    `first` is T of the lowest order, `before` that of the order two below it, with its sign mirrored (T(-m) = T(m)).
    """
    twice = 4 * x**2 - 2
    now, last, product = first.copy(), before.copy(), np.empty_like(x)
    moments = np.empty((len(weight), orders))
    for order in range(orders):
        moments[:, order] = np.einsum("sp,sp->s", weight, now)
        np.multiply(twice, now, out=product)
        np.subtract(product, last, out=last)
        now, last = last, now
    return moments
