"""Remarks on a verdict: methods without training, what limits the comparison, and nuclei counted."""

from __future__ import annotations

from collections.abc import Container, Sequence

from tsva.evaluation.names import (
    CONTROLS,
    NOT_LEADING,
    NOTHING,
    Row,
    average,
    lead_of,
    listed,
    method_name,
    offsets,
    outcome,
    plain,
    signed,
    sizes,
    standing,
)
from tsva.settings.acquisition import PairsSettings
from tsva.settings.methods import NETWORK_NAMES


def untrained(
    rows: Sequence[Row], captured: Sequence[Row], methods: Sequence[str], lead: str, protocol: str
) -> list[str]:
    """What methods without training reach.

    Parameters
    ----------
    rows, captured : sequences of mappings
        Comparisons on one data set, all samples: against the headline's target, and against the captured one.
    methods : sequence of str
        Those without training; doing nothing may be among them.
    lead : str
        The method that the verdict is about.
    protocol : str
        Of the headline. Slow methods restore the grid's offsets alone: only whether they are better than doing nothing
        is said of these, by the strict average.

    Returns
    -------
    list of str
        No sentences where there are no such methods.
    """

    def known(comparisons: Sequence[Row], name: str) -> dict[str, float]:
        found = {method: average(comparisons, method, NOTHING, name) for method in methods if method != lead}
        return {m: row["difference_db"] for m, row in found.items() if row and row["difference_db"] is not None}

    found = known(rows, protocol)
    every = {**known(captured, "strict"), **found}
    gains = {method: gain for method, gain in found.items() if method not in NOT_LEADING}
    if not gains:
        return []
    best = max(gains, key=lambda method: gains[method])
    sentences = [f"Of the methods without training {method_name(best)} comes first: {signed(gains[best], 2)} dB."]
    paired = average(rows, lead, best, protocol)
    if paired is not None and paired["difference_db"] is not None:
        words = {"ahead": "above it", "behind": "below it"}.get(outcome(paired))
        size = plain(abs(paired["difference_db"]), 2)
        name = method_name(lead)
        sentences.append(
            f"{name} is {size} dB {words}."
            if words
            else f"{name} less it is {signed(paired['difference_db'], 2)} dB, with no interval clear of zero."
        )
    worse = [method_name(method) for method in methods if every.get(method, 1) <= 0]
    if worse:
        verb = "is" if len(worse) == 1 else "are"
        sentences.append(f"{listed(worse)} {verb} no better than doing nothing.")
    return sentences


def controls(rows: Sequence[Row], methods: Sequence[str], protocol: str) -> list[str]:
    """Which networks do not beat a control, by paired differences; an interval across zero is no win.

    Parameters
    ----------
    rows : sequence of mappings
        Comparisons on one data set, all samples, against the headline's target.
    methods : sequence of str
        Those that were applied.
    protocol : str
        Of the headline.

    Returns
    -------
    list of str
        A sentence for each control that was applied.
    """
    sentences = []
    networks = [method for method in methods if method in NETWORK_NAMES and method not in CONTROLS]
    for control in (method for method in CONTROLS if method in methods):
        found = {network: average(rows, network, control, protocol) for network in networks}
        compared = {network: row for network, row in found.items() if row and row["difference_db"] is not None}
        beaten = [
            f"{method_name(network)} ({signed(row['difference_db'], 2)} dB)"
            for network, row in compared.items()
            if outcome(row) != "ahead"
        ]
        if beaten:
            verb = "does" if len(beaten) == 1 else "do"
            sentences.append(f"{listed(beaten)} {verb} not beat the control “{method_name(control)}”.")
        elif compared:
            sentences.append(f"Every network beats the control “{method_name(control)}”.")
    return sentences


