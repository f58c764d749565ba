"""Lengths as microscopes' headers write them."""

from __future__ import annotations

import math
import re

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
            do="Mend the file's header, or export it again.",
        )
    return float(text)
