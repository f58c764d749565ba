"""What the stage advise found: restoration against the distance of the shots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tsva.report.inputs import Advice
from tsva.report.svg import BAND, INK, MARKERS, MUTED, SERIES, svg

SIZE_IN = (7.2, 4.2)
NAMES = {
    "sharper_shot": "sharper shot as captured",
    "wiener_one_shot": "Wiener on it (told n)",
    "wiener_two_shot": "Wiener, two shots (told n)",
    "wiener_blind": "Wiener, two shots (n estimated)",
}


def advice(found: Advice | None) -> dict[str, Any] | None:
    """What the page says of the distance of the shots.

    Returns
    -------
    dict or None
        The stage's summary; `cost_db`: what the distance that was scanned with costs against the best one (dB, n
        estimated; None where it isn't among those compared), and `second_shot_db`: what the second shot's pixels add
        to the sharper one's there (both told n).
    """
    if found is None:
        return None
    curves, summary = found.curves, dict(found.summary)
    here = curves[np.isclose(curves["delta_um"], summary["scanned_with_um"])].set_index("method")["psnr_db"]
    blind = curves[(curves["method"] == "wiener_blind") & (curves["delta_um"] > 0)]["psnr_db"]
    summary["cost_db"] = float(blind.max() - here["wiener_blind"]) if len(here) else None
    summary["second_shot_db"] = float(here["wiener_two_shot"] - here["wiener_one_shot"]) if len(here) else None
    return summary


def delta_figure(curves: pd.DataFrame, summary: Mapping[str, Any]) -> str:
    """Mean PSNR by δ, one shot at F beside it, the best δ's interval as a band.

    Parameters
    ----------
    curves : DataFrame
        ``advise/delta.tsv``.
    summary : mapping
        ``advise/summary.json``; the band is the interval of Wiener restoration with estimated n, and the distance that
        was scanned with is marked.

    Returns
    -------
    str
        An ``<svg>`` element.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        interval = summary["best"]["wiener_blind"]
        axes.axvspan(
            interval["low_um"], interval["high_um"], color=BAND, lw=0, zorder=0, label="best δ for n estimated, 95 %"
        )
        axes.axvline(summary["scanned_with_um"], color=INK, lw=0.8, ls=":", label="distance scanned with")
        for (method, name), colour, marker in zip(NAMES.items(), (MUTED, *SERIES), ("x", *MARKERS), strict=False):
            rows = curves[curves["method"] == method]
            alone, pairs = rows[rows["delta_um"] == 0], rows[rows["delta_um"] > 0]
            axes.plot(pairs["delta_um"], pairs["psnr_db"], color=colour, marker=marker, label=name)
            axes.plot(alone["delta_um"], alone["psnr_db"], color=colour, marker=marker, ls="none")
        axes.set(xlabel="δ, half the distance of the shots (µm); at 0: one shot at F", ylabel="PSNR (dB)")
        axes.legend(loc="lower left")

    label = f"Line plot of PSNR by half the distance of the shots: {', '.join(NAMES.values())}."
    return svg(draw, "advise-delta", label, SIZE_IN)
