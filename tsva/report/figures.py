"""The plots, drawn from the summary alone: what they show stands in summary.json.

A function under `figure` can be called in every template by its name: a further figure is a function here, and a line
in a template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tsva.evaluation.names import MATCHED, NOTHING, dataset_name, drawn, lead_of, listed, method_name, offset
from tsva.evaluation.rows import Row, average, columns
from tsva.report.svg import BAND, INK, MARKERS, MUTED, SERIES, Plot

Summary = Mapping[str, Any]
WIDE, NARROW = (9.6, 3.7), (5.4, 3.8)
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
DELTA_METHODS = {
    "sharper_shot": "sharper shot as captured",
    "wiener_one_shot": "Wiener on it (known n)",
    "wiener_two_shot": "Wiener, two shots (known n)",
    "wiener_blind": "Wiener, two shots (n estimated)",
}
FIGURES: dict[str, Callable[..., Plot | None]] = {}
"""Every figure by its name."""
Arguments = ParamSpec("Arguments")


def figure(make: Callable[Arguments, Plot | None]) -> Callable[Arguments, Plot | None]:
    """Make a figure known to the templates."""
    FIGURES[make.__name__] = make
    return make


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
            x = _values(found, "focal_offset_um")
            style = _style(method, methods)
            whole = [row["identical_patches"] == 0 for row in found]
            low, high = _values(found, "psnr_low_db"), _values(found, "psnr_high_db")
            axes.fill_between(x, low, high, where=whole, color=style["color"], alpha=0.18, lw=0)
            axes.plot(x, np.where(whole, _values(found, "psnr_db"), np.nan), label=method_name(method), **style)
        axes.set(xlabel="ΔD (µm)", ylabel="PSNR (dB)", title=_against(target).capitalize())
        axes.legend()

    label = f"Line plot of PSNR by focal offset on {dataset_name(dataset)}, {_against(target)}: {_names(methods)}."
    return Plot(f"psnr-{dataset}-{target}", label, NARROW, draw, _picked(rows, SCORED))


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
    place = [name for name in methods if name != NOTHING].index(method)
    dashes = ("-", "--", ":")[place // len(SERIES) % 3]
    return {"color": SERIES[place % len(SERIES)], "marker": MARKERS[place % len(MARKERS)], "linestyle": dashes}


def _values(rows: Iterable[Row], key: str) -> np.ndarray:
    return np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=float)


def _picked(rows: Iterable[Row], keys: Sequence[str]) -> list[dict[str, Any]]:
    return [{key: row[key] for key in keys} for row in rows]


def _names(methods: Iterable[str]) -> str:
    return ", ".join(method_name(method) for method in methods)


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
                _whiskers(axes, rows, method, baseline, side, method_name(shown), _style(shown, methods))
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
    return Plot(f"difference-{dataset}", label, WIDE, draw, _picked(drawn_rows, COMPARED))


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


@figure
def psnr_by_delta(advice: Mapping[str, Any]) -> Plot:
    """Mean PSNR by δ, one shot at F beside it, the best δ's interval as a band.

    Parameters
    ----------
    advice : mapping
        That part of the summary. The band is the interval of Wiener restoration with estimated n; the distance that
        was scanned with is marked.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        interval = advice["best"]["wiener_blind"]
        axes.axvspan(
            interval["low_um"], interval["high_um"], color=BAND, lw=0, zorder=0, label="best δ for n estimated, 95 %"
        )
        axes.axvline(advice["scanned_with_um"], color=INK, lw=0.8, ls=":", label="distance scanned with")
        colours, markers = (MUTED, *SERIES), ("x", *MARKERS)
        for (method, name), colour, marker in zip(DELTA_METHODS.items(), colours, markers, strict=False):
            rows = [row for row in advice["curves"] if row["method"] == method]
            alone, pairs = ([row for row in rows if (row["delta_um"] > 0) == two] for two in (False, True))
            style: dict[str, Any] = {"color": colour, "marker": marker}
            axes.plot(_values(pairs, "delta_um"), _values(pairs, "psnr_db"), label=name, **style)
            axes.plot(_values(alone, "delta_um"), _values(alone, "psnr_db"), ls="none", **style)
        axes.set(xlabel="δ, half the distance of the shots (µm); at 0: one shot at F", ylabel="PSNR (dB)")
        axes.legend(loc="lower left")

    label = f"Line plot of PSNR by half the distance of the shots: {', '.join(DELTA_METHODS.values())}."
    return Plot("shot-offset", label, (7.2, 4.2), draw, advice["curves"])


