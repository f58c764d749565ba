"""A slide's focus and trust as files: maps, pictures, regions and cells for QuPath, totals as the scan's quality."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from PIL import Image

from tsva.atomic import fresh_file
from tsva.slides.grid import CELL_PX
from tsva.slides.survey import Survey
from tsva.slides.trust import Verdict
from tsva.stage_files import write_table

NAMES = {
    Verdict.GLASS: "glass",
    Verdict.RESTORED: "restored",
    Verdict.DOUBTFUL: "doubtful",
    Verdict.COPIED_GOOD: "copied as good",
    Verdict.COPIED_OUT_OF_RANGE: "copied out of range",
    Verdict.MISREGISTERED: "misregistered",
}
COLOURS = {
    Verdict.GLASS: (235, 235, 235),
    Verdict.RESTORED: (0, 114, 178),
    Verdict.DOUBTFUL: (230, 159, 0),
    Verdict.COPIED_GOOD: (0, 158, 115),
    Verdict.COPIED_OUT_OF_RANGE: (213, 94, 0),
    Verdict.MISREGISTERED: (204, 121, 167),
}
"""Okabe and Ito's colours, which colour-blind eyes distinguish."""
UNKNOWN_FOCUS = (120, 120, 120)
LARGEST_PICTURE_PX = 1200
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def phrase(shares: Mapping[str, float]) -> str:
    """Shares of the tissue's cells, and of glass, for people.

    Parameters
    ----------
    shares : dict of str to float
        Of all cells, by the names of `Verdict` in small letters.
    """
    glass = shares["glass"]
    found = [
        f"{NAMES[kind]} {shares[kind.name.lower()] / max(1 - glass, 1e-9):.0%}"
        for kind in Verdict
        if kind != Verdict.GLASS and shares[kind.name.lower()]
    ]
    return f"{', '.join(found)} of the tissue; glass {glass:.0%} of the slide" if found else "glass alone"


def write(folder: Path, survey: Survey, cells: Mapping[str, np.ndarray], slide: str) -> dict[str, Any]:
    """Write `summary.json`, `verdicts.tsv`, `focus_map.ome.tif`, `focus_map.png`, `trust.png`, `regions.geojson` and
    `cells.geojson`.

    Parameters
    ----------
    folder : Path
        Made where absent.
    survey : Survey
    cells : dict of str to (R, K) array
        Of `tsva.slides.engine.judged_cells`. Empty: the survey alone is given, and the verdicts are those that need no
        restoration.
    slide : str
        Name in the summary.

    Returns
    -------
    dict
        The summary.
    """
    folder.mkdir(parents=True, exist_ok=True)
    verdict = np.asarray(cells["verdict"]) if "verdict" in cells else survey_verdicts(survey)
    totals = _totals(survey, verdict)
    summary = _summary(survey, totals, slide, judged="verdict" in cells)
    with fresh_file(folder / "summary.json") as part:
        part.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    with fresh_file(folder / "verdicts.tsv") as part:
        write_table(part, totals)
    with fresh_file(folder / "focus_map.ome.tif") as part:
        _write_map(part, survey)
    for name, picture in (("focus_map.png", _focus_picture(survey)), ("trust.png", _trust_picture(verdict))):
        with fresh_file(folder / name) as part:
            _enlarged(picture).save(part, format="PNG")
    for name, features in (
        ("regions.geojson", regions(verdict, survey)),
        ("cells.geojson", _cells(verdict, survey, cells)),
    ):
        with fresh_file(folder / name) as part:
            part.write_text(
                json.dumps({"type": "FeatureCollection", "features": list(features)}, separators=(",", ":")) + "\n",
                encoding="utf-8",
            )
    return summary


def survey_verdicts(survey: Survey) -> np.ndarray:
    """(R, K) codes that a survey alone can give: glass, misregistered, unknown focus; all else is copied as good where
    a shot is within half a micrometre of focus, and out of range beyond."""
    away_um = np.abs(np.abs(survey.focal_offset_um) - survey.delta_um)
    verdict = np.where(away_um <= IN_FOCUS_UM, Verdict.COPIED_GOOD, Verdict.COPIED_OUT_OF_RANGE)
    verdict[~survey.offset_known] = Verdict.DOUBTFUL
    verdict[survey.misregistered] = Verdict.MISREGISTERED
    verdict[survey.glass] = Verdict.GLASS
    return np.asarray(verdict, np.uint8)


IN_FOCUS_UM = 0.5
"""About the depth of field at NA 0.75."""


