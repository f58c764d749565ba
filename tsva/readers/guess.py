"""A pattern for a folder's names, guessed from what differs between them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from tsva.errors import UserError
from tsva.readers.names import MINUS, SIGN, NamePattern, without_channel

NUMBER = re.compile(rf"{SIGN}\d+(?:[.,]\d+)?")
MINUSES = f"-{MINUS}"
BEFORE_Z = re.compile(r"(?:^|[^A-Za-z])(?:z[A-Za-z]*|(?:de)?focus|plane|slice)[_=-]?$", re.IGNORECASE)
AFTER_UM = re.compile(r"[_-]?(?:um|µm|μm|micron)", re.IGNORECASE)
AFTER_NM = re.compile(r"[_-]?nm", re.IGNORECASE)


def guess_pattern(names: Sequence[str]) -> str | None:
    """Guess how a folder's planes are named.

    Parameters
    ----------
    names : sequence of str
        Paths relative to the folder, with ``/``.

    Returns
    -------
    str or None
        A pattern of the slide sheet that fits the largest group of names that differ in numbers alone, each with a
        field and position of its own; None where there is none, or it can't be told which number is z.

    Raises
    ------
    UserError
        If channels are files of their own, as their numbers are no fields.
    """
    _check_channels(names)
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        groups[tuple(NUMBER.split(name.casefold()))].append(name)
    if not groups:
        return None
    alike = max(groups.values(), key=len)
    literals = tuple(NUMBER.split(alike[0]))
    numbers = [NUMBER.findall(name) for name in alike]
    varying = [i for i in range(len(literals) - 1) if len({row[i] for row in numbers}) > 1]
    z = _position(varying, literals)
    if z is None:
        return None
    others = [i for i in varying if i != z]
    if others and min(others) < z < max(others):
        return None  # one {field} can't lie on both sides
    position = _placeholder([row[z] for row in numbers], literals[z + 1])
    pattern = _written(literals, numbers, {z: position}, others)
    return pattern if _tells_apart(pattern, alike) else None


def _check_channels(names: Sequence[str]) -> None:
    channels: dict[str, list[str]] = defaultdict(list)
    for name in names:
        channels[without_channel(name)].append(name)
    apart = next((alike for alike in channels.values() if len(alike) > 1), None)
    if apart is not None:
        raise UserError(
            apart[0],
            got=f"channels in files of their own ({', '.join(apart[:3])})",
            wanted="one image a plane, grey or RGB",
            do="Export them as RGB, or give --pattern with the number of one channel written out.",
        )


def _position(varying: list[int], literals: tuple[str, ...]) -> int | None:
    """Which of the numbers that vary is z: the one that is called so, else the only one."""
    called = [
        i
        for i in varying
        if BEFORE_Z.search(literals[i]) or AFTER_UM.match(literals[i + 1]) or AFTER_NM.match(literals[i + 1])
    ]
    if called:
        return called[-1]
    return varying[0] if len(varying) == 1 else None


def _placeholder(values: list[str], after: str) -> str:
    # a dash before every single number parts words and is no minus
    sign = values[0][0] if all(value[0] in MINUSES for value in values) else ""
    if AFTER_NM.match(after):
        return sign + "{z_nm}"
    whole = all(re.fullmatch(rf"{SIGN}\d+", value) for value in values)
    signed = not sign and any(value[0] in f"+{MINUSES}" for value in values)
    return sign + ("{z_index}" if whole and not signed and not AFTER_UM.match(after) else "{z}")


def _written(literals: tuple[str, ...], numbers: list[list[str]], z: dict[int, str], others: list[int]) -> str:
    pieces = []
    for i, literal in enumerate(literals):
        inside = others and min(others) < i <= max(others)
        pieces.append("" if inside else literal)
        if i == len(literals) - 1:
            break
        if i in z:
            pieces.append(z[i])
        elif others and i == min(others):
            pieces.append("{field}")
        elif not (others and min(others) < i <= max(others)):
            pieces.append(numbers[0][i])
    return "".join(pieces)


def _tells_apart(pattern: str, names: list[str]) -> bool:
    """Whether all names fit, each as a plane of its own."""
    try:
        fitted = [NamePattern(pattern, 1.0, "guess").match(name) for name in names]
    except UserError:
        return False
    return None not in fitted and len(set(fitted)) == len(fitted)
