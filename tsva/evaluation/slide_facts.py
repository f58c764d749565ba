"""What ingest and focus found of each slide, and pictures of it: the content of the page on the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tsva.evaluation.inputs import Slide
from tsva.evaluation.picture_files import Images, scale_bar

CURVES = 4
"""Fields of a slide whose curves are shown: the first ones that were judged."""
HEIGHTS = 200
"""Fields of a slide whose in-focus positions are drawn."""
EDGE = 112
"""Pixels along the edge of a slide's pictures."""
SHEET = ("role", "sample", "source", "tissue", "stain", "microscope")
GEOMETRY = {
    "height_px": "max",
    "width_px": "max",
    "channels": "max",
    "planes": "max",
    "z_first_um": "min",
    "z_last_um": "max",
    "z_step_um": "median",
    "pixel_um": "median",
    "source_pixel_um": "median",
}
"""Columns of ingest's table of fields, and what is said of a slide whose fields differ."""


def slide_facts(slides: Sequence[Slide]) -> list[dict[str, Any]]:
    """A row a slide.

    Parameters
    ----------
    slides : sequence of Slide
        In the order of the sheet.

    Returns
    -------
    list of dict
        Of the sheet: `slide`, `role`, `sample`, `source`, `tissue`, `stain`, `microscope`. Of ingest: `fields`,
        `refused`, `height_px`, `width_px`, `channels`, `planes`, `z_first_um`, `z_last_um`, `z_step_um`, `pixel_um`,
        `source_pixel_um`, `pixel_source`, `z_source`, `brightness_spread`, `brightness_matched`, `notes`. Of focus:
        `judged`, `usable`, `edge`, `verdicts`, `initial_focal_position_um`, `max_shift_px`, `max_edge_shift_px`,
        `heights_um` (in-focus position of each usable field, in the fields' order) and `curves` (first fields: `field`,
        `z_um`, `sharpness` as a share of the largest, `scale_percent` by which magnification departs from that of the
        in-focus plane, `focus_z_um`). `brightness`: of the first field, `z_um` and `channels` (percent of each
        channel's median). Of pairs: `patches`, `left_out`, `bar_um` and `bar_share` of the pictures (None without).
    """
    return [_facts(slide) for slide in slides]


def _facts(slide: Slide) -> dict[str, Any]:
    sheet = {key: getattr(slide, key) or None for key in SHEET}
    patches = 0 if slide.patches is None else len(slide.patches)
    return {
        "slide": slide.name,
        **sheet,
        **_ingest(slide.ingest),
        **_focus(slide),
        "brightness": _brightness(slide.levels),
        "patches": patches,
        "left_out": 0 if slide.excluded is None else len(slide.excluded),
        **_bar(slide),
    }


def _ingest(table: pd.DataFrame | None) -> dict[str, Any]:
    taken = pd.DataFrame({"reason": []}) if table is None else table
    read = taken[taken["reason"] == ""]
    numbers = {
        key: float(getattr(read[key], how)()) if key in read and read[key].notna().any() else None
        for key, how in GEOMETRY.items()
    }
    return {
        "fields": len(taken),
        "refused": len(taken) - len(read),
        **numbers,
        **{key: _words(read, key) for key in ("pixel_source", "z_source", "notes")},
        "brightness_spread": _largest(read, "brightness_spread"),
        "brightness_matched": bool("brightness_matched" in read and (read["brightness_matched"] == 1).any()),
    }


def _words(table: pd.DataFrame, key: str) -> str | None:
    """The different texts of a column; None where it has none."""
    found = [str(text) for text in table[key].dropna().unique() if str(text)] if key in table else []
    return "; ".join(found) or None


def _largest(table: pd.DataFrame, key: str) -> float | None:
    return float(table[key].max()) if key in table and table[key].notna().any() else None


def _focus(slide: Slide) -> dict[str, Any]:
    fields = pd.DataFrame({"verdict": []}) if slide.fields is None else slide.fields
    usable = fields[fields["verdict"] == "ok"]
    heights = usable["focus_z_um"].dropna().tolist() if "focus_z_um" in usable else []
    return {
        "judged": len(fields),
        "usable": len(usable),
        "edge": int((fields["verdict"] == "edge").sum()),
        "verdicts": {str(name): int(number) for name, number in fields["verdict"].value_counts().items()},
        "initial_focal_position_um": (slide.focus or {}).get("initial_focal_position_um"),
        "max_shift_px": _largest(usable, "max_shift_px"),
        "max_edge_shift_px": _largest(usable, "max_edge_shift_px"),
        "heights_um": heights[:HEIGHTS],
        "curves": _curves(slide.planes, fields),
    }


def _curves(planes: pd.DataFrame | None, fields: pd.DataFrame) -> list[dict[str, Any]]:
    if planes is None:
        return []
    found = []
    focus = dict(zip(fields["field"], fields["focus_z_um"], strict=True)) if "focus_z_um" in fields else {}
    for field, rows in list(planes.groupby("field", sort=False))[:CURVES]:
        sharpness = rows["brenner"].to_numpy(float)
        top = np.nanmax(sharpness, initial=0)
        scale = rows["scale"].to_numpy(float) if "scale" in rows else np.full(len(rows), np.nan)
        found.append(
            {
                "field": str(field),
                "z_um": rows["z_um"].tolist(),
                "sharpness": (sharpness / top if top > 0 else sharpness).round(4).tolist(),
                "scale_percent": (100 * (scale - 1)).round(4).tolist(),
                "focus_z_um": focus.get(field),
            }
        )
    return found


def _brightness(levels: pd.DataFrame | None) -> dict[str, Any] | None:
    """Brightness of the first field's planes, each channel as percent of its median."""
    if levels is None or levels.empty:
        return None
    first = levels[levels["field"] == levels["field"].iloc[0]]
    columns = [first[name].to_numpy(float) for name in first if str(name).startswith("brightness_")]
    known = [column for column in columns if np.isfinite(column).all() and np.median(column) > 0]
    shares = [(100 * column / np.median(column)).round(3).tolist() for column in known]
    return {"field": str(first["field"].iloc[0]), "z_um": first["z_um"].tolist(), "channels": shares}


def _bar(slide: Slide) -> dict[str, Any]:
    if slide.stacks is None or slide.patches is None or not len(slide.patches):
        return {"bar_um": None, "bar_share": None}
    edge = min(EDGE, *slide.stacks.shape[2:4])
    return scale_bar(edge * float(slide.patches["pixel_um"].iloc[0]))


def slide_pictures(slides: Sequence[Slide], images: Images) -> list[dict[str, str] | None]:
    """Crops of each slide's first patch: the lowest plane, the in-focus one and the highest, for a quick look.

    Parameters
    ----------
    slides : sequence of Slide
        With stacks, where they have any.
    images : Images
        Takes the pictures up.

    Returns
    -------
    list of dict or None
        `low`, `focus`, `high` (files) a slide; None for a slide without patches.
    """
    return [_pictures(slide, images) for slide in slides]


def _pictures(slide: Slide, images: Images) -> dict[str, str] | None:
    if slide.stacks is None or slide.patches is None or not len(slide.patches):
        return None
    index = int(slide.patches["index"].iloc[0])
    planes, edge = slide.stacks.shape[1], min(EDGE, *slide.stacks.shape[2:4])
    top, left = ((size - edge) // 2 for size in slide.stacks.shape[2:4])
    where: Mapping[str, int] = {"low": 0, "focus": planes // 2, "high": planes - 1}
    return {
        name: images.webp("slide", slide.stacks[index, plane, top : top + edge, left : left + edge], quality=75)
        for name, plane in where.items()
    }
