"""The methods without training in a sentence or two: which is best, which are worse than doing nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tsva.report.duels import Row, average, outcome
from tsva.report.names import NOTHING, listed, method_name, plain, signed


def untrained(rows: Sequence[Row], methods: Sequence[str], lead: str) -> list[str]:
    """What methods without training reach in the strict average.

    Parameters
    ----------
    rows : sequence of mappings
        Comparisons on one data set, all samples, captured target.
    methods : sequence of str
        Those without training; doing nothing may be among them.
    lead : str
        The method that the verdict is about.

    Returns
    -------
    list of str
        No sentences where there are no such methods.
    """
    gains = {
        method: row["difference_db"]
        for method in methods
        if method not in (NOTHING, lead)
        and (row := average(rows, method, NOTHING)) is not None
        and row["difference_db"] is not None
    }
    if not gains:
        return []
    best = max(gains, key=lambda method: gains[method])
    sentences = [f"Of the methods without training {method_name(best)} comes first: {signed(gains[best], 2)} dB."]
    duel = average(rows, lead, best)
    if duel is not None and duel["difference_db"] is not None:
        words = {"ahead": "above it", "behind": "below it"}.get(outcome(duel))
        size = plain(abs(duel["difference_db"]), 2)
        name = method_name(lead)
        sentences.append(
            f"{name} is {size} dB {words}."
            if words
            else f"{name} less it is {signed(duel['difference_db'], 2)} dB, with no interval clear of zero."
        )
    worse = [method_name(method) for method in methods if gains.get(method, 1) <= 0]
    if worse:
        verb = "is" if len(worse) == 1 else "are"
        sentences.append(f"{listed(worse)} {verb} no better than doing nothing.")
    return sentences
