"""A pattern for a folder's names, guessed from what differs between them."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tsva.errors import UserError
from tsva.readers.name_patterns import MINUS, SIGN, NamePattern, PlaneName, without_channel, without_copy

NUMBER = re.compile(rf"{SIGN}\d+(?:[.,]\d+)?")
MINUSES = f"-{MINUS}"
BEFORE_Z = re.compile(r"(?:^|[^A-Za-z])(?:z[A-Za-z]*|(?:de)?focus|plane|slice|depth)[\s_=-]?$", re.IGNORECASE)
BEFORE_TIME = re.compile(r"(?:^|[^A-Za-z])(?:t|time|tp|timepoint|frame)[\s_=-]?$", re.IGNORECASE)
BEFORE_PLACE = re.compile(
    r"(?:^|[^A-Za-z])(?:f|fld|field|fov|s|scene|series|stage|site|xy|[\d-]*pos|position|m|mosaic|tile|x|y|r|row|c|col|"
    r"column|well|region|roi|core|slide|sample|case|patient)[\s_=-]?$",
    re.IGNORECASE,
)
"""What numbers are called that count points of time, and places: neither is z."""
AFTER_UM = re.compile(r"[\s_-]?(?:um|µm|μm|micron)", re.IGNORECASE)
AFTER_NM = re.compile(r"[\s_-]?nm", re.IGNORECASE)
AFTER_OTHER = re.compile(r"[\s_-]?(mm|cm|m|inch|e)(?=[^A-Za-z0-9])", re.IGNORECASE)
"""Units that no placeholder reads."""
AFTER_EXPOSURE = re.compile(r"[\s_-]?ms(?![A-Za-z])")
IN_BRACES = re.compile(r"\{[^{}/]*\}")
LEAST_SERIES = 2
"""Planes that names have to have in common to be a series of their own."""
WORD_ENDS = re.compile(r"[^A-Za-z0-9,+\-]+")


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
        field and position of its own; None where there is none, or where it is not clear which number is z: one that is
        called a time, a field or a slide is not.

    Raises
    ------
    UserError
        If channels or points of time are files of their own, as their numbers are no fields; if there are copies,
        several groups of names that differ in a word, two names of one position, or numbers that are written in a way
        that no placeholder reads.
    """
    names = [unicodedata.normalize("NFC", name) for name in names]
    _check_copies(names)
    _check_channels(names)
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        groups[tuple(NUMBER.split(name.casefold()))].append(name)
    if not groups:
        return None
    alike = max(groups.values(), key=lambda group: (len(group), ".tif" in group[0].casefold()))
    _check_words(names, alike)
    literals = tuple(NUMBER.split(IN_BRACES.sub(_braced, alike[0])))
    numbers = [NUMBER.findall(IN_BRACES.sub(_braced, name)) for name in alike]
    if any(len(row) != len(literals) - 1 for row in numbers):
        return None  # numbers in braces
    varying = [i for i in range(len(literals) - 1) if len({row[i] for row in numbers}) > 1]
    _check_numbers(literals, varying, numbers, alike)
    z = _position(varying, literals, numbers)
    if z is None:
        return None
    others = [i for i in varying if i != z]
    _check_times(z, others, literals, numbers, alike)
    position = _placeholder([row[z] for row in numbers], literals[z + 1])
    for fields, anything in _roles(others, z, literals, numbers):
        pattern = _written(literals, numbers, {z: position}, fields, anything)
        if _tells_apart(pattern, alike):
            return pattern
    return None


def _braced(_: re.Match[str]) -> str:
    """In a pattern braces mark placeholders."""
    return "{any}"


def _roles(
    others: list[int], z: int, literals: tuple[str, ...], numbers: list[list[str]]
) -> Iterator[tuple[list[int], list[int]]]:
    """Which numbers beside z name the field, and which say nothing, the likeliest first."""
    each = {tuple(row[i] for i in others) for row in numbers}
    if others and len(each) == len(numbers) == len({row[z] for row in numbers}):
        yield [], others  # one for each plane, such as the time that it was taken at
        return
    silent = [i for i in others if AFTER_EXPOSURE.match(literals[i + 1])]
    others = [i for i in others if i not in silent]
    if not others or not min(others) < z < max(others):  # one {field} can't lie on both sides
        yield others, silent
    folder = max((i for i, literal in enumerate(literals) if "/" in literal), default=0)
    above = [i for i in others if i < folder]
    if above and len(above) < len(others):
        yield above, [*silent, *(i for i in others if i not in above)]


def _check_copies(names: Sequence[str]) -> None:
    """Refuse copies beside their originals."""
    taken = set(names)
    copies = [name for name in names if without_copy(name) != name and without_copy(name) in taken]
    if copies:
        raise UserError(
            copies[0],
            got=f"a copy of {without_copy(copies[0])} ({len(copies)} such files)",
            wanted="each plane once",
            do="Move the copies away.",
        )


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


def _check_numbers(literals: tuple[str, ...], varying: list[int], numbers: list[list[str]], alike: list[str]) -> None:
    """Refuse numbers such as ``z1_5um``, ``z1p5um``, ``z1,005.0um``, ``z0.5mm`` and ``z5e-07m``."""
    for i in varying:
        if not BEFORE_Z.search(literals[i]):
            continue
        between, after = literals[i + 1], literals[i + 2] if i + 2 < len(literals) else ""
        is_one = between.casefold() in ("_", "p", "-", " ", ".", ",") and AFTER_UM.match(after)
        if is_one and all(row[i + 1].isdecimal() for row in numbers):
            got, wanted = f"a position with {between!r} in it", "a decimal point or comma"
        elif between.casefold() == "e" or (other := AFTER_OTHER.match(between)):
            got = "a position with a power of ten" if between.casefold() == "e" else f"a position in {other[1]}"  # type: ignore[index]
            wanted = "positions in micrometres (um) or nanometres (nm)"
        else:
            continue
        raise UserError(
            alike[0],
            got=got,
            wanted=wanted,
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


def _check_times(
    z: int, others: list[int], literals: tuple[str, ...], numbers: list[list[str]], alike: list[str]
) -> None:
    """Refuse several points of time of one plane."""
    for i in others:
        if BEFORE_TIME.search(literals[i]) and len({row[z] for row in numbers}) < len(numbers):
            beside = [row[:i] + row[i + 1 :] for row in numbers]
            if any(beside.count(row) > 1 for row in beside):
                raise UserError(
                    alike[0],
                    got=f"{len({row[i] for row in numbers})} points of time of each plane",
                    wanted="one image a plane",
                    do="Give --pattern with the number of one point of time written out, or {field} in its place if"
                    " these are different fields.",
                )


def _position(varying: list[int], literals: tuple[str, ...], numbers: list[list[str]]) -> int | None:
    """Which of the numbers that vary is z: the one that is called so, else the only one that is called nothing else."""
    called = [
        i
        for i in varying
        if BEFORE_Z.search(literals[i]) or AFTER_UM.match(literals[i + 1]) or AFTER_NM.match(literals[i + 1])
    ]
    if called:
        return called[-1]
    if len(varying) == 1 and _is_signed([row[varying[0]] for row in numbers]):
        return varying[0]
    rest = [i for i in varying if not BEFORE_TIME.search(literals[i]) and not BEFORE_PLACE.search(literals[i])]
    return rest[0] if len(rest) == 1 else None


def _is_signed(values: list[str]) -> bool:
    """Whether numbers lie on both sides of zero; a dash before all of them parts words."""
    return 0 < sum(value[0] in MINUSES for value in values) < len(values)


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
