"""The page of a calibration: what was measured, and how well the model follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml
from markupsafe import Markup
from matplotlib.figure import Figure

from tsva.report.page import INSIDE, TEMPLATES, environment
from tsva.report.plots import BAND, INK, MARKERS, MUTED, SERIES, FigureSet, Plot

RINGS_SHOWN = 6
MOST_STACKS = 8
"""Whose brightness is drawn one by one."""
CURVES = {
    "sharper_shot": "sharper shot as captured",
    "known": "linear, offset known",
    "estimated": "linear, offset estimated",
}


def calibration_page(found: Mapping[str, Any]) -> tuple[str, dict[str, bytes]]:
    """Write the page.

    Parameters
    ----------
    found : mapping
        As `tsva.training.calibration.record.as_json` returns, with the key ``fine_tuning``.

    Returns
    -------
    page : str
        HTML that needs nothing else.
    figures : dict of str to bytes
        Files of the figures on it.
    """
    figure_set = FigureSet(
        {"spectra": spectra, "brightness": brightness, "focal_map": focal_map, "delta": delta, "gains": gains}
    )
    inside = {name: Markup((TEMPLATES / f"page.{kind}").read_text(encoding="utf-8")) for name, kind in INSIDE.items()}
    template = environment(lambda _: b"", figure_set, ()).get_template("calibration.html.jinja")
    (page,) = figure_set.filled(template.render(found=found, snippet=snippet(found["settings"]), **inside))
    return page, figure_set.files


def snippet(settings: Mapping[str, Any]) -> str:
    """Sections to paste into a settings file."""
    text: str = yaml.safe_dump(dict(settings), sort_keys=False, default_flow_style=None, allow_unicode=True)
    return text


def spectra(found: Mapping[str, Any]) -> Plot:
    """Power that neighbouring planes share by defocus, at several frequencies: dots measured, lines modelled."""
    held = found["spectra"]
    frequency, z_um = np.array(held["frequency_per_um"]), np.array(held["z_um"])
    measured, modelled = (np.array(held[key], dtype=float) for key in ("measured", "modelled"))
    chosen = np.unique(np.linspace(1, len(frequency) - 2, RINGS_SHOWN).round().astype(int))
    channels = held["channels"]

    def draw(figure: Figure) -> None:
        for number, (axes, name) in enumerate(
            zip(np.atleast_1d(figure.subplots(1, len(channels), sharey=True)), channels, strict=True)
        ):
            for place, ring in enumerate(chosen):
                colour, marker = SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)]
                axes.plot(z_um, modelled[number, ring], color=colour, lw=1.2)
                label = f"{frequency[ring]:.2g} per µm" if number == 0 else None
                axes.plot(z_um, measured[number, ring], color=colour, marker=marker, ls="none", ms=3.5, label=label)
            axes.set(title=name, xlabel="defocus (µm)")
            if number == 0:
                axes.set_ylabel("power over that in focus")
        figure.legend(loc="outside lower center", ncols=3)

    rows = [
        {
            "channel": name,
            "frequency_per_um": frequency[ring],
            "z_um": z,
            "measured": measured[c, ring, p],
            "modelled": modelled[c, ring, p],
        }
        for c, name in enumerate(channels)
        for ring in range(len(frequency))
        for p, z in enumerate(z_um)
    ]
    label = "Power shared by neighbouring planes by defocus at several spatial frequencies, measured and modelled."
    return Plot("spectra", label, (3.2 + 2.4 * len(channels), 4.4), draw, rows)


def brightness(found: Mapping[str, Any]) -> Plot:
    """Mean grey level of each plane, as captured."""
    shown = found["brightness"][:MOST_STACKS]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, row in enumerate(shown):
            levels = np.array(row["mean_grey_levels"]).mean(axis=1)
            axes.plot(row["z_um"], levels, color=SERIES[number % len(SERIES)], marker=MARKERS[number % len(MARKERS)])
        axes.axvline(0, color=MUTED, lw=0.8, ls=":")
        axes.set(xlabel="from the in-focus plane (µm)", ylabel="mean grey level of 255")

    rows = [
        {"stack": row["stack"], "z_um": z, "mean_grey_level": float(np.mean(levels))}
        for row in found["brightness"]
        for z, levels in zip(row["z_um"], row["mean_grey_levels"], strict=True)
    ]
    return Plot("brightness", "Mean grey level of each plane.", (5.4, 3.4), draw, rows)


def focal_map(found: Mapping[str, Any]) -> Plot | None:
    """Where the windows of the first stack are sharpest; None where it has one window alone."""
    windows = found["focus"]["windows"]
    first = [row for row in windows if row["stack"] == windows[0]["stack"]]
    if len(first) < 2:
        return None
    half = found["focus"]["window_px"] / 2

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        x, y, z = (np.array([row[key] for row in first]) for key in ("x_px", "y_px", "focus_um"))
        reach = max(float(np.abs(z).max()), 1e-3)
        dots = axes.scatter(x + half, y + half, c=z, s=220, marker="s", cmap="coolwarm", vmin=-reach, vmax=reach)
        figure.colorbar(dots, label="focus (µm from the in-focus plane)")
        axes.set(xlabel="x (pixels)", ylabel="y (pixels)", aspect="equal")
        axes.margins(0.15)
        axes.invert_yaxis()

    label = f"Focal position of the windows of {first[0]['stack']}."
    return Plot("focal-map", label, (5.4, 4.2), draw, windows)


def delta(found: Mapping[str, Any]) -> Plot:
    """PSNR of linear restoration by half the distance of the shots."""
    held = found["delta"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvspan(held["low_um"], held["high_um"], color=BAND, lw=0, zorder=0)
        axes.axvline(held["delta_um"], color=INK, lw=0.8, ls=":", label="best, offset estimated")
        for number, (key, name) in enumerate(CURVES.items()):
            colour = MUTED if key == "sharper_shot" else SERIES[number]
            axes.plot(held["compared_um"], held["psnr_db"][key], color=colour, marker=MARKERS[number], label=name)
        axes.set(xlabel="δ, half the distance of the shots (µm)", ylabel="expected PSNR (dB)")
        axes.legend(loc="lower left")

    rows = [
        {"delta_um": d, **{key: held["psnr_db"][key][i] for key in CURVES}} for i, d in enumerate(held["compared_um"])
    ]
    return Plot("delta", "Expected PSNR by half the distance of the shots.", (5.4, 3.8), draw, rows)


def gains(found: Mapping[str, Any]) -> Plot | None:
    """Gain of each kept pair before and after fine-tuning; None without it."""
    tuning = found.get("fine_tuning")
    if not tuning or not tuning["pairs"]:
        return None
    pairs: Sequence[Mapping[str, Any]] = tuning["pairs"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=INK, lw=1)
        for number, (key, name) in enumerate((("before_db", "network as given"), ("after_db", "fine-tuned"))):
            offsets = [row["offset_um"] for row in pairs]
            axes.plot(
                offsets,
                [row[key] for row in pairs],
                ls="none",
                marker=MARKERS[number],
                color=SERIES[number],
                label=name,
            )
        axes.set(xlabel="focal offset (µm)", ylabel="gain over the sharper shot (dB)")
        axes.legend(loc="best")

    return Plot("gains", "Gain of pairs kept aside, before and after fine-tuning.", (6.4, 3.8), draw, pairs)
