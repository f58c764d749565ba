"""Pages beside the report: restored slides before and after, and runs compared."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from tsva.evaluation.names import dataset_name
from tsva.report.page import INSIDE, TEMPLATES, embedded, environment
from tsva.report.plots import INK, MARKERS, SERIES, FigureSet, Plot

LARGEST_PX, SMALLER_PX = 1200, 500
"""Edges of pictures; the smaller one where there are more than `MANY` slides, so that the page stays below 40 MB."""
MANY = 12
QUALITY, MAP_QUALITY = 85, 100
BIN_UM = 0.25
PICTURES = {
    "before": "Nearer shot, as captured",
    "after": "Restored",
    "trust": "Verdict by cell",
    "focus_map": "Focal offset by cell",
}


@dataclass(frozen=True)
class SlideShown:
    """A row of ``slides.tsv`` and what lies in its folder.

    Attributes
    ----------
    slide, name : str
        Of the sheet; of the pyramid.
    reason : str
        Why it was not restored, if so.
    facts : mapping
        ``slide.json`` and ``summary.json``.
    pictures : dict of str to bytes
        PNG files by the names of `PICTURES`.
    offsets_um : (N,) array
        Focal offsets of the cells in which they are known.
    """

    slide: str
    name: str
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    offsets_um: np.ndarray = field(default_factory=lambda: np.zeros(0))


def slides_page(slides: Sequence[SlideShown]) -> str:
    """Write the page.

    Parameters
    ----------
    slides : sequence of SlideShown

    Returns
    -------
    str
        HTML that needs nothing else.
    """
    edge = LARGEST_PX if len(slides) <= MANY else SMALLER_PX
    inside = {name: Markup((TEMPLATES / f"page.{kind}").read_text(encoding="utf-8")) for name, kind in INSIDE.items()}
    shown = [_shown(slide, edge) for slide in slides]
    template = environment(lambda _: b"", FigureSet({}), ()).get_template("slides.html.jinja")
    return template.render(slides=shown, titles=PICTURES, **inside)


def _shown(slide: SlideShown, edge: int) -> dict[str, Any]:
    """What the template shows of a slide."""
    shape_px = [slide.facts.get(name, 0) for name in ("height_px", "width_px")]
    verdicts = [row for row in slide.facts.get("verdicts", []) if row["cells"]]
    return {
        "slide": slide.slide,
        "name": slide.name,
        "reason": slide.reason,
        "facts": slide.facts,
        "verdicts": verdicts,
        "shares": {row["verdict"]: row["share_of_tissue"] for row in verdicts},
        "images": _same_size(slide.pictures, shape_px, slide.facts.get("cell_px", 1), edge) if slide.pictures else {},
        "histogram": _histogram(slide.offsets_um),
    }


def _same_size(pictures: Mapping[str, bytes], shape_px: Sequence[int], cell_px: int, edge: int) -> dict[str, str]:
    """Pictures of one size as data URIs, so that they are enlarged together; maps lose what lies beyond the slide."""
    opened = {name: Image.open(io.BytesIO(content)).convert("RGB") for name, content in pictures.items()}
    factor = min(1.0, edge / max(opened["before"].size))
    width, height = (max(1, round(side * factor)) for side in opened["before"].size)
    size = width, height
    found = {}
    for name, picture in opened.items():
        is_map = name in ("trust", "focus_map")
        if is_map:
            cells = [-(-side // cell_px) * cell_px for side in shape_px]
            box = (0.0, 0.0, picture.width * shape_px[1] / cells[1], picture.height * shape_px[0] / cells[0])
            resized = picture.resize(size, Image.Resampling.NEAREST, box=box)
        else:
            resized = picture.resize(size, Image.Resampling.LANCZOS)
        written = io.BytesIO()
        if is_map:
            resized.quantize(256).save(written, "PNG", optimize=True)
        else:
            resized.save(written, "WEBP", quality=QUALITY)
        found[name] = embedded(f"{name}.{'png' if is_map else 'webp'}", written.getvalue())
    return found


def _histogram(offsets_um: np.ndarray) -> tuple[list[float], list[float]] | None:
    """Offsets and the share of cells that has them, in percent, as a line of steps."""
    if len(offsets_um) < 2:
        return None
    first, last = np.floor(offsets_um.min() / BIN_UM), np.ceil(offsets_um.max() / BIN_UM)
    edges = np.arange(first, max(last, first + 1) + 1) * BIN_UM
    counts = np.histogram(offsets_um, edges)[0] * 100 / len(offsets_um)
    steps = np.repeat(counts, 2).tolist()
    return np.repeat(edges, 2)[1:-1].tolist(), steps


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
