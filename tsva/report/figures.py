"""Figures of scores, and what all figures share: how templates know them, and how methods look in them.

Figures are drawn from the summary alone: what they show stands in summary.json. A function under `figure` can be called
in every template by its name: a further figure is a function here, and a line in a template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsva.evaluation.names import (
    MATCHED,
    NOTHING,
    Row,
    average,
    columns,
    dataset_name,
    drawn,
    lead_of,
    method_name,
    offset,
)
from tsva.report.plots import BAND, INK, MARKERS, MUTED, SERIES, Plot

Summary = Mapping[str, Any]
WIDE, NARROW = (9.6, 3.7), (5.4, 3.8)
FIGURES: dict[str, Callable[..., Plot | None]] = {}
"""Every figure by its name."""
Arguments = ParamSpec("Arguments")


def figure(make: Callable[Arguments, Plot | None]) -> Callable[Arguments, Plot | None]:
    """Make a figure known to the templates."""
    FIGURES[make.__name__] = make
    return make


def look_of(method: str, methods: Iterable[str]) -> dict[str, Any]:
    """Colour, marker and dashes of a method: the same in every figure of a data set."""
    if method == NOTHING:
        return {"color": MUTED, "marker": "x", "linestyle": "--"}
    place = [name for name in methods if name != NOTHING].index(method)
    dashes = ("-", "--", ":")[place // len(SERIES) % 3]
    return {"color": SERIES[place % len(SERIES)], "marker": MARKERS[place % len(MARKERS)], "linestyle": dashes}


def values(rows: Iterable[Row], key: str) -> np.ndarray:
    """(rows,) float: one column of rows; NaN where a row has no number."""
    return np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=float)


def picked(rows: Iterable[Row], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Rows with these columns alone, for a figure's CSV."""
    return [{key: row[key] for key in keys} for row in rows]


def method_names(methods: Iterable[str]) -> str:
    """Methods in words."""
    return ", ".join(method_name(method) for method in methods)


SCORED = ("method", "focal_offset_um", "psnr_db", "psnr_low_db", "psnr_high_db", "psnr_sd_db", "patches", "slides")
COMPARED = (
    "dataset",
    "method",
    "baseline",
    "protocol",
    "target",
    "focal_offset_um",
    "difference_db",
    "low_db",
    "high_db",
    "share_worse",
    "pairs",
    "slides",
)
"""Columns of the figures' CSV files."""
BEYOND_DB = 3.0
"""An interval of one slide or two can be tens of decibels wide, and would flatten all curves."""
AVERAGES = (("cont.\nmean", "continuous"), ("strict\nmean", "strict"))


@figure
def psnr_by_offset(summary: Summary, dataset: str, target: str) -> Plot:
    """PSNR of every method by ΔD, with the interval over slides as a band."""
    rows = [
        row
        for row in summary["scores"]
        if (row["dataset"], row["target"], row["protocol"], row["sample"]) == (dataset, target, "paper", None)
        and row["focal_offset_um"] is not None
    ]
    methods = drawn(dict.fromkeys(row["method"] for row in rows))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _mark_handed_over(axes, summary)
        for method in methods:
            found = sorted(
                (row for row in rows if row["method"] == method), key=lambda row: float(row["focal_offset_um"])
            )
            x = values(found, "focal_offset_um")
            style = look_of(method, methods)
            whole = [row["identical_patches"] == 0 for row in found]
            low, high = values(found, "psnr_low_db"), values(found, "psnr_high_db")
            axes.fill_between(x, low, high, where=whole, color=style["color"], alpha=0.18, lw=0)
            axes.plot(x, np.where(whole, values(found, "psnr_db"), np.nan), label=method_name(method), **style)
        axes.set(xlabel="ΔD (µm)", ylabel="PSNR (dB)", title=_against(target).capitalize())
        axes.legend()

    label = (
        f"Line plot of PSNR by focal offset on {dataset_name(dataset)}, {_against(target)}: {method_names(methods)}."
    )
    return Plot(f"psnr-{dataset}-{target}", label, NARROW, draw, picked(rows, SCORED))


