"""Findings of the doctor, and what other programs say when asked."""

from __future__ import annotations

import shutil
import subprocess
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


PATIENCE_S = 10.0


@dataclass(frozen=True)
class Answer:
    """What a program said.

    Attributes
    ----------
    found : bool
        Whether there is such a program.
    status : int or None
        Its exit status; None if it wasn't there or didn't answer in time.
    text : str
        What it wrote: standard output if it ended well, else its error.
    """

    found: bool
    status: int | None
    text: str

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status == 0


def ask(*command: str, patience_s: float = PATIENCE_S) -> Answer:
    """Run a program of the search path.

    Parameters
    ----------
    *command : str
        Its name and arguments.
    patience_s : float
        After which it counts as silent.
    """
    if shutil.which(command[0]) is None:
        return Answer(False, None, f"no {command[0]} on the search path")
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Answer(True, None, f"no answer within {patience_s:g} s")
    except OSError as error:
        return Answer(True, None, str(error))
    text = done.stdout if done.returncode == 0 else done.stderr or done.stdout
    return Answer(True, done.returncode, text.strip())
