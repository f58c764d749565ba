"""Pixel size and positions of planes: what a file says, how far it is believed, and what the sheet says instead."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tsva.acquisition.stack import SAME_PIXEL
from tsva.errors import UserError

PREFIXES = {
    "yotta": ("Y", 24),
    "zetta": ("Z", 21),
    "exa": ("E", 18),
    "peta": ("P", 15),
    "tera": ("T", 12),
    "giga": ("G", 9),
    "mega": ("M", 6),
    "kilo": ("k", 3),
    "hecto": ("h", 2),
    "deca": ("da", 1),
    "deci": ("d", -1),
    "centi": ("c", -2),
    "milli": ("m", -3),
    "micro": ("µ", -6),
    "nano": ("n", -9),
    "pico": ("p", -12),
    "femto": ("f", -15),
    "atto": ("a", -18),
    "zepto": ("z", -21),
    "yocto": ("y", -24),
}
"""Of the metre, as OME-XML's UnitsLength has them: name, symbol, power of ten."""
INCH_UM = 25_400.0
SYMBOLS = {f"{symbol}m": 10.0 ** (power + 6) for symbol, power in PREFIXES.values()}
SYMBOLS |= {"m": 1e6, "um": 1.0, "Å": 1e-4, "thou": INCH_UM / 1000, "li": INCH_UM / 12, "in": INCH_UM, '"': INCH_UM}
SYMBOLS |= {"ft": INCH_UM * 12, "yd": INCH_UM * 36, "pt": INCH_UM / 72}
"""In micrometres. Case counts: Mm is a megametre."""
WORDS = {"micron": 1.0, "inch": INCH_UM, "inche": INCH_UM, "angstrom": 1e-4, "foot": INCH_UM * 12}
WORDS |= {f"{name}meter": 10.0 ** (power + 6) for name, (_, power) in PREFIXES.items()} | {"meter": 1e6}
MICRO_SIGNS = ("Âµ", "Î¼", "\u03bc")
"""UTF-8 that was read as Latin-1, and the Greek letter."""
ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
"""How ImageJ writes letters that are not ASCII."""
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def unit_um(text: object) -> float | None:
    """A unit in micrometres; None for what is no length, such as ``pixel`` or OME's ``reference frame``."""
    unit = ESCAPED.sub(lambda code: chr(int(code[1], 16)), str(text).strip())
    for sign in MICRO_SIGNS:
        unit = unit.replace(sign, "µ")
    if unit in SYMBOLS:
        return SYMBOLS[unit]
    # casefold makes the Greek letter of the micro sign
    word = unit.casefold().replace("μ", "µ").replace("metre", "meter")
    known = {**WORDS, "µ": 1.0}
    return known.get(word, known.get(word.removesuffix("s")))


def number(text: object, what: str, where: str) -> float:
    """A header's number.

    Raises
    ------
    UserError
        If it is none, such as ``0,5``; names the attribute and its value.
    """
    if isinstance(text, int | float) and math.isfinite(text):
        return float(text)
    if not isinstance(text, str) or NUMBER.fullmatch(text.strip()) is None:
        hint = ", with a point and not a comma" if isinstance(text, str) and "," in text else ""
        raise UserError(
            f"{where}, {what}",
            got=repr(text),
            wanted=f"a number{hint}",
            do="Correct the file's header, or export it again.",
        )
    return float(text)


log = logging.getLogger(__name__)
FINEST_PIXEL_UM, COARSEST_PIXEL_UM = 0.01, 20.0
"""Other "pixel sizes" are no microscope's; 72 dots per inch, a printing resolution, are 353 µm."""
CAMERA_PIXEL_UM = (1.0, 40.0)
"""Of cameras, binning included: what a pixel in the specimen has to be when the magnification multiplies it."""
MUCH_REDUCED = 2.5
"""How much finer than the common pixel size a file may call its pixels before that is reported."""
MOST_ENLARGED = 1.5
"""How much coarser than the common pixel size a file may call its pixels without the sheet's word on it."""
SHEET = "the sheet's pixel_um"


@dataclass(frozen=True)
class PixelSizeEntry:
    """What one place in a file says of the size of a pixel: its width and height, as far as it says them."""

    source: str
    x_um: float | None
    y_um: float | None


@dataclass(frozen=True)
class PixelSize:
    """A pixel's size in the specimen.

    Attributes
    ----------
    um : float or None
        None where nobody says it, or it can't be believed.
    source : str
        Who says it.
    doubt : str
        Why what the file says is not believed; empty if it is, or says nothing.
    notes : tuple of str
        What to know of the choice.
    """

    um: float | None = None
    source: str = ""
    doubt: str = ""
    notes: tuple[str, ...] = ()


