"""How planes of a stack lie against each other: shift, scale (focus breathing), and what to warn of.

Lenses that are not telecentric in object space, and many motorised stages, change the magnification by 0.01 to 1 % a
plane. Correlation of one patch in the middle of the field can't see it; at the field's edge it is a shift of pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter, uniform_filter
from scipy.stats import theilslopes

from tsva.acquisition.sharpness import grey

WORKING_PX = 400
"""Planes are averaged by whole factors until neither edge is longer: a tenth of such a pixel is found."""
SMOOTH_PX = 1.5
"""Deviation of the Gaussian that both planes pass, in working pixels: gradients without most of the camera's noise."""
LAMP_PX = 51
"""Edge of the mean that is taken off, in working pixels: lamps are broader, tissue is finer."""
ITERATIONS = 8
CONVERGED_PX = 0.01
LEAST_MOVED_PX = 0.25
"""Displacement at the field's edge below which interpolation would do more harm than good."""
MARGIN = 0.08
"""Share of each edge that is left out, where a moved plane has no pixels."""
LARGEST_RESIDUAL = 0.6
"""What may remain of a plane's contrast after registration, as a share; noise and planes of other places keep more."""
LARGEST_ERROR_PX = 0.5
"""Standard error of the shift at the field's edge above which nothing is said, in working pixels."""


@dataclass(frozen=True)
class Alignment:
    """Where each plane's content lies, against the in-focus plane.

    What lies (y, x) pixels from the field's centre in the in-focus plane is at ``scale · (y, x) - shift`` in another.

    Attributes
    ----------
    scale : (Z,) float array
        Magnification over that of the in-focus plane; NaN where it could not be measured.
    shift_px : (Z, 2) float array
        y and x in pixels: what to move the plane by for the field's centre to lie on that of the in-focus plane; NaN
        likewise.
    """

    scale: np.ndarray
    shift_px: np.ndarray


