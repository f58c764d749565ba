"""Pictures of slides: stacks plane by plane, and fields with their focal surface and the offsets of their patches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
import numpy as np

from tsva.evaluation.inputs import Slide
from tsva.evaluation.picture_files import Images, scale_bar
from tsva.settings.acquisition import PairsSettings

NUMBER = 4
"""Slides shown, spread evenly over the sheet."""
HEIGHTS = "viridis"
"""Even steps of lightness; and not the error maps' colours, which mean something else."""
MAP_PX = 240
"""Largest edge of a map: heights vary slowly."""
MOSAIC_PX = 640
"""Largest edge of a mosaic of patches."""
BORDER = 255
"""The map's index for the border between two planes."""
SIDE_UM = (0.5, 1.0, 2.0, 3.0)
"""Defocus of the planes shown on either side of the in-focus one, as far as the grid of planes has them."""
EDGE = 128
"""Pixels along a crop's edge."""
ROWS = 24
"""More kinds than these would be a page of their own."""


def choose_stacks(slides: Sequence[Slide], pairs: PairsSettings) -> list[dict[str, Any]]:
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
    return [{**_stack_row(slide), "defocus_um": defocus} for slide in list(kinds.values())[:ROWS]]


def _planes(pairs: PairsSettings) -> list[int]:
    """Planes to show, in steps from the in-focus one."""
    steps = {round(size / pairs.z_step_um) for size in SIDE_UM} & set(range(1, pairs.reach_planes + 1))
    return [*sorted(-step for step in steps), 0, *sorted(steps)]


def _stack_row(slide: Slide) -> dict[str, Any]:
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


def stack_pictures(
    slides: Sequence[Slide], chosen: Sequence[dict[str, Any]], pairs: PairsSettings, images: Images
) -> list[list[str]]:
    """The crops at native resolution, names of files, a list a row in the order of its `defocus_um`."""
    stacks = {slide.name: slide.stacks for slide in slides}
    return [
        [images.jpeg("stack", _crop(stacks[row["slide"]], row, pairs.reach_planes + step)) for step in _planes(pairs)]
        for row in chosen
    ]


def _crop(stacks: np.ndarray | None, row: dict[str, Any], plane: int) -> np.ndarray:
    assert stacks is not None
    y, x, edge = row["y_px"], row["x_px"], row["edge_px"]
    return np.asarray(stacks[row["patch"], plane, y : y + edge, x : x + edge])


def choose_fields(slides: Sequence[Slide]) -> list[dict[str, Any]]:
    """Example fields: of slides spread evenly over the sheet, the first field with the most patches.

    Parameters
    ----------
    slides : sequence of Slide
        In the order of the sheet; those without pairs are passed over.

    Returns
    -------
    list of dict
        `slide`, `sample`, `role`, `field`, `focus_z_um` (of the plane found in focus), `patches` (`row`, `column`,
        `y_px`, `x_px`, `focal_offset_um`), `patch_px`, `bar_um` and `bar_share` (scale bar), and of the true focal
        surface
        under the patches `surface_low_um`, `surface_high_um`, `surface_mean_um` (None where defocus is real).
    """
    shown = [slide for slide in slides if slide.stacks is not None and slide.patches is not None and len(slide.patches)]
    places = np.linspace(0, len(shown) - 1, NUMBER).round().astype(int)
    return [_field(shown[place]) for place in sorted(set(places))] if shown else []


def _field(slide: Slide) -> dict[str, Any]:
    assert slide.patches is not None and slide.stacks is not None
    numbers = slide.patches["field"].value_counts(sort=False)
    field = str(numbers.idxmax())
    rows = slide.patches[slide.patches["field"] == field]
    surface = _surface(slide, field)
    heights = (None,) * 3 if surface is None else (surface.min(), surface.max(), surface.mean())
    across = _extent(slide, field)[1]
    return {
        "slide": slide.name,
        "sample": slide.sample,
        "role": slide.role,
        "field": field,
        "focus_z_um": float(rows["focus_z_um"].iloc[0]),
        "patches": rows[["row", "column", "y_px", "x_px", "focal_offset_um"]].to_dict("records"),
        "patch_px": slide.stacks.shape[2],
        **scale_bar((across.stop - across.start) * float(rows["pixel_um"].iloc[0])),
        **dict(zip(("surface_low_um", "surface_high_um", "surface_mean_um"), heights, strict=True)),
    }


def _extent(slide: Slide, field: str) -> tuple[slice, slice]:
    """What of a field its patches span, in y and x."""
    assert slide.patches is not None and slide.stacks is not None
    rows = slide.patches[slide.patches["field"] == field]
    edge = slide.stacks.shape[2]
    y, x = (slice(int(rows[key].min()), int(rows[key].max()) + edge) for key in ("y_px", "x_px"))
    return y, x


