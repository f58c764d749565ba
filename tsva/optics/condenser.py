"""Partially coherent light: the transfer of weak absorption under a condenser of limited aperture."""

from __future__ import annotations

import numpy as np

from tsva.optics.pupil import Pupil


def weak_object_transfer(
    pupil: Pupil, wavelength_um: float | np.ndarray, share: np.ndarray, z_um: np.ndarray, condenser: float
) -> np.ndarray:
    """Transfer function of weak absorption over spatial frequency and defocus; real and round.

    Parameters
    ----------
    pupil : Pupil
        Aperture, model and aberration of the objective.
    wavelength_um : float or (W,) float array
        In vacuum.
    share : (S,) float array
        Spatial frequency over the incoherent cut-off 2 NA / λ; zero is returned from (1 + σ) / 2 on.
    z_um : (Z,) float array
        Defocus ΔD.
    condenser : float
        σ: aperture of the condenser over that of the objective, at most 1. Its disc is lit evenly.

    Returns
    -------
    (S, Z) or (W, S, Z) float array
        1 at frequency 0, at every z: what is missing from the transmitted intensity, to first order in the absorption.

    Notes
    -----
    H(f) = ∫ S(κ) Re[P(κ + f) P*(κ)] dκ / ∫ S(κ) |P(κ)|² dκ with the source S = 1 for |κ| < σ. With σ = 1 it is the
    pupil's autocorrelation: weak absorption images under a matched condenser as in incoherent light. With σ → 0 it is
    the coherent P(f) cos φ(f). Condensers wider than the objective add dark-field light alone, of second order.
    The integral runs over the part of the condenser's disc that the pupil, displaced by f, covers: where the two
    circles cross it is divided, and x = a + (b - a) sin²(π t/2) makes both parts smooth for Gauss-Legendre nodes.

    References
    ----------
    Hopkins (1953), Proc. R. Soc. A 217, 408; Streibl (1985), J. Opt. Soc. Am. A 2, 121, eqs. 11 to 15.
    """
    share, z_um = np.atleast_1d(share).astype(float), np.atleast_1d(z_um).astype(float)
    places: np.ndarray | slice = slice(None)
    if pupil.spherical_um == 0:  # even in z: half of the work
        z_um, places = np.unique(np.round(np.abs(z_um), 12), return_inverse=True)
    inside = 2 * share < 1 + condenser
    s = 2 * share[inside]
    rim = np.ones(1)
    shortest = float(np.min(wavelength_um))
    defocus = np.abs(z_um).max(initial=0) * np.abs(pupil.defocus_rate(rim, shortest)[0])
    aberration = 4 * np.abs(pupil.aberration(rim, shortest)[0])
    even_across = pupil.model == "born_wolf" and pupil.spherical_um == 0
    along = unit_nodes(24 + int(0.55 * (defocus + aberration)))
    across = unit_nodes(1 if even_across else 14 + int(0.04 * defocus + 0.5 * aberration))

    whole = s <= 1 - condenser
    cross = np.divide(1 - condenser**2 - s**2, 2 * s, out=np.zeros_like(s), where=~whole)
    end = np.where(whole, condenser, 1 - s)
    otf = np.zeros((*np.shape(wavelength_um), len(share), len(z_um)))
    otf[..., inside, :] += _part(
        pupil, wavelength_um, s, z_um, (-condenser + 0 * s, cross), (0 * s, condenser + 0 * s), along, across
    )
    circle = np.where(whole, 0, s), np.where(whole, condenser, 1)
    otf[..., inside, :] += _part(pupil, wavelength_um, s, z_um, (cross, end), circle, along, across)
    rho, weights = unit_nodes(40)
    rho = condenser * rho
    return otf[..., places] / (2 * np.pi * condenser * np.sum(weights * rho * pupil.amplitude(rho) ** 2))