def _against(target: str) -> str:
    return "against the captured target" if target == "captured" else "against the noise-free target"


def _mark_handed_over(axes: Axes, summary: Summary) -> None:
    """Shade the columns in which a shot is the target plane itself."""
    delta, step = summary["settings"]["pairs"]["delta_um"], summary["settings"]["pairs"]["z_step_um"]
    for middle in (-delta, delta):
        axes.axvspan(middle - step / 4, middle + step / 4, color=BAND, lw=0, zorder=0)


@figure
def differences(summary: Summary, dataset: str) -> Plot | None:
    """Paired differences by ΔD and on average: methods less Y1, and the lead method less the others; None without."""
    rows = [
        row
        for row in summary["comparisons"]
        if row["dataset"] == dataset and row["sample"] is None and row["target"] == "captured"
    ]
    methods = drawn(next(found["methods"] for found in summary["datasets"] if found["dataset"] == dataset))
    lead = lead_of(methods)
    if lead is None:
        return None
    applied = [method for method in methods if method != NOTHING]
    rivals = [method for method in applied if method != lead]
    panels = [("Method less Y1 as captured", [(method, NOTHING) for method in applied])]
    if rivals:
        others = method_name(rivals[0]) if len(rivals) == 1 else "the other method"
        panels.append((f"{method_name(lead)} less {others}", [(lead, rival) for rival in rivals]))

    def draw(figure: Figure) -> None:
        for axes, (title, compared) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for place, (method, baseline) in enumerate(compared):
                shown = method if baseline == NOTHING else baseline
                side = (place - (len(compared) - 1) / 2) * min(0.24, 0.8 / len(compared))
                _whiskers(axes, rows, method, baseline, side, method_name(shown), look_of(shown, methods))
            axes.axhline(0, color=INK, lw=1)
            axes.set(xlabel="ΔD (µm)", ylabel="difference (dB)", title=title)
            if len(compared) > 1:
                axes.legend(loc="best", ncols=2)
            axes.margins(y=0.12)

    label = f"Paired differences in PSNR by focal offset on {dataset_name(dataset)}, with intervals over slides."
    drawn_rows = [
        row
        for row in rows
        if any((row["method"], row["baseline"]) in compared for _, compared in panels)
        and row["protocol"] in ("strict", "continuous")
    ]
    return Plot(f"difference-{dataset}", label, WIDE, draw, picked(drawn_rows, COMPARED))


def _whiskers(
    axes: Axes, rows: Sequence[Row], method: str, baseline: str, side: float, name: str, style: Mapping[str, Any]
) -> None:
    """A dot and its interval a strict column, then the averages of the strict and the continuous protocol."""
    found = columns(rows, method, baseline)
    means = [(label, average(rows, method, baseline, protocol)) for label, protocol in AVERAGES]
    shown = [(offset(row["focal_offset_um"]), row) for row in found] + [
        (label, row) for label, row in means if row is not None
    ]
    x = np.arange(len(shown)) + side + np.maximum(np.arange(len(shown)) - len(found) + 1, 0) * 0.8
    middle, low, high = (values([row for _, row in shown], key) for key in ("difference_db", "low_db", "high_db"))
    axes.vlines(x, low, high, color=style["color"], lw=1.4)
    axes.plot(x, middle, ls="none", marker=style["marker"], color=style["color"], label=name)
    axes.set_xticks(x - side, [label for label, _ in shown], fontsize=8)


