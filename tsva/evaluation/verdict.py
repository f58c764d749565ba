"""The answer in short and the verdict in words: what was gained over doing nothing, what was made worse, who wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tsva.evaluation.names import (
    CONTROLS,
    NOT_LEADING,
    NOTHING,
    WORSE_DB,
    Row,
    average,
    columns,
    dataset_name,
    headline_of,
    lead_of,
    listed,
    method_name,
    offsets,
    outcome,
    percent,
    plain,
    signed,
    sizes,
)
from tsva.evaluation.remarks import controls, handed_over, not_learned, nuclei_in_words, untrained
from tsva.settings.acquisition import PairsSettings
from tsva.settings.methods import NETWORK_NAMES

WORDS = {
    "ahead": "better than doing nothing",
    "behind": "worse than doing nothing",
    "level": "not clearly better than doing nothing",
    "no interval": "one slide: no interval",
    "not compared": "not compared",
}
"""Outcomes in words."""
FACTS = ("difference_db", "low_db", "high_db", "share_worse", "mean_loss_db", "pairs", "slides")


def answers(
    datasets: Sequence[Row], comparisons: Sequence[Row], verdicts: Sequence[Row], confidence: float
) -> list[dict[str, Any]]:
    """What the first screen of the report says.

    Parameters
    ----------
    datasets, comparisons, verdicts : sequences of mappings
        Those parts of the summary.
    confidence : float
        Of the intervals.

    Returns
    -------
    list of dict
        `dataset`, `method`, `outcome` (of the verdict), `words` (the outcome in words), `sentence`, `protocol` and
        `target` (of the headline), and `rows`: all networks and the best method without training, each with `method`,
        `name`, `outcome` and the facts of its comparison with `y1`.
    """
    outcomes = {verdict["dataset"]: verdict["outcome"] for verdict in verdicts}
    return [_answer(dataset, comparisons, outcomes[dataset["dataset"]], confidence) for dataset in datasets]


def _answer(dataset: Row, comparisons: Sequence[Row], found: str, confidence: float) -> dict[str, Any]:
    name, lead = dataset["dataset"], lead_of(dataset["methods"])
    everything = [row for row in comparisons if row["dataset"] == name and row["sample"] is None]
    protocol, target = headline_of(everything)
    rows = [row for row in everything if row["target"] == target]
    shown = _rows(rows, dataset["methods"], lead, protocol)
    return {
        "dataset": name,
        "method": lead,
        "outcome": found,
        "words": WORDS[found],
        "sentence": _sentence(dataset_name(name), shown, confidence),
        "protocol": protocol,
        "target": target,
        "rows": shown,
    }


def _rows(rows: Sequence[Row], methods: Sequence[str], lead: str | None, protocol: str) -> list[dict[str, Any]]:
    """The lead first, then further networks, then the best of the methods without training."""
    found = {m: average(rows, m, NOTHING, protocol) for m in methods if m not in NOT_LEADING}
    known: dict[str, Row] = {m: row for m, row in found.items() if row is not None and row["difference_db"] is not None}
    networks = sorted((m for m in known if m in NETWORK_NAMES), key=lambda method: method != lead)
    others = sorted((m for m in known if m not in networks), key=lambda method: -known[method]["difference_db"])
    first = [lead] if lead in known and lead not in networks else []
    chosen = dict.fromkeys([*first, *networks, *others[:1]])
    return [_row(method, known[method]) for method in chosen if method is not None]


def _row(method: str, row: Mapping[str, Any]) -> dict[str, Any]:
    facts = {key: row.get(key) for key in FACTS}
    return {"method": method, "name": method_name(method), "outcome": outcome(row), **facts}


def _sentence(dataset: str, rows: Sequence[Mapping[str, Any]], confidence: float) -> str:
    """Is it better than doing nothing, by how much, how sure is that, and how often is it worse."""
    if not rows:
        return f"{dataset}: no method can be compared with doing nothing."
    row = rows[0]
    size = row["difference_db"]
    gained = f"{row['name']} {'gains' if size >= 0 else 'loses'} {plain(abs(size), 2)} dB over the sharper shot"
    if row["outcome"] == "no interval":
        limits = "one slide, no interval"
    else:
        limits = f"{100 * confidence:g}\u202f% interval {signed(row['low_db'], 2)} to {signed(row['high_db'], 2)} dB"
    share = row["share_worse"]
    worse = "" if share is None else f" and makes {percent(share) if share else 'no'} of pairs worse"
    if share == 0:
        worse = " and makes no pair worse"
    return f"{gained} ({limits}){worse}."


WHERE = {
    "continuous": "with offsets between the planes",
    "strict": "in the strict average",
    "paper": "in the paper’s average",
}
"""Protocols in words."""
OUTCOMES = ("not compared", "behind", "level", "no interval", "ahead")
"""Of two outcomes the first of these is the verdict's."""


