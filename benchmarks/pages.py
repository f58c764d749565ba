"""What programs that write pages of the docs share: cells of tables, and the place between two marks."""

from __future__ import annotations

from collections.abc import Sequence


def gain(values: Sequence[float | None] | None) -> str:
    """A mean in dB and its interval, of (mean, low, high); None where there is none."""
    if values is None or values[0] is None:
        return "–"
    mean_db, low_db, high_db = values
    interval = "one slide" if low_db is None else f"{low_db:+.2f} to {high_db:+.2f}"
    return f"{mean_db:+.2f} ({interval})"


def percent(share: float) -> str:
    """A share for a table."""
    return f"{100 * share:.0f} %"


def between(page: str, start: str, end: str, text: str) -> str:
    """A page with a text between two lines of it.

    Raises
    ------
    ValueError
        If the page lacks one of them.
    """
    before, found_start, rest = page.partition(start)
    _, found_end, after = rest.partition(end)
    if not (found_start and found_end):
        raise ValueError(f"the page wants the lines {start.strip()} and {end.strip()}")
    return before + start + "\n" + text + "\n" + end + after