def _part(
    pupil: Pupil,
    wavelength_um: float | np.ndarray,
    s: np.ndarray,
    z_um: np.ndarray,
    between: tuple[np.ndarray, np.ndarray],
    circle: tuple[np.ndarray, np.ndarray],
    along: tuple[np.ndarray, np.ndarray],
    across: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """(…, S, Z) integral over x between two ends, within a circle of radius r about x = -c (`circle`: c, r)."""
    (t, along_weights), (v, across_weights) = along, across
    first, width = between[0][:, None], (between[1] - between[0])[:, None]
    x = first + width * np.sin(np.pi / 2 * t) ** 2
    from_middle = x + circle[0][:, None]
    rim_y = np.sqrt(np.maximum(circle[1][:, None] ** 2 - from_middle**2, 0))
    area = 2 * (along_weights * np.pi / 2 * np.sin(np.pi * t) * width * rim_y)[:, :, None] * across_weights
    y2 = (rim_y[:, :, None] * v) ** 2
    near = np.minimum(np.sqrt(x[:, :, None] ** 2 + y2), 1)
    far = np.minimum(np.sqrt((x + s[:, None])[:, :, None] ** 2 + y2), 1)
    area *= pupil.amplitude(near) * pupil.amplitude(far)
    rate = pupil.defocus_rate(far, 1.0) - pupil.defocus_rate(near, 1.0)
    still = pupil.aberration(far, 1.0) - pupil.aberration(near, 1.0)
    rows = len(s), -1
    moved = still.reshape(rows) if pupil.spherical_um else None
    return sum_of_waves(area.reshape(rows), rate.reshape(rows), moved, z_um, 1 / np.asarray(wavelength_um))


def unit_nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """(count,) nodes and (count,) weights of Gauss-Legendre quadrature on 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


BLOCK = 2048
"""Points taken at once: what they need stays in the processor's cache."""


def sum_of_waves(
    area: np.ndarray, rate: np.ndarray, still: np.ndarray | None, z_um: np.ndarray, turns: float | np.ndarray = 1.0
) -> np.ndarray:
    """Σ over points of area cos(turns (z rate + still)), for every z.

    Parameters
    ----------
    area, rate : (S, P) float arrays
        Weight of each point, and its phase for each micrometre of defocus.
    still : (S, P) float array or None
        Phase in focus; None if it is 0 everywhere.
    z_um : (Z,) float array
        Defocus.
    turns : float or (W,) float array
        Multiples of the phases.

    Returns
    -------
    (S, Z) or (W, S, Z) float array
        To rounding.

    Notes
    -----
    With |rate| <= R, cos(z rate) = J₀(z R) + 2 Σ (-1)ᵏ J₂ₖ(z R) T₂ₖ(rate / R), and sin likewise of odd orders
    (Jacobi & Anger). The sums over points of area T are the same for all z, and T, which follows by recurrence, for all
    multiples of the phases: a product and a difference a point and order take the place of a cosine a point and z.
    Orders end where J has fallen to rounding.
    """
    scales = np.atleast_1d(turns)
    highest = float(np.abs(rate).max(initial=0)) or 1.0
    phase = highest * float(np.abs(z_um).max(initial=0)) * float(scales.max())
    orders = int(phase + 12 * np.cbrt(phase) + 24) // 2
    signs = (-1.0) ** np.arange(orders)[:, None]
    bessel = [2 * _bessel(2 * orders, scale * highest * z_um) for scale in scales]
    even, odd = (np.stack([signs * one[first::2] for one in bessel]) for first in (0, 1))  # (W, orders, Z)
    even[:, 0] /= 2
    found = np.empty((len(scales), len(area), len(z_um)))
    step = max(1, BLOCK // max(1, area.shape[1]))
    for start in range(0, len(area), step):
        here = slice(start, start + step)
        x, weight = rate[here] / highest, area[here, None]
        if still is None:
            # of one weight alone: all multiples share the sums
            found[:, here] = _moments(weight, np.ones_like(x), 2 * x**2 - 1, x, orders)[:, 0] @ even
            continue
        moved = still[here, None] * scales[:, None]
        summed = _moments(weight * np.cos(moved), np.ones_like(x), 2 * x**2 - 1, x, orders).swapaxes(0, 1) @ even
        summed -= _moments(weight * np.sin(moved), x, x, x, orders).swapaxes(0, 1) @ odd
        found[:, here] = summed
    return found if np.ndim(turns) else found[0]


def _bessel(orders: int, x: np.ndarray) -> np.ndarray:
    """(orders, Z) Bessel functions J₀, J₁, … at x, (Z,), to rounding, where the last ones have fallen to rounding.

    They are the Fourier coefficients of exp(i x sin θ): one transform in place of a series an order.
    """
    angles = 2 * np.pi / (2 * orders) * np.arange(2 * orders)
    found = np.fft.fft(np.exp(1j * np.multiply.outer(np.sin(angles), x)), axis=0)
    return np.asarray(found[:orders].real / (2 * orders))


def _moments(weight: np.ndarray, first: np.ndarray, before: np.ndarray, x: np.ndarray, orders: int) -> np.ndarray:
    """(S, W, orders) sums of weights, (S, W, P), times T over points, of the orders of one parity.

    T(m + 2) = 2 T(2) T(m) - T(m - 2). `first` is T of the lowest order, `before` that of the order two below it, with
    its sign mirrored (T(-m) = T(m)).
    """
    twice = 4 * x**2 - 2
    polynomials = np.empty((orders, *x.shape))
    polynomials[0] = first
    for order in range(1, orders):
        np.multiply(twice, polynomials[order - 1], out=polynomials[order])
        polynomials[order] -= before if order == 1 else polynomials[order - 2]
    return np.asarray(weight @ polynomials.transpose(1, 2, 0))
