"""The one exception for a user's mistake; it is shown without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Bad input, reported so that the user can correct it.

    Parameters
    ----------
    where : str
        The file, sheet row and column, or settings key.
    got, wanted : str
        What was found, and what would have been right.
    do : str
        What to do about it.
    """

    def __init__(self, where: str, *, got: str, wanted: str, do: str) -> None:
        self.where, self.got, self.wanted, self.do = where, got, wanted, do
        super().__init__(f"{where}: got {got}; wanted {wanted}. {do}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.where, self.got, self.wanted, self.do)


def _rebuild(where: str, got: str, wanted: str, do: str) -> UserError:
    return UserError(where, got=got, wanted=wanted, do=do)
