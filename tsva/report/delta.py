"""The figure of the stage advise: restoration against the distance of the shots."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tsva.report.svg import BAND, INK, MARKERS, MUTED, SERIES, svg

SIZE_IN = (7.2, 4.2)
NAMES = {
    "sharper_shot": "sharper shot as captured",
    "wiener_one_shot": "Wiener on it (told n)",
    "wiener_two_shot": "Wiener, two shots (told n)",
    "wiener_blind": "Wiener, two shots (n estimated)",
}


def delta_figure(curves: pd.DataFrame, best: dict[str, Any], scanned_with_um: float) -> str:
    """Mean PSNR by δ, one shot at F beside it, the best δ's interval as a band.

    Parameters
    ----------
    curves : DataFrame
        ``advise/delta.tsv``.
    best : dict
        ``best`` of ``advise/summary.json``; the band is that of Wiener restoration with estimated n.
    scanned_with_um : float
        pairs.delta_um, marked.

    Returns
    -------
    str
        An ``<svg>`` element.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        interval = best["wiener_blind"]
        axes.axvspan(
            interval["low_um"], interval["high_um"], color=BAND, lw=0, zorder=0, label="best δ for n estimated, 95 %"
        )
        axes.axvline(scanned_with_um, color=INK, lw=0.8, ls=":", label="distance scanned with")
        for (method, name), colour, marker in zip(NAMES.items(), (MUTED, *SERIES), ("x", *MARKERS), strict=False):
            rows = curves[curves["method"] == method]
            alone, pairs = rows[rows["delta_um"] == 0], rows[rows["delta_um"] > 0]
            axes.plot(pairs["delta_um"], pairs["psnr_db"], color=colour, marker=marker, label=name)
            axes.plot(alone["delta_um"], alone["psnr_db"], color=colour, marker=marker, ls="none")
        axes.set(xlabel="δ, half the distance of the shots (µm); at 0: one shot at F", ylabel="PSNR (dB)")
        axes.legend(loc="lower left")

    label = f"Line plot of PSNR by half the distance of the shots: {', '.join(NAMES.values())}."
    return svg(draw, "advise-delta", label, SIZE_IN)
