"""The verdict in words: what was gained over doing nothing, who wins, and where nothing was refocused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tsva.report.bounds import untrained
from tsva.report.caveats import handed_over, not_learned
from tsva.report.duels import Row, average, columns, outcome
from tsva.report.names import NOTHING, dataset_name, lead_of, listed, method_name, offsets, plain, signed
from tsva.settings.methods import NETWORK_NAMES
from tsva.settings.pairs import PairsSettings


def verdicts(
    datasets: Sequence[Row],
    scores: Sequence[Row],
    comparisons: Sequence[Row],
    training: Sequence[Row],
    pairs: PairsSettings,
    confidence: float,
) -> list[dict[str, Any]]:
    """A paragraph a data set, the first sentence being the headline.

    Parameters
    ----------
    datasets, scores, comparisons, training : sequences of mappings
        Those parts of the summary.
    pairs : PairsSettings
        At which offsets a shot is the target plane.
    confidence : float
        Of the intervals.

    Returns
    -------
    list of dict
        `dataset`, `method` (the one it is about; None where nothing was applied), `outcome`, `headline`, `sentences`.
    """
    return [
        {
            **verdict,
            "sentences": [
                *verdict["sentences"],
                *not_learned(dataset["methods"], training),
                *handed_over(verdict["dataset"], scores, pairs),
            ],
        }
        for dataset in datasets
        for verdict in [_verdict(dataset, comparisons, f"{confidence * 100:g}\u202f%")]
    ]


def _verdict(dataset: Row, comparisons: Sequence[Row], confidence: str) -> dict[str, Any]:
    name, methods = dataset["dataset"], dataset["methods"]
    lead = lead_of(methods)
    if lead is None:
        headline = f"{dataset_name(name)}: no method was applied. The tables show Y1 as captured alone."
        return {"dataset": name, "method": None, "outcome": "not compared", "headline": headline, "sentences": []}
    everything = [row for row in comparisons if row["dataset"] == name and row["sample"] is None]
    rows = [row for row in everything if row["target"] == "captured"]
    gain = average(rows, lead, NOTHING)
    sentences = [_columns(rows, lead), _elsewhere(everything, lead)]
    for rival in (method for method in methods if method in NETWORK_NAMES and method != lead):
        sentences += [_against(rows, lead, rival), _columns(rows, rival)]
    sentences += untrained(rows, [method for method in methods if method not in NETWORK_NAMES], lead)
    return {
        "dataset": name,
        "method": lead,
        "outcome": outcome(gain),
        "headline": f"{dataset_name(name)}: {_gain(gain, lead, confidence)}",
        "sentences": [sentence for sentence in sentences if sentence],
    }


def _gain(row: Row | None, method: str, confidence: str) -> str:
    """Headline: the strict average against Y1 as captured."""
    name = method_name(method)
    if row is None or row["difference_db"] is None:
        return f"{name} cannot be compared with Y1 as captured in the strict average."
    size, interval = plain(abs(row["difference_db"]), 2), _interval(row, confidence)
    match outcome(row):
        case "ahead":
            return f"{name} gains {size} dB over Y1 as captured in the strict average ({interval})."
        case "behind":
            return (
                f"{name} is worse than doing nothing: it loses {size} dB against Y1 as captured in the strict average "
                f"({interval})."
            )
        case "level":
            return (
                f"{name} is level with Y1 as captured in the strict average: "
                f"{signed(row['difference_db'], 2)} dB, and the interval includes zero ({interval})."
            )
        case _:
            verb = "gains" if row["difference_db"] > 0 else "loses"
            return f"{name} {verb} {size} dB against Y1 as captured in the strict average ({interval})."


def _interval(row: Row, confidence: str) -> str:
    if outcome(row) == "no interval":
        return f"{_slides(row)}, so there is no interval over slides"
    return f"{confidence} interval {_limits(row)}, {_slides(row)}"


def _slides(row: Row) -> str:
    return "one slide" if row["slides"] == 1 else f"{row['slides']} slides"


def _elsewhere(rows: Sequence[Row], method: str) -> str:
    """The same gain with offsets between the planes, and against the noise-free target."""
    words = []
    for where, protocol, target in (
        ("With offsets between the planes (continuous protocol)", "continuous", "captured"),
        ("Against the noise-free target (strict average)", "strict", "clean"),
    ):
        row = average([row for row in rows if row["target"] == target], method, NOTHING, protocol)
        if row is not None and row["difference_db"] is not None:
            what = {"level": "is level with Y1:"}.get(outcome(row), "gains" if row["difference_db"] > 0 else "loses")
            size = signed(row["difference_db"], 2) if outcome(row) == "level" else plain(abs(row["difference_db"]), 2)
            words.append(f"{where} {method_name(method)} {what} {size} dB ({_limits(row)}).")
    return " ".join(words)


def _limits(row: Row) -> str:
    return "no interval" if row["low_db"] is None else f"{signed(row['low_db'], 2)} to {signed(row['high_db'], 2)} dB"


def _columns(rows: Sequence[Row], method: str) -> str:
    """Strict columns in which a method does not beat doing nothing, and those in which one cannot tell."""
    found = columns(rows, method, NOTHING)
    lost = [row["focal_offset_um"] for row in found if row["difference_db"] is not None and row["difference_db"] <= 0]
    open_ = [row["focal_offset_um"] for row in found if row["focal_offset_um"] not in lost and outcome(row) == "level"]
    name = method_name(method)
    words = []
    if lost:
        where = f"at ΔD = {offsets(lost)}" if len(lost) < len(found) else "in any strict column"
        words.append(f"{name} does not beat Y1 as captured {where}: it has not refocused anything there.")
    if open_:
        words.append(f"At ΔD = {offsets(open_)} {name} is ahead of Y1 as captured, but the interval includes zero.")
    if found and not words:
        words.append(f"{name} beats Y1 as captured in every strict column.")
    return " ".join(words)


def _against(rows: Sequence[Row], lead: str, rival: str) -> str:
    """The lead method against another: the strict average, then who wins in which column."""
    mean = average(rows, lead, rival)
    if mean is None or mean["difference_db"] is None:
        return ""
    size = plain(abs(mean["difference_db"]), 2)
    interval = _limits(mean)
    names = method_name(lead), method_name(rival)
    match outcome(mean):
        case "ahead":
            first = f"{names[0]} wins against {names[1]}: {size} dB ahead in the strict average ({interval})."
        case "behind":
            first = (
                f"{names[1]} wins against {names[0]}: {size} dB ahead in the strict average "
                f"({names[0]} less {names[1]}: {interval})."
            )
        case "level":
            first = (
                f"{names[0]} and {names[1]} are level in the strict average: {names[0]} less {names[1]} is "
                f"{signed(mean['difference_db'], 2)} dB, and the interval includes zero ({interval})."
            )
        case _:
            front, behind = names if mean["difference_db"] > 0 else names[::-1]
            first = (
                f"{front} is {size} dB ahead of {behind} in the strict average; with one slide there is no interval."
            )
    worse = all(outcome(average(rows, method, NOTHING)) == "behind" for method in (lead, rival))
    both = ["Both are worse than doing nothing."] if worse else []
    return " ".join([first, *both, *_winners(columns(rows, lead, rival), *names)])


def _winners(found: Sequence[Row], lead: str, rival: str) -> list[str]:
    wins = {side: [row["focal_offset_um"] for row in found if outcome(row) == side] for side in ("ahead", "behind")}
    clear = [f"{name} at {offsets(wins[side])}" for name, side in ((lead, "ahead"), (rival, "behind")) if wins[side]]
    if clear:
        return [f"Column by column, the interval is clear of zero for {listed(clear)}."]
    return (
        ["In no single column is the interval clear of zero."] if any(outcome(row) == "level" for row in found) else []
    )
