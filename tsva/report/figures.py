"""The plots, drawn from the summary alone: what they show stands in summary.json.

A function under `figure` can be called in every template by its name: a further figure is a function here, and a line
in a template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tsva.evaluation.names import NOTHING, dataset_name, drawn, lead_of, listed, method_name, offset
from tsva.evaluation.rows import Row, average, columns
from tsva.report.svg import BAND, INK, MARKERS, MUTED, SERIES, svg

Summary = Mapping[str, Any]
WIDE, NARROW = (9.6, 3.7), (5.4, 3.8)
AVERAGES = (("cont.\nmean", "continuous"), ("strict\nmean", "strict"))
DELTA_METHODS = {
    "sharper_shot": "sharper shot as captured",
    "wiener_one_shot": "Wiener on it (known n)",
    "wiener_two_shot": "Wiener, two shots (known n)",
    "wiener_blind": "Wiener, two shots (n estimated)",
}
FIGURES: dict[str, Callable[..., Markup | None]] = {}
"""Every figure by its name."""
Arguments = ParamSpec("Arguments")


def figure(draw: Callable[Arguments, str | None]) -> Callable[Arguments, Markup | None]:
    """Make a figure known to the templates; its element of our own making is not escaped again."""

    def drawn_figure(*arguments: Arguments.args, **named: Arguments.kwargs) -> Markup | None:
        text = draw(*arguments, **named)
        return None if text is None else Markup(text)

    drawn_figure.__doc__ = draw.__doc__
    FIGURES[draw.__name__] = drawn_figure
    return drawn_figure


@figure
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


@figure
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


@figure
def psnr_by_delta(advice: Mapping[str, Any]) -> str:
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
    return svg(draw, "advise-delta", label, (7.2, 4.2))


@figure
def point_spread(optics: Mapping[str, Any], planes: Sequence[np.ndarray]) -> str:
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
    return svg(draw, "point-spread", f"Point spread function: along the axis, and across it at ΔD = {places} µm.", WIDE)


@figure
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


@figure
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
