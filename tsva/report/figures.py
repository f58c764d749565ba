"""The plots, drawn from the summary alone: what they show stands in summary.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tsva.report.duels import Row, average, columns
from tsva.report.names import NOTHING, dataset_name, drawn, lead_of, method_name, offset
from tsva.report.svg import BAND, INK, MARKERS, MUTED, SERIES, svg

Summary = Mapping[str, Any]
WIDE, NARROW = (9.6, 3.7), (5.4, 3.8)


def psnr_by_offset(summary: Summary, dataset: str, target: str) -> str:
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
            x = _values(found, "focal_offset_um")
            style = _style(method, methods)
            whole = [row["identical_patches"] == 0 for row in found]
            low, high = _values(found, "psnr_low_db"), _values(found, "psnr_high_db")
            axes.fill_between(x, low, high, where=whole, color=style["color"], alpha=0.18, lw=0)
            axes.plot(x, np.where(whole, _values(found, "psnr_db"), np.nan), label=method_name(method), **style)
        axes.set(xlabel="ΔD (µm)", ylabel="PSNR (dB)", title=_against(target).capitalize())
        axes.legend()

    label = f"Line plot of PSNR by focal offset on {dataset_name(dataset)}, {_against(target)}: {_names(methods)}."
    return svg(draw, f"psnr-{dataset}-{target}", label, NARROW)


def _against(target: str) -> str:
    return "against the captured target" if target == "captured" else "against the noise-free target"


def _mark_handed_over(axes: Axes, summary: Summary) -> None:
    """Shade the columns in which a shot is the target plane itself."""
    delta, step = summary["settings"]["pairs"]["delta_um"], summary["settings"]["pairs"]["z_step_um"]
    for middle in (-delta, delta):
        axes.axvspan(middle - step / 4, middle + step / 4, color=BAND, lw=0, zorder=0)


def _style(method: str, methods: Iterable[str]) -> dict[str, Any]:
    """Colour, marker and dashes of a method: the same in every figure of a data set."""
    if method == NOTHING:
        return {"color": MUTED, "marker": "x", "linestyle": "--"}
    place = [name for name in methods if name != NOTHING].index(method) % len(SERIES)
    return {"color": SERIES[place], "marker": MARKERS[place], "linestyle": "-"}


def _values(rows: Iterable[Row], key: str) -> np.ndarray:
    return np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=float)


def _names(methods: Iterable[str]) -> str:
    return ", ".join(method_name(method) for method in methods)


def differences(summary: Summary, dataset: str) -> str | None:
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
        for axes, (title, duels) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for place, (method, baseline) in enumerate(duels):
                shown = method if baseline == NOTHING else baseline
                side = (place - (len(duels) - 1) / 2) * min(0.24, 0.8 / len(duels))
                _whiskers(axes, rows, method, baseline, side, method_name(shown), _style(shown, methods))
            axes.axhline(0, color=INK, lw=1)
            axes.set(xlabel="ΔD (µm)", ylabel="difference (dB)", title=title)
            if len(duels) > 1:
                axes.legend(loc="best", ncols=2)
            axes.margins(y=0.12)

    label = f"Paired differences in PSNR by focal offset on {dataset_name(dataset)}, with intervals over slides."
    return svg(draw, f"difference-{dataset}", label, WIDE)


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
    middle, low, high = (_values([row for _, row in shown], key) for key in ("difference_db", "low_db", "high_db"))
    axes.vlines(x, low, high, color=style["color"], lw=1.4)
    axes.plot(x, middle, ls="none", marker=style["marker"], color=style["color"], label=name)
    axes.set_xticks(x - side, [label for label, _ in shown], fontsize=8)


AVERAGES = (("strict\nmean", "strict"), ("cont.\nmean", "continuous"))


def focal_positions(summary: Summary) -> str | None:
    """Fig. 5's question: do focal positions scatter as assumed, and were the offsets drawn so? None without fields."""
    found = summary["focus"]["offsets"]
    datasets = summary["datasets"]
    panels = (1 if found["fields"] else 0) + len(datasets)
    if panels == 0:
        return None
    step = summary["settings"]["pairs"]["z_step_um"]

    def draw(figure: Figure) -> None:
        panes = list(figure.subplots(1, panels, squeeze=False)[0])
        if found["fields"]:
            axes = panes.pop(0)
            _bars(axes, found["histogram"], "focal_offset_um", "fields", "expected_fields", step)
            axes.set(xlabel="focal position less F (µm)", ylabel="fields", title="Found in the slides")
        for axes, dataset in zip(panes, datasets, strict=True):
            _bars(axes, dataset["drawn_offsets"], "focal_offset_um", "patches", "expected_patches", step)
            axes.set(xlabel="drawn n (µm)", ylabel="patches", title=f"Drawn, {dataset_name(dataset['dataset'])}")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)

    label = "Histograms of focal positions found and of offsets drawn, each beside the Gaussian that the paper assumes."
    return svg(draw, "focal-positions", label, WIDE)


def _bars(axes: Axes, rows: Sequence[Row], x: str, y: str, expected: str, step: float) -> None:
    places = _values(rows, x)
    axes.bar(places, _values(rows, y), width=step * 0.85, color=SERIES[0], alpha=0.55, lw=0, label="counted")
    axes.plot(places, _values(rows, expected), color=INK, marker="_", markersize=9, lw=0.8, label="assumed Gaussian")
    axes.grid(axis="x", visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def training(summary: Summary) -> str | None:
    """Verification PSNR and training loss by step, a line a network; None without training."""
    networks = [network for network in summary["training"] if network["log"].get("step")]
    if not networks:
        return None
    names = [network["network"] for network in networks]

    def draw(figure: Figure) -> None:
        quality, loss = figure.subplots(1, 2)
        for network in networks:
            log, style = network["log"], _style(network["network"], names)
            _line(quality, log, "verification_psnr_db", label=network["name"], **style)
            _line(loss, log, "training_loss", label=network["name"], color=style["color"])
        _line(quality, networks[0]["log"], "verification_y1_psnr_db", label="Y1 as captured", color=MUTED, ls="--")
        quality.set(xlabel="step", ylabel="PSNR (dB)", title="Verification split")
        name = summary["settings"]["train"].get("loss")
        loss.set(xlabel="step", ylabel=f"loss ({name})" if name else "loss", title="Training loss")
        quality.legend()
        loss.legend()

    return svg(draw, "training", f"Training curves of {_names(names)}.", WIDE)


def _line(axes: Axes, log: Mapping[str, Sequence[float | None]], column: str, **style: Any) -> None:
    """One column of a log by step, where it has values."""
    points = [(x, y) for x, y in zip(log["step"], log.get(column, []), strict=False) if x is not None and y is not None]
    if points:
        axes.plot(*zip(*points, strict=True), **style)