def verdicts(
    datasets: Sequence[Row],
    scores: Sequence[Row],
    comparisons: Sequence[Row],
    nuclei: Sequence[Row],
    training: Sequence[Row],
    pairs: PairsSettings,
    confidence: float,
) -> list[dict[str, Any]]:
    """A paragraph a data set, the first sentence being the headline.

    Parameters
    ----------
    datasets, scores, comparisons, nuclei, training : sequences of mappings
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
                *nuclei_in_words(nuclei, dataset, pairs),
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
    captured = [row for row in everything if row["target"] == "captured"]
    protocol, target = headline_of(everything)
    rows = [row for row in everything if row["target"] == target]
    gains = [average(rows, lead, NOTHING, protocol)]
    if target != "captured":
        gains.append(average(captured, lead, NOTHING, protocol))
    sentences = [_harm(rows, lead, protocol), _columns(captured, lead), _elsewhere(captured, lead, protocol)]
    for rival in (method for method in methods if method in NETWORK_NAMES and method not in (lead, *CONTROLS)):
        sentences += [_against(rows, captured, lead, rival, protocol), _harm(rows, rival, protocol)]
        sentences += [_columns(captured, rival)]
    sentences += untrained(
        rows, captured, [method for method in methods if method not in NETWORK_NAMES], lead, protocol
    )
    sentences += controls(rows, methods, protocol)
    return {
        "dataset": name,
        "method": lead,
        "outcome": min((outcome(gain) for gain in gains), key=OUTCOMES.index),
        "headline": f"{dataset_name(name)}: {_gain(gains, lead, confidence, protocol)}",
        "sentences": [sentence for sentence in sentences if sentence],
    }


def _gain(rows: Sequence[Row | None], method: str, confidence: str, protocol: str) -> str:
    """Headline: the average against Y1 as captured, noise-free target first."""
    row, *others = rows
    name, where = method_name(method), WHERE[protocol]
    if row is None or row["difference_db"] is None:
        return f"{name} cannot be compared with Y1 as captured {where}."
    size, interval = plain(abs(row["difference_db"]), 2), _interval(row, confidence)
    match outcome(row):
        case "ahead":
            first = f"{name} gains {size} dB over Y1 as captured {where} ({interval})"
        case "behind":
            first = (
                f"{name} is worse than doing nothing: it loses {size} dB against Y1 as captured {where} ({interval})"
            )
        case "level":
            first = (
                f"{name} is level with Y1 as captured {where}: "
                f"{signed(row['difference_db'], 2)} dB, and the interval includes zero ({interval})"
            )
        case _:
            verb = "gains" if row["difference_db"] > 0 else "loses"
            first = f"{name} {verb} {size} dB against Y1 as captured {where} ({interval})"
    known = [other for other in others if other is not None and other["difference_db"] is not None]
    words = [
        f"target without noise; against the captured target {signed(other['difference_db'], 2)} dB ({_limits(other)})"
        for other in known
    ]
    return "; ".join([first, *words]) + "."


def _harm(rows: Sequence[Row], method: str, protocol: str) -> str:
    """In how many pairs a method is worse than Y1, by how much, and at which size of the offset most often."""
    row = average(rows, method, NOTHING, protocol)
    if row is None or row.get("share_worse") is None:
        return ""
    name, share = method_name(method), row["share_worse"]
    if share == 0:
        return f"{name} makes no pair worse than Y1 by more than {WORSE_DB:g} dB {WHERE[protocol]}."
    loss = "" if row["mean_loss_db"] is None else f", by {plain(row['mean_loss_db'], 2)} dB on average"
    folded = columns(rows, method, NOTHING, "folded" if protocol == "strict" else f"folded_{protocol}")
    sizes_ = [(found["share_worse"], found["focal_offset_um"]) for found in folded if found["share_worse"] is not None]
    most = ""
    if len(sizes_) > 1 and max(sizes_)[0] > share:
        largest, size_um = max(sizes_)
        most = f"; most often at |ΔD| = {sizes([size_um])}: {percent(largest)}"
    worse = f"{percent(share)} of pairs worse than Y1 by more than {WORSE_DB:g} dB"
    return f"{name} makes {worse} {WHERE[protocol]}{loss}{most}."


def _interval(row: Row, confidence: str) -> str:
    if outcome(row) == "no interval":
        return f"{_slides(row)}, so there is no interval over slides"
    return f"{confidence} interval {_limits(row)}, {_slides(row)}"


def _slides(row: Row) -> str:
    return "one slide" if row["slides"] == 1 else f"{row['slides']} slides"


def _elsewhere(rows: Sequence[Row], method: str, headline_protocol: str) -> str:
    """The same gain by the other protocols, against the captured target."""
    words = []
    for protocol in ("strict", "paper"):
        row = average(rows, method, NOTHING, protocol)
        if protocol != headline_protocol and row is not None and row["difference_db"] is not None:
            what = {"level": "is level with Y1:"}.get(outcome(row), "gains" if row["difference_db"] > 0 else "loses")
            size = signed(row["difference_db"], 2) if outcome(row) == "level" else plain(abs(row["difference_db"]), 2)
            words.append(f"{method_name(method)} {what} {size} dB {WHERE[protocol]} ({_limits(row)}).")
    return " ".join(words)


def _limits(row: Row) -> str:
    return "no interval" if row["low_db"] is None else f"{signed(row['low_db'], 2)} to {signed(row['high_db'], 2)} dB"


def _columns(rows: Sequence[Row], method: str) -> str:
    """Strict columns in which a method does not beat doing nothing, and those that are undecided."""
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


def _against(rows: Sequence[Row], captured: Sequence[Row], lead: str, rival: str, protocol: str) -> str:
    """The lead method against another: the headline's average, then who wins in which strict column."""
    mean, where = average(rows, lead, rival, protocol), WHERE[protocol]
    if mean is None or mean["difference_db"] is None:
        return ""
    size = plain(abs(mean["difference_db"]), 2)
    interval = _limits(mean)
    names = method_name(lead), method_name(rival)
    match outcome(mean):
        case "ahead":
            first = f"{names[0]} wins against {names[1]}: {size} dB ahead {where} ({interval})."
        case "behind":
            first = (
                f"{names[1]} wins against {names[0]}: {size} dB ahead in the strict average "
                f"({names[0]} less {names[1]}: {interval})."
            )
        case "level":
            first = (
                f"{names[0]} and {names[1]} are level {where}: {names[0]} less {names[1]} is "
                f"{signed(mean['difference_db'], 2)} dB, and the interval includes zero ({interval})."
            )
        case _:
            front, behind = names if mean["difference_db"] > 0 else names[::-1]
            first = f"{front} is {size} dB ahead of {behind} {where}; with one slide there is no interval."
    worse = all(outcome(average(rows, method, NOTHING, protocol)) == "behind" for method in (lead, rival))
    both = ["Both are worse than doing nothing."] if worse else []
    return " ".join([first, *both, *_winners(columns(captured, lead, rival), *names)])


def _winners(found: Sequence[Row], lead: str, rival: str) -> list[str]:
    wins = {side: [row["focal_offset_um"] for row in found if outcome(row) == side] for side in ("ahead", "behind")}
    clear = [f"{name} at {offsets(wins[side])}" for name, side in ((lead, "ahead"), (rival, "behind")) if wins[side]]
    if clear:
        return [f"Column by column, the interval is clear of zero for {listed(clear)}."]
    return (
        ["In no single column is the interval clear of zero."] if any(outcome(row) == "level" for row in found) else []
    )