def _totals(survey: Survey, verdict: np.ndarray) -> pd.DataFrame:
    area_mm2 = _areas(survey) * (survey.pixel_um / 1000) ** 2
    tissue_mm2 = float(area_mm2[verdict != Verdict.GLASS].sum())
    rows = []
    for code, name in NAMES.items():
        chosen = verdict == code
        mm2 = float(area_mm2[chosen].sum())
        share = mm2 / tissue_mm2 if tissue_mm2 and code != Verdict.GLASS else float("nan")
        rows.append({"verdict": name, "cells": int(chosen.sum()), "area_mm2": mm2, "share_of_tissue": share})
    return pd.DataFrame(rows)


def _areas(survey: Survey) -> np.ndarray:
    """(R, K) pixels of each cell."""
    rows, columns = survey.grid.shape
    tall = np.minimum(CELL_PX, survey.height - CELL_PX * np.arange(rows))
    wide = np.minimum(CELL_PX, survey.width - CELL_PX * np.arange(columns))
    return np.outer(tall, wide).astype(float)


def _summary(survey: Survey, totals: pd.DataFrame, slide: str, *, judged: bool) -> dict[str, Any]:
    colours = {name: "#{:02x}{:02x}{:02x}".format(*COLOURS[code]) for code, name in NAMES.items()}
    known = survey.offset_known
    offset_um, tissue = survey.focal_offset_um[known], ~survey.glass
    shift = np.hypot(*np.moveaxis(survey.shift_px[tissue], -1, 0)) if tissue.any() else np.zeros(1)
    quantiles = np.quantile(offset_um, QUANTILES).tolist() if known.any() else [None] * len(QUANTILES)
    return {
        "slide": slide,
        "restored": judged,
        "height_px": survey.height,
        "width_px": survey.width,
        "pixel_um": survey.pixel_um,
        "delta_um": survey.delta_um,
        "cell_px": CELL_PX,
        "verdicts": [row | {"colour": colours[row["verdict"]]} for row in json.loads(totals.to_json(orient="records"))],
        "focal_offset_um": {f"q{round(100 * q):02d}": value for q, value in zip(QUANTILES, quantiles, strict=True)},
        "focal_offset_sd_um": float(np.median(survey.focal_offset_sd_um[known])) if known.any() else None,
        "largest_shift_px": float(shift.max()),
        "scale": survey.scale,
        "brightness": survey.brightness.tolist(),
        "noise": survey.noise.tolist(),
        "white": survey.white.tolist(),
        "delta_scale": None if np.isnan(survey.delta_scale) else survey.delta_scale,
        "distance_seems_wrong": survey.distance_seems_wrong,
    }


def _write_map(path: Path, survey: Survey) -> None:
    """Focal offset in µm, its standard deviation and the copy's expected error, a pixel a cell; NaN where unknown."""
    edge_um = CELL_PX * survey.pixel_um
    known = survey.offset_known
    maps = np.stack(
        [
            np.where(known, survey.focal_offset_um, np.nan),
            np.where(known, survey.focal_offset_sd_um, np.nan),
            survey.copy_rmse,
        ]
    ).astype(np.float32)
    metadata = {
        "axes": "CYX",
        "Channel": {"Name": ["focal offset, µm", "standard deviation, µm", "expected error of the copy"]},
        "PhysicalSizeX": edge_um,
        "PhysicalSizeY": edge_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeYUnit": "µm",
    }
    tifffile.imwrite(path, maps, ome=True, photometric="minisblack", compression="zlib", metadata=metadata)


def _focus_picture(survey: Survey) -> np.ndarray:
    """Blue where the low shot is nearer to focus, red where the high one is; glass is white, unknown focus grey."""
    import matplotlib as mpl

    reach_um = 3.0
    share = np.clip(survey.focal_offset_um / reach_um / 2 + 0.5, 0, 1)
    picture = (mpl.colormaps["RdYlBu"](share)[..., :3] * 255).round().astype(np.uint8)
    picture[~survey.offset_known] = UNKNOWN_FOCUS
    picture[survey.glass] = 255
    return picture


def _trust_picture(verdict: np.ndarray) -> np.ndarray:
    table = np.array([COLOURS[Verdict(code)] for code in range(len(COLOURS))], np.uint8)
    return table[verdict]


