"""Taking z-stacks in: planes of one size, z positions that make sense, one pixel size for all slides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from tsva.acquisition.stack import SAME_PIXEL, Z_TOLERANCE_UM, Stack, is_even, resample, resampled_shape
from tsva.errors import UserError

log = logging.getLogger(__name__)
LEAST_FIELD_PX = 32
"""The smallest patch that pairs can be cut at."""
SAME_PLANE_UM = 1e-3
"""Planes nearer than a nanometre are at the same z."""


def check_positions(z_um: Sequence[float], names: Sequence[str], where: str, *, regular: bool) -> None:
    """Check where a stack's planes lie.

    Parameters
    ----------
    z_um : sequence of float
        Positions, none lower than the one before.
    names : sequence of str
        What to call each plane.
    where : str
        The file or folder, for messages.
    regular : bool
        Whether the distances between planes have to be equal.

    Raises
    ------
    UserError
        If two planes lie at the same z, there is but one plane, or (regular) a plane is missing or distances differ.
    """
    if len(z_um) < 2:
        raise UserError(
            where,
            got=f"{len(z_um)} plane ({', '.join(names)})",
            wanted="a z-stack of two planes or more",
            do="Correct the sheet's columns path and pattern, or take the slide out.",
        )
    steps = np.diff(z_um)
    same = int(np.argmin(steps))
    if steps[same] < SAME_PLANE_UM:
        raise UserError(
            where,
            got=f"two planes at z = {z_um[same]:g} µm ({names[same]} and {names[same + 1]})",
            wanted="one plane at each z",
            do="Take one of them out, or correct what the names or the file say of z.",
        )
    if not regular or is_even(np.array(z_um)):
        return
    step = float(np.median(steps))
    gap = _gap(steps, step)
    if gap is not None:
        missing = round(steps[gap] / step) - 1
        raise UserError(
            where,
            got=f"{missing} missing plane{'s' * (missing > 1)} between z = {z_um[gap]:g} µm ({names[gap]}) and"
            f" {z_um[gap + 1]:g} µm ({names[gap + 1]}); the others are {step:g} µm apart",
            wanted="every plane of the stack",
            do="Add what is missing, or cut the stack there.",
        )
    raise UserError(
        where,
        got=f"irregular z: planes are {steps.min():g} to {steps.max():g} µm apart",
        wanted="planes at equal distances, as pairs of shots need them",
        do="Record the stack with equal steps, or set ingest.require_regular_z to false to look for its focus alone.",
    )


def _gap(steps: np.ndarray, step: float) -> int | None:
    """First distance that is several times the usual one, if all others are the usual one or multiples of it."""
    multiples = np.rint(steps / step)
    if np.any(multiples < 1) or np.any(np.abs(steps - multiples * step) > Z_TOLERANCE_UM * multiples):
        return None
    return int(np.argmax(multiples > 1)) if np.any(multiples > 1) else None


def check_step(z_um: Sequence[float], wanted_um: float, where: str) -> None:
    """Check that a regular stack has the step that pairs are cut with.

    Raises
    ------
    UserError
        If it has another one.
    """
    step_um = (z_um[-1] - z_um[0]) / (len(z_um) - 1)
    if abs(step_um - wanted_um) > Z_TOLERANCE_UM:
        raise UserError(
            where,
            got=f"planes {step_um:g} µm apart",
            wanted=f"planes {wanted_um:g} µm apart (acquisition.z_step_um)",
            do="Correct the sheet's columns z_step_um or pattern, or set acquisition.z_step_um to the stacks' step.",
        )


def checked(
    planes: Iterable[np.ndarray], names: Sequence[str], pixel_um: float, where: str, *, common_pixel_um: float
) -> Iterator[np.ndarray]:
    """A field's planes at the common pixel size, one by one.

    Parameters
    ----------
    planes : iterable of (Y, X, C) uint8 arrays
        In order of rising z.
    names : sequence of str
        What to call each plane.
    pixel_um, common_pixel_um : float
        Pixel size of the planes, and of all stacks. Planes are resampled (area average where the sizes are whole
        multiples) if the two differ by more than `SAME_PIXEL`.
    where : str
        The file or folder, for messages.

    Yields
    ------
    (Y, X, C) uint8 array
        Of pixels of `resulting_pixel_um`.

    Raises
    ------
    UserError
        If planes differ in size or number of channels, or are too small for any use.
    """
    factor = common_pixel_um / pixel_um
    keep = abs(factor - 1) <= SAME_PIXEL
    shape, size = (0, 0, 0), (0, 0)
    for number, plane in enumerate(planes):
        if number == 0:
            shape = plane.shape
            size = shape[:2] if keep else resampled_shape(shape[:2], factor)
            if min(size) < LEAST_FIELD_PX:
                raise UserError(
                    where,
                    got=f"{_size(shape)} of {pixel_um:g} µm",
                    wanted=f"at least {LEAST_FIELD_PX} pixels of {common_pixel_um:g} µm both ways",
                    do="Correct the sheet's column pixel_um, or take the field out.",
                )
        if plane.shape != shape:
            raise UserError(
                where,
                got=f"{names[number]} of {_size(plane.shape)}",
                wanted=f"{_size(shape)}, as {names[0]} has",
                do="Export all planes of a field alike, or set ingest.crop_planes to true to cut them about their"
                " centres.",
            )
        yield plane if keep else resample(plane, size, (0, 0, size[1] * factor, size[0] * factor))


def cropped(planes: Callable[[], Iterable[np.ndarray]], where: str) -> Iterator[np.ndarray]:
    """Planes cut about their centres to the size of the smallest.

    Parameters
    ----------
    planes : callable
        Gives the planes, (Y, X, C) arrays; called twice, so that memory holds one.
    where : str
        The file or folder, for the log.

    Yields
    ------
    (Y, X, C) array
    """
    sizes = np.array([plane.shape[:2] for plane in planes()])
    height, width = (int(size) for size in sizes.min(axis=0))
    if np.ptp(sizes, axis=0).any():
        largest = sizes.max(axis=0)
        log.warning("%s: planes of up to %d×%d pixels cut about their centres to %d×%d", where, *largest, height, width)
    for plane in planes():
        top, left = (plane.shape[0] - height) // 2, (plane.shape[1] - width) // 2
        yield plane[top : top + height, left : left + width]


def resulting_pixel_um(pixel_um: float, common_pixel_um: float) -> float:
    """Pixel size of a stack: its own where it is the common one within `SAME_PIXEL`."""
    return pixel_um if abs(common_pixel_um / pixel_um - 1) <= SAME_PIXEL else common_pixel_um


def assemble(
    planes: Iterable[np.ndarray],
    z_um: Sequence[float],
    names: Sequence[str],
    pixel_um: float,
    where: str,
    *,
    common_pixel_um: float,
) -> Stack:
    """Put a field's planes, (Y, X, C) uint8 as `checked` gives them, together at positions `z_um`.

    Planes are taken one by one, so that memory holds the result and one plane of the source.
    """
    out = np.empty(0, np.uint8)
    for number, plane in enumerate(checked(planes, names, pixel_um, where, common_pixel_um=common_pixel_um)):
        if number == 0:
            out = np.empty((len(z_um), *plane.shape), np.uint8)
        out[number] = plane
    return Stack(out, np.array(z_um), resulting_pixel_um(pixel_um, common_pixel_um))


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}×{shape[1]} pixels and {shape[2]} channel{'s' * (shape[2] > 1)}"
