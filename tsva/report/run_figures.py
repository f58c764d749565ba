"""Figures of the run: optics, focal positions, distance of the shots, training, and time of the stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tsva.evaluation.names import Row, dataset_name, listed
from tsva.report.figures import WIDE, Summary, figure, look_of, method_names, values
from tsva.report.plots import BAND, INK, MARKERS, MUTED, SERIES, Plot

DELTA_METHODS = {
    "sharper_shot": "sharper shot as captured",
    "wiener_one_shot": "Wiener on it (known n)",
    "wiener_two_shot": "Wiener, two shots (known n)",
    "wiener_blind": "Wiener, two shots (n estimated)",
}


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
            axes.plot(values(pairs, "delta_um"), values(pairs, "psnr_db"), label=name, **style)
            axes.plot(values(alone, "delta_um"), values(alone, "psnr_db"), ls="none", **style)
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
    places = values(rows, x)
    axes.bar(places, values(rows, y), width=step * 0.85, color=SERIES[0], alpha=0.55, lw=0, label="counted")
    axes.plot(places, values(rows, expected), color=INK, marker="_", markersize=9, lw=0.8, label="assumed Gaussian")
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
            log, style = network["log"], look_of(network["network"], names)
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
    return Plot("training", f"Training curves of {method_names(names)}.", WIDE, draw, rows)


def _line(axes: Axes, log: Mapping[str, Sequence[float | None]], column: str, **style: Any) -> None:
    """One column of a log by step, where it has values."""
    points = [(x, y) for x, y in zip(log["step"], log.get(column, []), strict=False) if x is not None and y is not None]
    if points:
        axes.plot(*zip(*points, strict=True), **style)


@figure
def run_times(summary: Summary) -> Plot | None:
    """Time of each stage, all jobs together, and the memory of its largest job; None without benchmark files."""
    rows = [row for row in summary["run_times"] if row["seconds"] is not None]
    if not rows:
        return None

    def draw(figure: Figure) -> None:
        seconds, memory = figure.subplots(1, 2, sharey=True)
        names = [f"{row['stage']} ({row['jobs']} job{'s' if row['jobs'] != 1 else ''})" for row in rows]
        seconds.barh(names, values(rows, "seconds") / 60, color=SERIES[0])
        memory.barh(names, values(rows, "max_memory_mb") / 1000, color=SERIES[1])
        seconds.invert_yaxis()
        seconds.set(xlabel="time of all jobs (minutes)")
        memory.set(xlabel="memory of the largest job (GB)")
        for axes in (seconds, memory):
            axes.grid(axis="y", visible=False)

    label = "Bars of each stage's time and memory: " + ", ".join(row["stage"] for row in rows) + "."
    return Plot("run-times", label, (9.6, 0.9 + 0.3 * len(rows)), draw, rows)
