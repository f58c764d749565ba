"""A page that shows the first pictures of a run, long before its report is done."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

PICTURE_PX = 224
GAP_PX = 6
REFRESH_S = 15
SHOWN_OFFSETS_UM = (-2.0, 1.0, 2.0)
"""Focal offsets of the pairs that are shown, where the run has them."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{refresh}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>First look</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 62rem; padding: 0 1rem }}
img {{ max-width: 100%; height: auto }}
figure {{ margin: 1.2rem 0 }}
figcaption {{ font-size: .9rem; opacity: .8 }}
</style></head><body>
<h1>First look at slide {slide}</h1>
<p>While the run goes on, this page loads itself anew every {refresh} seconds and fills as methods finish.
At its end, all numbers are in the <a href="{report}">report</a>.</p>
<figure><img src="shots.jpg" alt="shots and in-focus image">
<figcaption>A row for each pair of shots: low shot, high shot, in-focus image.
Focal offsets: {offsets} µm. Shots lie {delta:g} µm below and above the parking position.</figcaption></figure>
{methods}
</body></html>
"""
METHOD = """<figure><img src="{name}.jpg" alt="{name}: not finished yet">
<figcaption>{name}: restored image, and its difference from the in-focus image, times five.</figcaption></figure>
"""


def shown_places(offsets_um: Sequence[float]) -> list[int]:
    """Places of the shown offsets in a grid of focal offsets; the farthest one where none of them is there."""
    found = [
        place for place, offset in enumerate(offsets_um) if any(abs(offset - at) < 1e-6 for at in SHOWN_OFFSETS_UM)
    ]
    return found or [len(offsets_um) - 1]


def page(slide: str, offsets_um: Sequence[float], delta_um: float, methods: Sequence[str], report: str) -> str:
    """The page, as HTML.

    Parameters
    ----------
    slide : str
    offsets_um : sequence of float
        Focal offsets of the pairs in ``shots.jpg``, a row each.
    delta_um : float
        Half the distance between the shots.
    methods : sequence of str
        Their pictures, ``<method>.jpg``, come later.
    report : str
        Address of the report that the run will write, relative to the page.

    Returns
    -------
    str
    """
    return PAGE.format(
        slide=escape(slide),
        refresh=REFRESH_S,
        report=escape(report, quote=True),
        offsets=", ".join(f"{offset:+g}" for offset in offsets_um),
        delta=delta_um,
        methods="".join(METHOD.format(name=escape(name)) for name in methods),
    )


def mosaic(rows: Sequence[Sequence[np.ndarray]]) -> Image.Image:
    """Images side by side, a row of them below another.

    Parameters
    ----------
    rows : sequence of sequence of (Y, X, 1 or 3) uint8 arrays
        All of one size, cut to the first `PICTURE_PX` pixels each way.

    Returns
    -------
    Image
    """
    cut = [[_rgb(image[:PICTURE_PX, :PICTURE_PX]) for image in row] for row in rows]
    height, width = cut[0][0].shape[:2]
    whole = np.full(
        (len(cut) * (height + GAP_PX) - GAP_PX, max(map(len, cut)) * (width + GAP_PX) - GAP_PX, 3), 255, np.uint8
    )
    for i, row in enumerate(cut):
        for j, image in enumerate(row):
            y, x = i * (height + GAP_PX), j * (width + GAP_PX)
            whole[y : y + height, x : x + width] = image
    return Image.fromarray(whole)


def difference(restored: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(Y, X, C) uint8: the difference of two images about middle grey, five times enlarged."""
    enlarged = 128 + 5 * (restored.astype(int) - target)
    return enlarged.clip(0, 255).astype(np.uint8)


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