def pixel_size(where: str, words: Iterable[PixelSizeEntry], magnification: float | None = None) -> PixelSize:
    """Pixel size by all that a file says, the most trustworthy word first (OME, then ImageJ, then resolution tags).

    What can be no microscope's (zero, negative, coarser than 20 µm) counts as not said. Pixels that are not square, or
    that two words give different sizes, or as large as the camera's own beside a known magnification, are not believed:
    a warning is logged, and the sheet is asked.

    Parameters
    ----------
    where : str
        The file, for messages.
    words : iterable of PixelSizeEntry
        In order of trust.
    magnification : float, optional
        Of the objective.
    """
    said = [word for word in map(_plausible, words) if word.x_um or word.y_um]
    if not said:
        return PixelSize()
    first = said[0]
    um = first.x_um or first.y_um
    assert um is not None
    if first.x_um and first.y_um and not _same(first.x_um, first.y_um):
        return _rejected(where, f"pixels of {first.x_um:.4g} by {first.y_um:.4g} µm ({first.source}), not square")
    if magnification and not CAMERA_PIXEL_UM[0] <= um * magnification <= CAMERA_PIXEL_UM[1]:
        kind = "the camera's own, it seems" if um * magnification > CAMERA_PIXEL_UM[1] else "too fine"
        return _rejected(
            where, f"pixels of {um:.4g} µm ({first.source}) with an objective of {magnification:g}×, {kind}"
        )
    for other in said[1:]:
        theirs = other.x_um or other.y_um
        if theirs is not None and not _same(um, theirs):
            return _rejected(where, f"pixels of {um:.4g} µm ({first.source}) and of {theirs:.4g} µm ({other.source})")
    return PixelSize(um, first.source)


def _plausible(word: PixelSizeEntry) -> PixelSizeEntry:
    def kept(um: float | None) -> float | None:
        return um if um is not None and math.isfinite(um) and FINEST_PIXEL_UM <= um < COARSEST_PIXEL_UM else None

    return replace(word, x_um=kept(word.x_um), y_um=kept(word.y_um))


def _same(one_um: float, other_um: float) -> bool:
    return abs(one_um / other_um - 1) <= SAME_PIXEL


def same_size(one: PixelSize, other: PixelSize) -> bool:
    """Whether two files' words on their pixel size agree, as far as both say one."""
    return one.um is None or other.um is None or _same(one.um, other.um)


def _rejected(where: str, doubt: str) -> PixelSize:
    log.warning("%s: %s: not believed", where, doubt)
    return PixelSize(doubt=doubt)


def choose_pixel_um(where: str, of_sheet: float | None, of_file: PixelSize) -> PixelSize:
    """Pixel size by the sheet, else by the file; a warning is logged where they contradict each other.

    Raises
    ------
    UserError
        If neither knows it.
    """
    if of_sheet is not None:
        if of_file.um is not None and not _same(of_file.um, of_sheet):
            note = f"{SHEET} {of_sheet:.4g} is taken, not the file's {of_file.um:.4g}"
            log.warning("%s: %s", where, note)
            return PixelSize(of_sheet, SHEET, notes=(note,))
        return PixelSize(of_sheet, SHEET)
    if of_file.um is not None:
        return of_file
    raise UserError(
        where,
        got=of_file.doubt or "no pixel size in the file",
        wanted="the size of a pixel in the specimen, in micrometres",
        do="Write it into the slide sheet's column pixel_um.",
    )


def check_enlarging(where: str, pixel_um: float, source: str, common_um: float) -> None:
    """Refuse to enlarge an image by much on the word of its file alone: such words are often wrong.

    Raises
    ------
    UserError
        If its pixels are more than `MOST_ENLARGED` times coarser than the common ones, and not by the sheet.
    """
    if source != SHEET and pixel_um > common_um * MOST_ENLARGED:
        raise UserError(
            where,
            got=f"pixels of {pixel_um:.4g} µm ({source}), {pixel_um / common_um:.3g} times the size of optics.pixel_um",
            wanted=f"at most {MOST_ENLARGED:g} times {common_um:g} µm, unless the sheet says the size",
            do="Write the true size into the slide sheet's column pixel_um, or set optics.pixel_um.",
        )


def reduction_note(pixel_um: float, source: str, common_um: float) -> str:
    """What to say of an image that is reduced by much on the word of its file alone; empty for all others."""
    if source == SHEET or pixel_um * MUCH_REDUCED > common_um:
        return ""
    return (
        f"pixels of {pixel_um:.4g} µm ({source}), {common_um / pixel_um:.3g} times finer than optics.pixel_um: the"
        " image is reduced; check the size, or write it into the slide sheet's column pixel_um"
    )


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
