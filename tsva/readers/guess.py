"""A pattern for a folder's names, guessed from what differs between them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tsva.errors import UserError
from tsva.readers.names import MINUS, SIGN, NamePattern, PlaneName, without_channel

NUMBER = re.compile(rf"{SIGN}\d+(?:[.,]\d+)?")
MINUSES = f"-{MINUS}"
BEFORE_Z = re.compile(r"(?:^|[^A-Za-z])(?:z[A-Za-z]*|(?:de)?focus|plane|slice)[_=-]?$", re.IGNORECASE)
AFTER_UM = re.compile(r"[_-]?(?:um|µm|μm|micron)", re.IGNORECASE)
LEAST_SERIES = 2
"""Planes that names have to have in common to be a series of their own."""
WORD_ENDS = re.compile(r"[^A-Za-z0-9,+\-]+")
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
        If channels are files of their own, as their numbers are no fields; if there are several groups of names that
        differ in a word, two names of one position, or numbers with another sign in place of the decimal point.
    """
    _check_channels(names)
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        groups[tuple(NUMBER.split(name.casefold()))].append(name)
    if not groups:
        return None
    alike = max(groups.values(), key=len)
    _check_words(names, alike)
    literals = tuple(NUMBER.split(alike[0]))
    numbers = [NUMBER.findall(name) for name in alike]
    varying = [i for i in range(len(literals) - 1) if len({row[i] for row in numbers}) > 1]
    _check_decimals(literals, varying, alike)
    z = _position(varying, literals)
    if z is None:
        return None
    position = _placeholder([row[z] for row in numbers], literals[z + 1])
    others = [i for i in varying if i != z]
    for fields, anything in _roles(others, z, literals, numbers):
        pattern = _written(literals, numbers, {z: position}, fields, anything)
        if _tells_apart(pattern, alike):
            return pattern
    return None


def _roles(
    others: list[int], z: int, literals: tuple[str, ...], numbers: list[list[str]]
) -> Iterator[tuple[list[int], list[int]]]:
    """Which numbers beside z name the field, and which say nothing, the likeliest first."""
    each = {tuple(row[i] for i in others) for row in numbers}
    if others and len(each) == len(numbers) == len({row[z] for row in numbers}):
        yield [], others  # one for each plane, such as the time that it was taken at
        return
    if not others or not min(others) < z < max(others):  # one {field} can't lie on both sides
        yield others, []
    folder = max((i for i, literal in enumerate(literals) if "/" in literal), default=0)
    above = [i for i in others if i < folder]
    if above and len(above) < len(others):
        yield above, [i for i in others if i not in above]


def _check_words(names: Sequence[str], alike: list[str]) -> None:
    """Refuse series that differ in a word, such as a channel's name or a sign that is spelled out."""
    taken = set(alike)
    beside: dict[int, set[str]] = defaultdict(set)
    parts = {name: WORD_ENDS.split(name.casefold()) for name in names}
    known = {(i, *_without(parts[name], i)) for name in alike for i in range(len(parts[name]) - 1)}
    for name in names:
        if name not in taken:
            for i in range(len(parts[name]) - 1):  # the last one is the ending: previews are no series
                if (i, *_without(parts[name], i)) in known:
                    beside[i].add(name)
    other = max(beside.values(), key=len, default=set())
    if len(other) >= LEAST_SERIES and 2 * len(other) >= len(alike):
        raise UserError(
            alike[0],
            got=f"{len(alike)} images named so, and {len(other)} like {min(other)}",
            wanted="one image a plane, and signs written as + and -",
            do="Give --pattern: with the word written out for one of several channels, with {field} in its place"
            " for fields. Rename files whose sign is a word.",
        )


def _without(parts: list[str], place: int) -> list[str]:
    return parts[:place] + parts[place + 1 :]


def _check_decimals(literals: tuple[str, ...], varying: list[int], alike: list[str]) -> None:
    """Refuse numbers such as ``z1_5um`` and ``z1p5um``."""
    for i in varying:
        between, after = literals[i + 1], literals[i + 2] if i + 2 < len(literals) else ""
        if BEFORE_Z.search(literals[i]) and between.casefold() in ("_", "p", "-", " ") and AFTER_UM.match(after):
            raise UserError(
                alike[0],
                got=f"a position with {between!r} in it",
                wanted="a decimal point or comma",
                do="Rename the files, or number the planes and give --pattern with {z_index} and --z-step-um.",
            )


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
    return sign + ("{z_index}" if whole and not AFTER_UM.match(after) else "{z}")


def is_unit_guessed(pattern: str) -> bool:
    """Whether nothing in the names says that their numbers are micrometres."""
    return "{z}" in pattern and AFTER_UM.match(pattern.partition("{z}")[2].lstrip()) is None


def _written(
    literals: tuple[str, ...], numbers: list[list[str]], z: dict[int, str], others: list[int], anything: list[int]
) -> str:
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
        elif i in anything:
            pieces.append("{any}")
        elif not (others and min(others) < i <= max(others)):
            pieces.append(numbers[0][i])
    return "".join(pieces)


def _tells_apart(pattern: str, names: list[str]) -> bool:
    """Whether all names fit, each as a plane of its own.

    Raises
    ------
    UserError
        If two planes of a field have one position.
    """
    try:
        fitted = [NamePattern(pattern, 1.0, "guess").match(name) for name in names]
    except UserError:
        return False
    seen: dict[PlaneName, str] = {}
    for name, said in zip(names, fitted, strict=True):
        if said is None:
            return False
        if said in seen and _is_padded(name, seen[said]):
            raise UserError(
                name,
                got=f"a second name of the position that {seen[said]} has",
                wanted="one plane at each z",
                do="Take one of them out.",
            )
        if said in seen:
            return False
        seen[said] = name
    return True


def _is_padded(name: str, other: str) -> bool:
    """Whether two names differ in leading zeros alone."""
    return re.sub(r"0+(?=\d)", "", name) == re.sub(r"0+(?=\d)", "", other)
