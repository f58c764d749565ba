"""Positions of planes: what a file says, how far it is believed, and what the sheet says instead."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from tsva.errors import UserError

log = logging.getLogger(__name__)
SAME_STEP = 0.01
"""Shares by which two words on the same step may differ."""
JITTER_UM = 0.1
"""By which a stage's positions may miss even steps."""


@dataclass(frozen=True)
class Heights:
    """Where the planes of a stack lie, in the order that they are stored in.

    Attributes
    ----------
    um : tuple of float, or None
        None: the file doesn't say it, or contradicts itself.
    source : str
        Who says it.
    order : tuple of float, or None
        Positions whose unit is not known: they show which plane lies above which.
    absolute : bool
        Whether `um` are positions of the stage, which stacks of one slide share; else the first plane is at 0.
    doubt : str
        Why what the file says is not believed.
    notes : tuple of str
        What was turned or guessed.
    """

    um: tuple[float, ...] | None = None
    source: str = ""
    order: tuple[float, ...] | None = None
    absolute: bool = False
    doubt: str = ""
    notes: tuple[str, ...] = ()


def heights(
    where: str,
    planes: int,
    own_um: tuple[float, ...] | None,
    step_um: float | None,
    order: tuple[float, ...] | None = None,
    source: tuple[str, str] = ("positions", "step"),
) -> Heights:
    """Where planes lie: by their own positions, else by the file's step, the first plane then being at 0.

    A negative step goes down. A stage that was not asked reports the same position for all planes: the step counts.
    Regular positions that contradict the step are not believed, with a warning: the sheet is then asked.

    Parameters
    ----------
    where : str
        The file, for messages.
    planes : int
        How many there are.
    own_um : tuple of float, or None
        Position of each plane.
    step_um : float or None
        Distance between planes.
    order : tuple of float, or None
        Positions without a unit: the step counts, and they give the direction.
    source : (str, str)
        What the file calls positions and step.
    """
    if planes == 1:
        return Heights(own_um, source[0], absolute=True) if own_um is not None else Heights()
    own_um, order = _telling(own_um), _telling(order)
    if own_um is not None:
        steps = np.abs(np.diff(own_um))
        if step_um and np.ptp(steps) < SAME_STEP * steps.mean() and abs(steps.mean() / abs(step_um) - 1) > SAME_STEP:
            doubt = (
                f"planes {steps.mean():.4g} µm apart by their {source[0]}, and {abs(step_um):.4g} µm by the {source[1]}"
            )
            log.warning("%s: %s: neither is believed", where, doubt)
            return Heights(order=own_um, doubt=doubt)
        turned = step_um is not None and step_um < 0 and own_um[-1] > own_um[0]
        note = (f"the {source[1]} is negative though {source[0]} rises: the latter counts",) if turned else ()
        return Heights(own_um, source[0], own_um, absolute=True, notes=note)
    if not step_um:
        return Heights(order=order)
    return replace(_stepped(planes, step_um, order), source=source[1], order=order)


def _agrees(of_file: Heights, step_um: float) -> bool:
    """Whether a file's own positions of the stage say no other step and no other direction than the sheet."""
    if of_file.um is None or not of_file.absolute or len(of_file.um) < 2:
        return False
    steps = np.diff(of_file.um)
    falls = bool(steps[0] < 0)
    return (falls or step_um > 0) and bool(np.all(np.abs(np.abs(steps) - abs(step_um)) <= SAME_STEP * abs(step_um)))


def _telling(positions: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Positions, if they are numbers, and not all the same one."""
    if positions is None or len(positions) < 2 or not np.isfinite(positions).all() or np.ptp(positions) == 0:
        return None
    return positions


def _stepped(planes: int, step_um: float, order: tuple[float, ...] | None) -> Heights:
    """Planes one step apart, in the order of their positions, or falling if the step is negative."""
    places = np.arange(planes)
    notes: tuple[str, ...] = ()
    if order is not None and step_um > 0:
        places = np.argsort(np.argsort(order, kind="stable"), kind="stable")
        first = int(np.argmin(places))
        places = places - places[0] if first in (0, planes - 1) else places
        if not np.array_equal(places, np.arange(planes)):
            notes = ("the order of planes is by their positions, the distance by the step",)
    return Heights(tuple(float(place * step_um) for place in places), notes=notes)


def _by_sheet(where: str, planes: int, step_um: float, of_file: Heights) -> Heights:
    """Where planes lie by the sheet's step; notes what the file says otherwise."""
    found = _stepped(planes, step_um, of_file.order)
    notes = list(found.notes)
    if step_um < 0 and of_file.order is not None and of_file.order[-1] > of_file.order[0]:
        notes.append("planes fall by the sheet's z_step_um, though they rise by the file")
    steps = np.abs(np.diff(of_file.um)) if of_file.um is not None else np.array([])
    if len(steps) and np.abs(steps - abs(step_um)).max() > max(SAME_STEP * abs(step_um), JITTER_UM):
        notes.append(f"the sheet's z_step_um {step_um:.4g} is taken, not the file's {np.median(steps):.4g}")
    for note in notes[len(found.notes) :]:
        log.warning("%s: %s", where, note)
    return replace(found, source="the sheet's z_step_um", notes=tuple(notes))


def choose_heights(where: str, planes: int, of_sheet_um: float | None, of_file: Heights, doubt: str = "") -> Heights:
    """Where planes lie by the sheet's step, in the file's own order, else by the file.

    A negative step in the sheet says that the first plane is the highest one, whatever the file says.

    Raises
    ------
    UserError
        If neither says it, or positions are no numbers.
    """
    if of_sheet_um is not None and _agrees(of_file, of_sheet_um):
        found = of_file
    elif of_sheet_um is not None:
        found = _by_sheet(where, planes, of_sheet_um, of_file)
    elif of_file.um is not None:
        found = of_file
    else:
        raise UserError(
            where,
            got=of_file.doubt or doubt or "no positions of the planes in the file",
            wanted="the distance between planes, in micrometres",
            do="Write it into the slide sheet's column z_step_um.",
        )
    assert found.um is not None
    # zero is added so that there is no minus before it
    found = replace(found, um=tuple(float(z_um) + 0.0 for z_um in found.um))
    assert found.um is not None
    notes = list(found.notes)
    if len(found.um) > 1 and found.um[-1] < found.um[0]:
        notes.append("planes are stored from the highest to the lowest, and read the other way round")
    for note in notes:
        log.info("%s: %s (by %s)", where, note, found.source)
    return replace(found, notes=tuple(notes))
