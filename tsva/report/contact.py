"""Contact sheet: a stack of every kind of slide, plane by plane from one side of focus to the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tsva.report.inputs import Slide
from tsva.report.pictures import jpeg_uri, scale_bar
from tsva.settings.pairs import PairsSettings

SIDE_UM = (0.5, 1.0, 2.0, 3.0)
"""Defocus of the planes shown on either side of the in-focus one, as far as the grid of planes has them."""
EDGE = 128
"""Pixels along a crop's edge."""
ROWS = 24
"""More kinds than these would be a page of their own."""


def choose(slides: Sequence[Slide], pairs: PairsSettings) -> list[dict[str, Any]]:
    """One slide of every kind, and the crop of it that shows most: the one with the most contrast in focus.

    Parameters
    ----------
    slides : sequence of Slide
        In the order of the sheet; those without pairs are passed over.
    pairs : PairsSettings
        Which planes the stacks hold.

    Returns
    -------
    list of dict
        `slide`, `sample`, `role`, `tissue`, `stain`, `microscope`, `field`, `patch` (index in the slide's array),
        `y_px` and `x_px` (corner in the patch), `edge_px`, `defocus_um` (a plane each), `bar_um`, `bar_share`.
    """
    kinds: dict[tuple[str | None, ...], Slide] = {}
    for slide in slides:
        if slide.stacks is not None and slide.patches is not None and len(slide.patches):
            kinds.setdefault((slide.tissue or slide.sample, slide.stain, slide.microscope), slide)
    defocus = [round(place * pairs.z_step_um, 6) for place in _planes(pairs)]
    return [{**_row(slide), "defocus_um": defocus} for slide in list(kinds.values())[:ROWS]]


def _planes(pairs: PairsSettings) -> list[int]:
    """Planes to show, in steps from the in-focus one."""
    steps = {round(size / pairs.z_step_um) for size in SIDE_UM} & set(range(1, pairs.reach_planes + 1))
    return [*sorted(-step for step in steps), 0, *sorted(steps)]


def _row(slide: Slide) -> dict[str, Any]:
    assert slide.patches is not None and slide.stacks is not None
    first = slide.patches[slide.patches["field"] == slide.patches["field"].iloc[0]]
    edge = min(EDGE, *slide.stacks.shape[2:4])
    middle = slide.stacks.shape[1] // 2
    patch, y, x = _richest([(int(index), slide.stacks[index, middle]) for index in first["index"]], edge)
    return {
        **{key: getattr(slide, key) or None for key in ("sample", "role", "tissue", "stain", "microscope")},
        "slide": slide.name,
        "field": str(first["field"].iloc[0]),
        "patch": patch,
        "y_px": y,
        "x_px": x,
        "edge_px": edge,
        **scale_bar(edge * float(first["pixel_um"].iloc[0])),
    }


def _richest(images: Iterable[tuple[int, np.ndarray]], edge: int) -> tuple[int, int, int]:
    """The crop with the largest standard deviation of grey, of every image's corners: its image, y and x."""
    crops = (
        (float(image[y : y + edge, x : x + edge].mean(axis=2).std()), (index, y, x))
        for index, image in images
        for y in sorted({0, image.shape[0] - edge})
        for x in sorted({0, image.shape[1] - edge})
    )
    return max(crops, key=lambda crop: crop[0])[1]


def pictures(slides: Sequence[Slide], chosen: Sequence[dict[str, Any]], pairs: PairsSettings) -> list[list[str]]:
    """The crops at native resolution, data URIs, a list a row in the order of its `defocus_um`."""
    stacks = {slide.name: slide.stacks for slide in slides}
    return [
        [jpeg_uri(_crop(stacks[row["slide"]], row, pairs.reach_planes + step)) for step in _planes(pairs)]
        for row in chosen
    ]


def _crop(stacks: np.ndarray | None, row: dict[str, Any], plane: int) -> np.ndarray:
    assert stacks is not None
    y, x, edge = row["y_px"], row["x_px"], row["edge_px"]
    return np.asarray(stacks[row["patch"], plane, y : y + edge, x : x + edge])
