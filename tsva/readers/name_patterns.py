"""File names that carry a plane's position: `{field}/z{z}um.tif`, `Seg1_{z_nm}.jpg`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from tsva.errors import UserError

MINUS = "\u2212\u2013\ufe63\uff0d"
"""Signs that text programs make of a minus."""
SIGN = f"[+\\-{MINUS}]?"
NUMBER = rf"{SIGN}(?:\d+(?:[.,]\d*)?|[.,]\d+)"
PLACEHOLDERS = {"z": NUMBER, "z_nm": NUMBER, "z_index": rf"{SIGN}\d+", "field": r"[^/]+?", "any": r"[^/]*?"}
"""What each placeholder may stand for; all other characters of a pattern stand for themselves, in either case."""
SIGN_WORD = r"(?:minus|plus|neg|pos|m|p|n)"
ABOUT = rf"[^\w/]*{SIGN_WORD}?[\s_]*\d[\d.,_p]*"
"""What may be meant as a number, in names that don't fit."""
COPY = r"(?:[\s_-]*(?:\(\d+\)|(?:copy|kopie|copie|copia|kopia)(?:[\s_]*\(?\d+\)?)?))*"
COPY_OF = r"(?:(?:copy of|kopie von|copie de|copia di|copia de)[\s_]+)?"
"""What operating systems add to the name of a copy, behind it and before it."""
CHANNEL = re.compile(r"(?:(?<=[^A-Za-z0-9])(?:channel|ch|c|w|wv|d)|(?<=\d)(?:ch|c|d))[\s_=-]?\d+", re.IGNORECASE)
"""A channel's number within a name. At its very beginning it may be a well's."""
TILE = re.compile(r"(?<![A-Za-z])(r(?:ow)?\d+[\s_-]?)c(?:ol)?(\d+)", re.IGNORECASE)
"""Row and column of a tile, which is no channel."""
NM_PER_UM = 1000


@dataclass(frozen=True)
class PlaneName:
    """What a name says: the field (empty if the pattern has none) and the plane's position."""

    field: str
    z_um: float


