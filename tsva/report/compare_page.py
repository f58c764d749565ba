"""The page that compares runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from tsva.evaluation.names import dataset_name
from tsva.report.page import INSIDE, TEMPLATES, environment
from tsva.report.plots import INK, MARKERS, SERIES, FigureSet, Plot


def compare_page(found: Mapping[str, Any]) -> tuple[str, dict[str, bytes]]:
    """Write the page.

    Parameters
    ----------
    found : mapping
        As :func:`tsva.evaluation.compare.compare` returns.

    Returns
    -------
    page : str
        HTML that needs nothing else.
    figures : dict of str to bytes
        Files of the figures on it.
    """
    figure_set = FigureSet({"differences": differences})
    inside = {name: Markup((TEMPLATES / f"page.{kind}").read_text(encoding="utf-8")) for name, kind in INSIDE.items()}
    template = environment(lambda _: b"", figure_set, ()).get_template("compare.html.jinja")
    (page,) = figure_set.filled(template.render(found=found, **inside))
    return page, figure_set.files


def differences(found: Mapping[str, Any]) -> Plot | None:
    """Paired differences of all methods, with intervals over slides; None where no patches are the same."""
    rows = [row for row in found["rows"] if row["difference_db"] is not None]
    if not rows:
        return None
    runs = list(dict.fromkeys(row["after"] for row in rows))
    names = list(dict.fromkeys(f"{dataset_name(row['dataset'])}: {row['name']}" for row in rows))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=INK, lw=1)
        for number, run in enumerate(runs):
            of = [row for row in rows if row["after"] == run]
            places = np.array([names.index(f"{dataset_name(row['dataset'])}: {row['name']}") for row in of], float)
            places += (number - (len(runs) - 1) / 2) * 0.6 / len(runs)
            colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
            low, high = ([np.nan if row[key] is None else row[key] for row in of] for key in ("low_db", "high_db"))
            axes.hlines(places, low, high, color=colour, lw=1.4)
            middle = [row["difference_db"] for row in of]
            axes.plot(middle, places, ls="none", marker=marker, color=colour, label=f"{run} less {found['runs'][0]}")
        axes.set(xlabel="paired difference in PSNR (dB)")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        figure.legend(loc="outside lower center")

    keys = ("before", "after", "dataset", "method", "difference_db", "low_db", "high_db", "patches")
    label = f"Paired differences in PSNR between runs: {', '.join(names)}."
    numbers = [{key: row[key] for key in keys} for row in rows]
    return Plot("run-differences", label, (8.5, 1.6 + 0.35 * len(names)), draw, numbers)