def align(planes: np.ndarray, focus_plane: int) -> Alignment:
    """Measure shift and scale of each plane.

    Neighbouring planes are registered, from the in-focus plane outwards, as they are equally out of focus and differ
    little; the steps are then multiplied up.

    Parameters
    ----------
    planes : (Z, Y, X, C) uint8 array
        May be mapped from a file.
    focus_plane : int

    Returns
    -------
    Alignment
        On planes without tissue, or too unlike their neighbours, and on all beyond, NaN.

    Notes
    -----
    Each step is a least-squares fit over all pixels (Lucas and Kanade 1981, Proc. IJCAI, 674-679; here in the form of
    Baker and Matthews 2004, Int. J. Comput. Vis. 56, 221-255) of two shifts, a scale about the field's centre, a gain,
    an offset, and the Laplacian, which accounts for a change of defocus. Pixels that fit badly count little
    (Huber weights), so that dirt which stays on the camera moves nothing.
    """
    count, height, width = len(planes), *planes.shape[1:3]
    scale, shift = np.full(count, np.nan), np.full((count, 2), np.nan)
    scale[focus_plane], shift[focus_plane] = 1.0, 0.0
    factor = max(1, -(-max(height, width) // WORKING_PX))
    for step in (-1, 1):
        before = _working(planes[focus_plane], factor)
        total_scale, total_shift = 1.0, np.zeros(2)
        for number in range(focus_plane + step, count if step > 0 else -1, step):
            plane = _working(planes[number], factor)
            found = _register(before, plane)
            if found is None:
                break
            # a point at p of the plane before lies at s·p + t
            total_scale, total_shift = total_scale * found[0], found[0] * total_shift + found[1]
            scale[number], shift[number] = total_scale, -total_shift * factor
            before = plane
    return Alignment(scale, shift)


def scale_trend(scale: np.ndarray, z_um: np.ndarray, focus_plane: int) -> np.ndarray:
    """Scale as a straight line over z, 1 in the in-focus plane: what a lens does.

    A few isolated objects that blur alike on both sides of focus can look as if they grew; a lens that enlarges on one
    side reduces on the other. The slope is the median of those between all pairs of planes (Theil 1950, Sen 1968,
    J. Am. Stat. Assoc. 63, 1379-1389), as far as there are planes on both sides.

    Parameters
    ----------
    scale : (Z,) float array
        As `Alignment` gives it.
    z_um : (Z,) float array
    focus_plane : int

    Returns
    -------
    (Z,) float array
        NaN throughout where one side has no plane with a known scale.
    """
    known = np.flatnonzero(np.isfinite(scale))
    reach = min(focus_plane - known[0], known[-1] - focus_plane) if len(known) else 0
    if reach < 1:
        return np.full(len(scale), np.nan)
    near = slice(focus_plane - reach, focus_plane + reach + 1)
    slope = theilslopes(scale[near], z_um[near])[0]
    return np.asarray(1 + slope * (z_um - z_um[focus_plane]))


def aligned(plane: np.ndarray, scale: float, shift_px: np.ndarray) -> np.ndarray:
    """A plane as it would lie on the in-focus plane.

    Parameters
    ----------
    plane : (Y, X, C) uint8 array
    scale : float
    shift_px : (2,) float array
        As `Alignment` gives them.

    Returns
    -------
    (Y, X, C) uint8 array
        Cubic interpolation; beyond the plane its edge goes on.
    """
    middle = (np.array(plane.shape[:2]) - 1) / 2
    offset = middle - shift_px - scale * middle
    values = np.moveaxis(plane.astype(np.float32), -1, 0)
    channels = [affine_transform(channel, np.full(2, scale), offset, order=3, mode="nearest") for channel in values]
    return np.clip(np.rint(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)


def all_aligned(planes: np.ndarray, scale: np.ndarray, shift_px: np.ndarray) -> np.ndarray:
    """Planes as they would lie on the in-focus plane; those that lie there within `LEAST_MOVED_PX` stay as they are.

    Parameters
    ----------
    planes : (Z, Y, X, C) uint8 array
    scale : (Z,) float array
    shift_px : (Z, 2) float array
        As `Alignment` gives them, without NaN.

    Returns
    -------
    (Z, Y, X, C) uint8 array
        Those that moved are interpolated, which costs some sharpness beyond half the highest frequency.
    """
    moved = np.abs(scale - 1) * max(planes.shape[1:3]) / 2 + np.hypot(*shift_px.T)
    return np.stack(
        [
            aligned(plane, scale[number], shift_px[number]) if moved[number] > LEAST_MOVED_PX else plane
            for number, plane in enumerate(planes)
        ]
    )


def _working(plane: np.ndarray, factor: int) -> np.ndarray:
    """Grey, averaged by a whole factor, smoothed, without the lamp's slopes."""
    values = grey(plane)
    rows, columns = values.shape[0] // factor, values.shape[1] // factor
    top, left = (values.shape[0] - rows * factor) // 2, (values.shape[1] - columns * factor) // 2
    cut = values[top : top + rows * factor, left : left + columns * factor]
    # a mean over two short axes takes many times as long
    small = sum(cut[y::factor, x::factor] for y in range(factor) for x in range(factor)) / np.float32(factor**2)
    smooth = gaussian_filter(small, SMOOTH_PX, mode="nearest")
    return np.asarray(smooth - uniform_filter(smooth, LAMP_PX, mode="nearest"))


def _register(fixed: np.ndarray, moving: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Scale and shift (y, x; working pixels) that take points of `fixed` to points of `moving`; None if unlike."""
    height, width = fixed.shape
    middle = (np.array(fixed.shape) - 1) / 2
    inside = tuple(slice(round(MARGIN * size), size - round(MARGIN * size)) for size in (height, width))
    y, x = (np.mgrid[inside] - middle[:, None, None]).astype(np.float32)
    goal = fixed[inside].ravel()
    reach = max(height, width) / 2
    scale, shift = 1.0, np.zeros(2)
    for _ in range(ITERATIONS):
        here = affine_transform(moving, np.full(2, scale), middle + shift - scale * middle, order=1, mode="nearest")
        by_y, by_x = np.gradient(here)
        blur = np.gradient(by_y, axis=0) + np.gradient(by_x, axis=1)
        by_y, by_x, blur, values = (array[inside] for array in (by_y, by_x, blur, here))
        columns = [by_y, by_x, (y * by_y + x * by_x) / reach, blur, values, np.ones_like(values)]
        matrix = np.stack([column.ravel() for column in columns], axis=1)
        found, errors, residual = _robust(matrix, goal - values.ravel())
        # the gradients were taken in the moved plane: its pixels are those of the fixed one
        shift = shift + scale * found[:2]
        scale *= 1 + found[2] / reach
        if np.abs(found[:3]).max() < CONVERGED_PX:
            break
    if residual > LARGEST_RESIDUAL * goal.std() or errors[:3].max() > LARGEST_ERROR_PX:
        return None
    return scale, shift


def _robust(matrix: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Least squares with Huber weights: solution, standard errors, and root mean square of what remains."""
    weights = np.ones(len(wanted), matrix.dtype)
    for _ in range(2):
        weighted = matrix * weights[:, None]
        inverse = np.linalg.pinv((weighted.T @ matrix).astype(float), hermitian=True)
        solution = inverse @ (weighted.T @ wanted)
        rest = wanted - matrix @ solution.astype(matrix.dtype)  # else the matrix would become float64 each time
        limit = 1.345 * 1.4826 * np.median(np.abs(rest)) + 1e-9
        weights = np.minimum(1, limit / np.maximum(np.abs(rest), 1e-9)).astype(matrix.dtype)
    remaining = float(np.sqrt(np.mean(rest**2)))
    # smoothed pixels are not independent: about 2 π (2 SMOOTH_PX²) of them make one
    shared = np.sqrt(4 * np.pi * SMOOTH_PX**2)
    return solution, np.sqrt(np.diag(inverse)) * remaining * shared, remaining


def drift(row: Mapping[str, object], max_shift_px: float) -> str:
    """What to warn of where planes lie beside the in-focus plane; empty if they do by less.

    Parameters
    ----------
    row : mapping
        A field's row, of `focus_field`.
    max_shift_px : float
        Limit, in pixels.
    """
    shift_px = float(str(row["max_shift_px"]))
    if not shift_px > max_shift_px:
        return ""
    return (
        f"planes lie up to {shift_px:.1f} pixels beside the in-focus plane (the stage drifts), more than"
        f" {max_shift_px:g}: shots and ground truth then show different places; pairs.align_planes corrects it"
    )


def breathing(row: Mapping[str, object], max_edge_shift_px: float) -> str:
    """What to warn of where magnification changes with focus; empty if it moves the field's edge by less.

    Parameters
    ----------
    row : mapping
        A field's row, of `focus_field`.
    max_edge_shift_px : float
        Limit, in pixels at the middle of the field's longer edge.
    """
    edge_px = float(str(row["max_edge_shift_px"]))
    if not edge_px > max_edge_shift_px:
        return ""
    return (
        f"magnification changes from plane to plane (focus breathing): by {edge_px:.1f} pixels at the field's edge,"
        f" more than {max_edge_shift_px:g}; pairs.align_planes corrects it"
    )
