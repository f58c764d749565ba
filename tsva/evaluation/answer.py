"""The answer in short: one row a data set and method, and one sentence about the method that the verdict is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tsva.evaluation.names import NOT_LEADING, NOTHING, dataset_name, lead_of, method_name, percent, plain, signed
from tsva.evaluation.rows import Row, average, headline_of, outcome
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