def _enlarged(picture: np.ndarray) -> Image.Image:
    factor = max(1, min(8, LARGEST_PICTURE_PX // max(picture.shape[:2])))
    return Image.fromarray(np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1))


def regions(verdict: np.ndarray, survey: Survey) -> Iterator[dict[str, Any]]:
    """One GeoJSON feature a verdict, as QuPath takes them: its cells merged to polygons, holes left out."""
    for code, name in NAMES.items():
        if code == Verdict.GLASS or not (verdict == code).any():
            continue
        polygons = outlines(verdict == code, survey.height, survey.width)
        yield {
            "type": "Feature",
            "geometry": {"type": "MultiPolygon", "coordinates": polygons},
            "properties": {
                "objectType": "annotation",
                "isLocked": True,
                "classification": {"name": name, "color": list(COLOURS[code])},
            },
        }


def _cells(verdict: np.ndarray, survey: Survey, cells: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """A tile object for each tissue cell, with its measurements."""
    maps = {
        "focal offset µm": survey.focal_offset_um,
        "focal offset sd µm": survey.focal_offset_sd_um,
        "expected error of the copy": cells.get("copy_rmse", survey.copy_rmse),
        "sharpness low": survey.sharpness_low,
        "sharpness high": survey.sharpness_high,
    }
    more = {
        "expected_gain_db": "expected gain of restoring dB",
        "expected_rmse": "expected error of the restoration",
        "reblur_residual": "re-blur residual",
    }
    maps |= {title: cells[name] for name, title in more.items() if name in cells}
    for row, column in np.argwhere(verdict != Verdict.GLASS):
        y, x = survey.grid.pixels(int(row), int(column))
        code = Verdict(int(verdict[row, column]))
        ring = [[x.start, y.start], [x.stop, y.start], [x.stop, y.stop], [x.start, y.stop], [x.start, y.start]]
        rounded = {name: float(f"{values[row, column]:.5g}") for name, values in maps.items()}
        yield {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "objectType": "tile",
                "classification": {"name": NAMES[code], "color": list(COLOURS[code])},
                "measurements": {name: value for name, value in rounded.items() if np.isfinite(value)},
            },
        }


def outlines(mask: np.ndarray, height: int, width: int) -> list[list[list[list[int]]]]:
    """Polygons of a mask of cells, as coordinates of a GeoJSON MultiPolygon in pixels.

    Parameters
    ----------
    mask : (R, K) bool array
    height, width : int
        Of the slide in pixels, which cut the last cells.

    Returns
    -------
    list of polygons
        Each a list of closed rings of [x, y]: the outer one, then its holes. Cells that touch at a corner alone are
        polygons of their own.
    """
    from scipy.ndimage import label

    labels, count = label(mask)
    found = []
    for number in range(1, count + 1):
        rings = [_pixels(ring, height, width) for ring in _rings(labels == number)]
        # the outer ring is the one that encloses most
        found.append(sorted(rings, key=lambda ring: -abs(_area(ring))))
    return found


def _rings(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    """Closed rings of corners (y, x) with the mask on their right; at a corner that two cells share, turn right."""
    padded = np.pad(mask, 1)
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (dy, dx), (sy, sx) in {(-1, 0): (0, 0), (0, 1): (0, 1), (1, 0): (1, 1), (0, -1): (1, 0)}.items():
        outside = ~padded[1 + dy : 1 + dy + mask.shape[0], 1 + dx : 1 + dx + mask.shape[1]]
        for y, x in np.argwhere(mask & outside):
            start = int(y) + sy, int(x) + sx
            edges.setdefault(start, []).append((start[0] + dx, start[1] - dy))
    rings = []
    while edges:
        start = next(iter(edges))
        ring, place, heading = [start], start, (0, 0)
        while True:
            ends = edges[place]
            chosen = min(ends, key=lambda end: _turn(heading, (end[0] - place[0], end[1] - place[1])))
            ends.remove(chosen)
            if not ends:
                del edges[place]
            step = chosen[0] - place[0], chosen[1] - place[1]
            if step == heading:
                ring.pop()
            heading, place = step, chosen
            ring.append(place)
            if place == start:
                break
        rings.append(ring)
    return rings


def _turn(heading: tuple[int, int], step: tuple[int, int]) -> int:
    """0 right, 1 straight on, 2 left (y points down)."""
    return 1 - (heading[1] * step[0] - heading[0] * step[1]) if heading != (0, 0) else 1


def _pixels(ring: list[tuple[int, int]], height: int, width: int) -> list[list[int]]:
    return [[min(x * CELL_PX, width), min(y * CELL_PX, height)] for y, x in ring]


def _area(ring: list[list[int]]) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) / 2
