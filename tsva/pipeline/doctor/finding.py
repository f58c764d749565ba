"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "bad"]


@dataclass(frozen=True)
class Finding:
    """One answer.

    Attributes
    ----------
    area : str
        What was looked at, in a word or two.
    level : str
        ok; note (works, but not as it could); bad (a run will break).
    what : str
        What was found.
    do : str
        What to do about it; empty if ok.
    """

    area: str
    level: Level
    what: str
    do: str = ""