@figure
def gain_by_size(summary: Summary) -> Plot | None:
    """Gain of every method over Y1 by |ΔD|, with intervals over slides; None where nothing is compared.

    The protocol and the target are those of the answer: offsets between the planes against the noise-free target, or
    the grid against the captured one.
    """
    panels = [(answer, _gains(summary, answer)) for answer in summary["answer"]]
    panels = [(answer, rows) for answer, rows in panels if rows]
    if not panels:
        return None
    methods = list(dict.fromkeys(row["method"] for _, rows in panels for row in rows))

    def draw(figure: Figure) -> None:
        panes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, (answer, rows) in zip(panes, panels, strict=True):
            axes.axhline(0, color=INK, lw=1.2)
            for place, method in enumerate(methods):
                _curve(axes, [row for row in rows if row["method"] == method], place, methods)
            if answer["protocol"] == "strict":
                delta = summary["settings"]["pairs"]["delta_um"]
                axes.axvspan(delta - 0.1, delta + 0.1, color=BAND, lw=0, zorder=0)
            sizes = sorted({row["focal_offset_um"] for row in rows})
            axes.set(xlabel="|ΔD| (µm)", xticks=sizes, title=dataset_name(answer["dataset"]))
        panes[0].set(ylabel="gain over Y1 (dB)", ylim=_reach([row for _, rows in panels for row in rows]))
        # beside the axes, where no curve is
        panes[-1].annotate(
            "doing\nnothing",
            (1, 0),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8,
            color=MUTED,
        )
        figure.legend(*panes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    label = f"Gain in PSNR over Y1 by |ΔD|, with intervals over slides: {method_names(methods)}."
    rows = [row for _, found in panels for row in found]
    return Plot("gain-by-size", label, (8.4, 3.7), draw, picked(rows, COMPARED))


def _reach(rows: Sequence[Row]) -> tuple[float, float]:
    """Limits of the axis: all gains, and their intervals as far as `BEYOND_DB` past the farthest gain."""
    gains = [row["difference_db"] for row in rows] + [0.0]
    ends = [end for row in rows for end in (row["low_db"], row["high_db"]) if end is not None] + gains
    return max(min(ends), min(gains) - BEYOND_DB) - 0.3, min(max(ends), max(gains) + BEYOND_DB) + 0.3


def _gains(summary: Summary, answer: Mapping[str, Any]) -> list[Row]:
    folded = "folded" if answer["protocol"] == "strict" else f"folded_{answer['protocol']}"
    wanted = (answer["dataset"], NOTHING, folded, answer["target"], None)
    keys = ("dataset", "baseline", "protocol", "target", "sample")
    return [
        row
        for row in summary["comparisons"]
        if tuple(row[key] for key in keys) == wanted and row["method"] != MATCHED and row["difference_db"] is not None
    ]


def _curve(axes: Axes, rows: Sequence[Row], place: int, methods: Sequence[str]) -> None:
    """A method's gains, moved a little aside so that intervals do not cover each other."""
    if not rows:
        return
    style = look_of(methods[place], methods)
    x = values(rows, "focal_offset_um") + (place - (len(methods) - 1) / 2) * min(0.05, 0.3 / len(methods))
    axes.vlines(x, values(rows, "low_db"), values(rows, "high_db"), color=style["color"], lw=1, alpha=0.55)
    axes.plot(x, values(rows, "difference_db"), label=method_name(methods[place]), **style)


@figure
def expected_errors(summary: Summary, dataset: str) -> Plot | None:
    """What methods take their error for beside what it is; None where no method says so."""
    rows = [row for row in summary["errors"] if row["dataset"] == dataset and row["predicted_rmse"]]
    if not rows:
        return None
    methods = list(dict.fromkeys(row["method"] for row in rows))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        top = 255 * 1.1 * max(max(row["predicted_rmse"], row["rmse"]) for row in rows)
        axes.plot([0, top], [0, top], color=MUTED, lw=1, ls="--", label="expected = true")
        for method in methods:
            found = [row for row in rows if row["method"] == method]
            levels = [255 * values(found, key) for key in ("predicted_rmse", "rmse")]
            axes.plot(*levels, label=method_name(method), **(look_of(method, methods) | {"linestyle": "-"}))
        axes.set(xlabel="expected error (grey levels)", ylabel="true error (grey levels)")
        axes.set(xlim=(0, top), ylim=(0, top))
        axes.legend()

    label = f"Expected and true root mean square errors on {dataset_name(dataset)}: {method_names(methods)}."
    return Plot(f"expected-errors-{dataset}", label, NARROW, draw, rows)