def _surface(slide: Slide, field: str) -> np.ndarray | None:
    """The true focal surface where the patches are, (Y, X) in micrometres; None where it isn't known."""
    found = slide.surfaces.get(field)
    return None if found is None else np.asarray(found[_extent(slide, field)])


def field_pictures(
    slides: Sequence[Slide], chosen: Sequence[dict[str, Any]], step_um: float, images: Images
) -> dict[str, Any]:
    """Maps on one scale, and mosaics of the in-focus patches.

    Parameters
    ----------
    slides : sequence of Slide
        With stacks and surfaces.
    chosen : sequence of dict
        As :func:`choose_fields` returns.
    step_um : float
        Distance of the planes, between which the maps draw borders.
    images : Images
        Takes the pictures up.

    Returns
    -------
    dict
        `low_um`, `high_um` (ends of the scale; None without a surface), `colours` (file of the scale) and `fields`,
        one a field: `surface` (file or None), `mosaic` (file), `height_px` and `width_px` of what the mosaic
        shows, `patches` (`y_px`, `x_px` in it, `focal_offset_um`).
    """
    named = {slide.name: slide for slide in slides}
    ends = [row[f"surface_{end}_um"] for row in chosen for end in ("low", "high")]
    known = [end for end in ends if end is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    colours = matplotlib.colormaps[HEIGHTS](np.linspace(0, 1, BORDER + 1), bytes=True)[:, :3].copy()
    scale = images.palette("heights_scale", np.arange(BORDER, dtype=np.uint8)[None], colours)
    colours[BORDER] = 255
    fields = []
    for row in chosen:
        slide = named[row["slide"]]
        surface = _surface(slide, row["field"])
        indices = None if surface is None else height_map(surface, low, high, step_um)
        fields.append(
            {
                "surface": None if indices is None else images.palette("heights", indices, colours),
                **_mosaic(slide, row, images),
            }
        )
    return {
        "low_um": min(known, default=None),
        "high_um": max(known, default=None),
        "colours": scale,
        "fields": fields,
    }


def height_map(surface_um: np.ndarray, low_um: float, high_um: float, step_um: float) -> np.ndarray:
    """Heights as indices of colour, with the borders at which the nearest plane changes.

    Parameters
    ----------
    surface_um : (Y, X) float array
        Heights; shown thinned where larger than a map has to be.
    low_um, high_um : float
        Heights of the first and the last colour.
    step_um : float
        Distance of the planes, which lie at whole steps.

    Returns
    -------
    (Y, X) uint8 array
        0 to 254 from low to high; 255 on a border.
    """
    every = -(-max(surface_um.shape) // MAP_PX)
    thinned = surface_um[::every, ::every]
    span = max(high_um - low_um, 1e-9)
    indices = np.clip((thinned - low_um) / span * (BORDER - 1), 0, BORDER - 1).round().astype(np.uint8)
    nearest = np.rint(thinned / step_um)
    border = np.zeros(thinned.shape, bool)
    border[1:] |= nearest[1:] != nearest[:-1]
    border[:, 1:] |= nearest[:, 1:] != nearest[:, :-1]
    indices[border] = BORDER
    return indices


def _mosaic(slide: Slide, row: dict[str, Any], images: Images) -> dict[str, Any]:
    """The field's patches side by side in focus, each in its place; grey where a patch was left out."""
    assert slide.patches is not None and slide.stacks is not None
    rows = slide.patches[slide.patches["field"] == row["field"]]
    down, across = _extent(slide, row["field"])
    (top, height), (left, width) = ((part.start, part.stop - part.start) for part in (down, across))
    edge = row["patch_px"]
    image = np.full((height, width, slide.stacks.shape[4]), 128, np.uint8)
    middle = slide.stacks.shape[1] // 2
    for index, y, x in zip(rows["index"], rows["y_px"] - top, rows["x_px"] - left, strict=True):
        image[y : y + edge, x : x + edge] = slide.stacks[index, middle]
    return {
        "mosaic": images.jpeg("field", _reduced(image)),
        "height_px": height,
        "width_px": width,
        "patches": [
            {"y_px": patch["y_px"] - top, "x_px": patch["x_px"] - left, "focal_offset_um": patch["focal_offset_um"]}
            for patch in row["patches"]
        ],
    }


def _reduced(image: np.ndarray) -> np.ndarray:
    """Averages of whole blocks of pixels, so that the larger edge has at most `MOSAIC_PX`."""
    block = -(-max(image.shape[:2]) // MOSAIC_PX)
    height, width = (size // block * block for size in image.shape[:2])
    blocks = image[:height, :width].reshape(height // block, block, width // block, block, -1)
    return np.asarray(blocks.mean(axis=(1, 3)).round(), np.uint8)