@figure
def point_spread(optics: Mapping[str, Any], planes: Sequence[np.ndarray]) -> Plot:
    """The axial curve of the point spread function with positions marked on it, and the lateral planes there.

    Parameters
    ----------
    optics : mapping
        That part of the summary.
    planes : sequence of (Y, X, 3) uint8 arrays
        Pictures of the lateral planes, in the order of `on_axis`.
    """
    marked, half_um = optics["on_axis"], optics["half_width_um"]

    def draw(figure: Figure) -> None:
        curve, *panes = figure.subplots(1, 1 + len(marked), width_ratios=(1.5, *[1] * len(marked)))
        curve.plot(optics["axial"]["defocus_um"], optics["axial"]["intensity"], color=MUTED)
        for mark, colour, marker in zip(marked, SERIES, MARKERS, strict=False):
            z, height = mark["defocus_um"], mark["intensity"]
            name = f"ΔD = {z:g} µm: {height:.2f}"
            curve.plot([z, z], [0, height], color=colour, marker=marker, markevery=[1], label=name)
        curve.set(xlabel="ΔD (µm)", ylabel="intensity on the axis", title="Along the axis", ylim=(0, 1.35))
        curve.legend(loc="upper left")
        for axes, mark, plane in zip(panes, marked, planes, strict=True):
            axes.imshow(plane, extent=(-half_um, half_um) * 2)
            axes.set(xlabel="µm", title=f"Across, ΔD = {mark['defocus_um']:g} µm")
            axes.grid(visible=False)
        scale = ScalarMappable(Normalize(0, 1), "cividis")
        figure.colorbar(scale, ax=panes, shrink=0.7, label="√ intensity")

    places = listed(f"{mark['defocus_um']:g}" for mark in marked)
    label = f"Point spread function: along the axis, and across it at ΔD = {places} µm."
    axial = zip(optics["axial"]["defocus_um"], optics["axial"]["intensity"], strict=True)
    rows = [{"defocus_um": defocus, "intensity": intensity} for defocus, intensity in axial]
    return Plot("point-spread", label, WIDE, draw, rows)


@figure
def focal_positions(summary: Summary) -> Plot | None:
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
    numbers = [{"of": "found", **row} for row in found["histogram"]]
    numbers += [{"of": dataset["dataset"], **row} for dataset in datasets for row in dataset["drawn_offsets"]]
    return Plot("focal-positions", label, WIDE, draw, numbers)


def _bars(axes: Axes, rows: Sequence[Row], x: str, y: str, expected: str, step: float) -> None:
    places = _values(rows, x)
    axes.bar(places, _values(rows, y), width=step * 0.85, color=SERIES[0], alpha=0.55, lw=0, label="counted")
    axes.plot(places, _values(rows, expected), color=INK, marker="_", markersize=9, lw=0.8, label="assumed Gaussian")
    axes.grid(axis="x", visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


@figure
def training(summary: Summary) -> Plot | None:
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

    rows = [
        {"network": network["network"], **dict(zip(network["log"], values, strict=True))}
        for network in networks
        for values in zip(*network["log"].values(), strict=True)
    ]
    return Plot("training", f"Training curves of {_names(names)}.", WIDE, draw, rows)


def _line(axes: Axes, log: Mapping[str, Sequence[float | None]], column: str, **style: Any) -> None:
    """One column of a log by step, where it has values."""
    points = [(x, y) for x, y in zip(log["step"], log.get(column, []), strict=False) if x is not None and y is not None]
    if points:
        axes.plot(*zip(*points, strict=True), **style)


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
        panes[0].annotate(
            "doing nothing",
            (1, 0),
            (-3, -11),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=MUTED,
        )
        figure.legend(*panes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    label = (
        f"Gain in PSNR over Y1 as captured by size of the focal offset, with intervals over slides: {_names(methods)}."
    )
    rows = [row for _, found in panels for row in found]
    return Plot("gain-by-size", label, (8.4, 3.7), draw, _picked(rows, COMPARED))


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
    style = _style(methods[place], methods)
    x = _values(rows, "focal_offset_um") + (place - (len(methods) - 1) / 2) * min(0.05, 0.3 / len(methods))
    axes.vlines(x, _values(rows, "low_db"), _values(rows, "high_db"), color=style["color"], lw=1, alpha=0.55)
    axes.plot(x, _values(rows, "difference_db"), label=method_name(methods[place]), **style)


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
            levels = [255 * _values(found, key) for key in ("predicted_rmse", "rmse")]
            axes.plot(*levels, label=method_name(method), **(_style(method, methods) | {"linestyle": "-"}))
        axes.set(xlabel="expected error (grey levels)", ylabel="true error (grey levels)")
        axes.set(xlim=(0, top), ylim=(0, top))
        axes.legend()

    label = f"Expected and true root mean square errors on {dataset_name(dataset)}: {_names(methods)}."
    return Plot(f"expected-errors-{dataset}", label, NARROW, draw, rows)


@figure
def run_times(summary: Summary) -> Plot | None:
    """Time of each stage, all jobs together, and the memory of its largest job; None without benchmark files."""
    rows = [row for row in summary["run_times"] if row["seconds"] is not None]
    if not rows:
        return None

    def draw(figure: Figure) -> None:
        seconds, memory = figure.subplots(1, 2, sharey=True)
        names = [f"{row['stage']} ({row['jobs']} job{'s' if row['jobs'] != 1 else ''})" for row in rows]
        seconds.barh(names, _values(rows, "seconds") / 60, color=SERIES[0])
        memory.barh(names, _values(rows, "max_memory_mb") / 1000, color=SERIES[1])
        seconds.invert_yaxis()
        seconds.set(xlabel="time of all jobs (minutes)")
        memory.set(xlabel="memory of the largest job (GB)")
        for axes in (seconds, memory):
            axes.grid(axis="y", visible=False)

    label = "Bars of each stage's time and memory: " + ", ".join(row["stage"] for row in rows) + "."
    return Plot("run-times", label, (9.6, 0.9 + 0.3 * len(rows)), draw, rows)