class NamePattern:
    """A pattern of the slide sheet.

    Parameters
    ----------
    text : str
        Holds one of ``{z}`` (signed micrometres), ``{z_nm}`` (nanometres) and ``{z_index}`` (counts planes), and may
        hold ``{field}``, and ``{any}`` for what says nothing. A placeholder that occurs again has to say the same, but
        for ``{any}``. ``/`` parts folders.
    z_step_um : float or None
        Distance between planes, for ``{z_index}``.
    where : str
        The sheet's row, for messages.

    Raises
    ------
    UserError
        For an unknown placeholder, none or several positions, two placeholders with nothing between, or an index
        without a step.
    """

    def __init__(self, text: str, z_step_um: float | None, where: str) -> None:
        self.text = text = unicodedata.normalize("NFC", text)
        parts = re.split(r"\{(.*?)\}", text)
        literals, names = parts[::2], parts[1::2]
        positions = sorted({name for name in names if name not in ("field", "any")})
        unknown = [name for name in names if name not in PLACEHOLDERS]
        if unknown or len(positions) != 1:
            raise UserError(
                f"{where}, column pattern",
                got=repr(text),
                wanted="one of {z} (µm), {z_nm} and {z_index}, beside {field} where a folder has several fields",
                do=f"Correct {{{unknown[0]}}}." if unknown else "Correct the pattern.",
            )
        if any(literal == "" for literal in literals[1:-1]):
            raise UserError(
                f"{where}, column pattern",
                got=repr(text),
                wanted="some character between two placeholders",
                do="Name the files so that the field's name and the number can be distinguished.",
            )
        _check_step(positions[0], z_step_um, where)
        self._position, self._z_step_um = positions[0], z_step_um
        seen: set[str] = set()
        pieces = [re.escape(literals[0])]
        for name, literal in zip(names, literals[1:], strict=True):
            if name == "any":
                pieces.append(PLACEHOLDERS[name])
            else:
                pieces.append(f"(?P={name})" if name in seen else f"(?P<{name}>{PLACEHOLDERS[name]})")
            pieces.append(re.escape(literal))
            seen.add(name)
        self._regex = re.compile("".join(pieces), re.IGNORECASE)
        loose = [ABOUT if name == positions[0] else PLACEHOLDERS[name] for name in names]
        ending = literals[-1].rpartition(".")[0] if "." in literals[-1] else literals[-1]
        signs = re.compile(rf"(?<![A-Za-z]){SIGN_WORD}$|(?<=z){SIGN_WORD}$", re.IGNORECASE)
        parts = [
            _loosely(signs.sub("", literal) if name == positions[0] else literal)
            for literal, name in zip((*literals[:-1], ending), (*names, ""), strict=True)
        ]
        self._similar = re.compile(
            COPY_OF + "".join(a + b for a, b in zip(parts, [*loose, ""], strict=True)) + COPY + r"(?:\.\w+)*",
            re.IGNORECASE,
        )

    @property
    def counts(self) -> bool:
        """Whether names count planes, so that positions are not the stage's."""
        return self._position == "z_index"

    def match(self, name: str) -> PlaneName | None:
        """What a path, relative to the slide's folder and with ``/``, says; None if it doesn't fit.

        Upper and lower case are the same, and so are a decimal comma and a point.
        """
        # macOS writes letters and their accents apart
        found = self._regex.fullmatch(unicodedata.normalize("NFC", name))
        if found is None:
            return None
        values = found.groupdict()
        said = values[self._position].replace(",", ".").translate(dict.fromkeys(map(ord, MINUS), "-"))
        return PlaneName(values.get("field", ""), self._z_um(float(said)))

    def is_like(self, name: str) -> bool:
        """Whether a path that doesn't fit differs only in how its numbers or its ending are written."""
        return self._similar.fullmatch(unicodedata.normalize("NFC", name)) is not None

    def _z_um(self, number: float) -> float:
        if self._position == "z_index":
            assert self._z_step_um is not None
            return number * self._z_step_um
        return number / NM_PER_UM if self._position == "z_nm" else number


def _loosely(literal: str) -> str:
    return re.sub(r"(?:\\[\s_-]|[\s_-])+", r"[\\s_-]*", re.escape(literal))


def without_copy(name: str) -> str:
    """A path's name without what operating systems add to a copy's; unchanged for all others."""
    folder, slash, last = name.rpartition("/")
    stem, dot, ending = last.rpartition(".")
    original = re.sub(f"^{COPY_OF}|{COPY}$", "", stem, flags=re.IGNORECASE)
    return f"{folder}{slash}{original}{dot}{ending}" if original else name


def without_channel(name: str) -> str:
    """A name without the number of a channel."""
    return CHANNEL.sub("", TILE.sub(r"\1column\2", name))


def check_fields(fields: Iterable[str], where: str) -> None:
    """Refuse names of fields that differ in a channel's number, or in upper and lower case alone.

    Raises
    ------
    UserError
        Names two of them.
    """
    seen: dict[str, str] = {}
    for field in sorted(fields):
        key = without_channel(field).casefold()
        other = seen.setdefault(key, field)
        if other == field:
            continue
        is_channel = other.casefold() != field.casefold()
        raise UserError(
            where,
            got=f"fields called {other} and {field}, which differ in "
            + ("the number of a channel" if is_channel else "upper and lower case alone"),
            wanted="one image a plane" if is_channel else "one name for each field",
            do="Export the channels as one RGB image, or write the number of one of them into the column pattern."
            if is_channel
            else "Rename the files.",
        )


def _check_step(position: str, z_step_um: float | None, where: str) -> None:
    if position == "z_index" and z_step_um is None:
        raise UserError(
            f"{where}, column z_step_um",
            got="nothing",
            wanted="the step in micrometres, as names carry an index alone",
            do="Fill in this cell.",
        )