def handed_over(dataset: str, scores: Sequence[Row], pairs: PairsSettings) -> list[str]:
    """What doing nothing scores where a shot is the target plane."""
    found = [
        row
        for row in scores
        if (row["dataset"], row["method"], row["protocol"], row["target"]) == (dataset, NOTHING, "paper", "captured")
        and row["sample"] is None
        and row["focal_offset_um"] is not None
        and row["focal_offset_um"] not in pairs.strict_offsets_um
    ]
    identical, shots = (sum(row[key] for row in found) for key in ("identical_patches", "patches"))
    if not identical:
        return []
    where = offsets(row["focal_offset_um"] for row in found)
    return [
        f"At ΔD = {where} one shot is the target plane itself: Y1 equals the target pixel for pixel {identical} times "
        f"in {shots}, which no method can beat. The strict average leaves these columns out."
    ]


def not_learned(methods: Container[str], training: Sequence[Row]) -> list[str]:
    """Networks below doing nothing on their own verification patches, the like of which they were trained on."""
    found = []
    for row in training:
        ours, nothing = row["verification_psnr_db"], row["verification_y1_psnr_db"]
        if row["network"] in methods and ours is not None and nothing is not None and ours < nothing:
            found.append(
                f"Even on its verification patches {method_name(row['network'])} stays below Y1 as captured "
                f"({plain(ours, 2)} against {plain(nothing, 2)} dB): as trained here it has not learned to refocus, "
                "and a comparison with it does not show what it could do."
            )
    return found


def nuclei_in_words(nuclei: Sequence[Row], dataset: Row, pairs: PairsSettings) -> list[str]:
    """Whether restored counts are closer to those in focus than Y1's, and where they are not.

    Parameters
    ----------
    nuclei : sequence of mappings
        That part of the summary.
    dataset : mapping
        A row of its `datasets`.
    pairs : PairsSettings
        At which offsets a shot is the target plane.

    Returns
    -------
    list of str
        One sentence about the method that the verdict is about; none where there is nothing to compare.
    """
    rows = [row for row in nuclei if row["dataset"] == dataset["dataset"] and row["sample"] is None]
    lead = lead_of(dataset["methods"])
    means = {row["method"]: row for row in rows if (row["protocol"], row["focal_offset_um"]) == ("strict", None)}
    ours, theirs = means.get(lead or ""), means.get(NOTHING)
    if ours is None or theirs is None or ours["error_difference"] is None:
        return []
    strict = {abs(delta) for delta in pairs.strict_offsets_um}
    folded = [
        row for row in rows if (row["method"], row["protocol"]) == (lead, "folded") and row["focal_offset_um"] in strict
    ]
    error, nothing = plain(ours["absolute_error"], 2), plain(theirs["absolute_error"], 2)
    return [
        f"Nuclei counted by stain: {method_name(ours['method'])} is off by {error} a patch in the strict average, "
        f"Y1 as captured by {nothing} ({_difference(ours)}); "
        f"{_where(folded)}; F1 of its matched detections is {_f1(ours)}, of Y1’s {_f1(theirs)}."
    ]


def _difference(row: Row) -> str:
    size = f"difference {signed(row['error_difference'], 2)}"
    low, high = row["error_difference_low"], row["error_difference_high"]
    if low is None or high is None:
        return f"{size}, no interval"
    unclear = ", which includes zero" if low <= 0 <= high else ""
    return f"{size}, interval {signed(low, 2)} to {signed(high, 2)}{unclear}"


def _where(folded: Sequence[Row]) -> str:
    """Columns in which restored counts are no closer, and those that are undecided."""

    def at(wanted: str) -> list[float]:
        return [row["focal_offset_um"] for row in folded if standing(row) == wanted]

    behind, unsure, ahead = at("behind"), at("unsure"), at("ahead")
    words = []
    if behind:
        where = f"at |ΔD| = {sizes(behind)}" if len(behind) < len(folded) else "at any strict |ΔD|"
        words.append(f"not closer to the in-focus counts than Y1 {where}")
    if unsure:
        words.append(f"closer at |ΔD| = {sizes(unsure)} with an interval that includes zero")
    if ahead:
        words.append(f"closer at |ΔD| = {sizes(ahead)}")
    return f"it is {listed(words)}"


def _f1(row: Row) -> str:
    return "–" if row["f1"] is None else plain(row["f1"], 2)
