"""Conjugate gradient for linear systems that are known only by what they do to an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def conjugate_gradient(
    apply: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    start: np.ndarray,
    iterations: int,
    *,
    tolerance: float = 0.0,
    limits: tuple[float, float] | None = None,
) -> np.ndarray:
    """Solve A x = b approximately, for a symmetric positive (semi)definite A.

    Parameters
    ----------
    apply : function
        Gives A x for an array x of the shape of `right`.
    right : float array
        b, of any shape.
    start : float array
        First x, of the same shape; not changed.
    iterations : int
        At most so many steps; few steps are themselves a regularisation, so this belongs to a method's definition.
    tolerance : float
        Stop where the Euclidean norm of the residual falls below it.
    limits : (float, float) or None
        Clip x after every step. The residual is carried on as if x had not been clipped: where limits bite, this is
        a heuristic that keeps an image in its range, not the solution of the bounded problem.

    Returns
    -------
    float array
        x, of the shape of `right`.

    References
    ----------
    Hestenes & Stiefel (1952), J. Res. Natl. Bur. Stand. 49, 409-436.
    """
    x = np.array(start, dtype=float)
    residual = right - apply(x)
    direction = residual.copy()
    energy = float(np.vdot(residual, residual))
    for _ in range(iterations):
        if energy <= tolerance**2:
            break
        image = apply(direction)
        curvature = float(np.vdot(direction, image))
        if not curvature > 0:  # in the null space of A, to rounding
            break
        step = energy / curvature
        x += step * direction
        if limits is not None:
            np.clip(x, *limits, out=x)
        residual -= step * image
        energy, before = float(np.vdot(residual, residual)), energy
        direction *= energy / before
        direction += residual
    return x
